// The bytes of one stream of one request on their way from the connection to a reader. The connection pushes pieces as
// records come, and the reader pulls them. Nothing is copied, unless a small piece would keep a large buffer in memory, or
// the reader takes the whole stream: then each piece is copied when it comes, and the memory that it came in can be freed.

import { NO_CONTENT } from "../protocol/record.ts";
import { type ByteReader, type ByteReadResult, END_OF_BYTES } from "./byte_source.ts";
import { isPinning } from "./copying.ts";
import { type StreamLength, tooLong, tooShort } from "./stream_length.ts";
import { streamOf } from "./stream_of.ts";

/** The least that a queued piece counts for, so that bookkeeping for one-byte records cannot outgrow the limit. */
const MIN_PIECE_COST = 256;

/** What a {@linkcode ByteQueue} checks. */
export interface ByteQueueOptions extends StreamLength {
  /**
   * The most that may wait unread before the sender must pause.
   *
   * @default {Infinity}
   */
  maxQueuedBytes?: number;
  /**
   * Called once when the rest of the stream will not be read: the reader cancelled, or a limit or length was passed.
   */
  onAbandoned?: (reason: unknown) => void;
}

/** A promise of room. */
interface RoomWait {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

/** The state of a queue. A queue that failed or was cancelled stays so. */
type QueueState =
  /** More may be pushed. */
  | { readonly is: "open" }
  /** Nothing more comes. What is queued can still be read. */
  | { readonly is: "ended" }
  /** The reader wants nothing more, and nothing is queued. */
  | { readonly is: "cancelled" }
  /** What is queued can still be read, and then reading fails. */
  | { readonly is: "failed"; readonly error: unknown };

const OPEN: QueueState = Object.freeze({ is: "open" });
const ENDED: QueueState = Object.freeze({ is: "ended" });
const CANCELLED: QueueState = Object.freeze({ is: "cancelled" });

/** What a whole stream is read into. */
export interface PieceTarget {
  /** Takes the next piece, and keeps no view of it. If it throws, reading the stream fails with the error. */
  add(piece: Uint8Array): void;
  /** Whether it wants no more. What follows is left to another reader. */
  isFull?(): boolean;
}

/** A byte stream between a connection that pushes and a reader that pulls. */
export class ByteQueue implements ByteReader {
  readonly #options: ByteQueueOptions;
  #pieces: Uint8Array[] = [];
  #first = 0;
  #cost = 0;
  /** The number of pieces that were read, now and at the last note. */
  #reads = 0;
  #notedReads = 0;
  #received = 0;
  #state: QueueState = OPEN;
  #stream: ReadableStream<Uint8Array> | null = null;
  /** Whether a reader has asked for a piece. */
  #isUsed = false;
  /** What takes all pieces instead of the stream. */
  #target: PieceTarget | null = null;
  #onPiece: (() => void) | null = null;
  #onProgress: (() => void) | null = null;
  /** The wait for room. All that wait share one promise, or every piece that is read would wake all of them. */
  #roomWait: RoomWait | null = null;

  constructor(options: ByteQueueOptions) {
    this.#options = options;
  }

  /** Bytes pushed so far. */
  get received(): number {
    return this.#received;
  }

  /** The memory that unread pieces count for. */
  get cost(): number {
    return this.#cost;
  }

  /** Whether nothing more will be pushed or wanted. */
  get isDone(): boolean {
    return this.#state.is !== "open";
  }

  /** Whether the stream is known to be empty: it ended, and nothing came. */
  get isEmpty(): boolean {
    return this.isComplete && this.#received === 0;
  }

  /** Whether the stream has ended, and all of it came. Some of it may be unread. */
  get isComplete(): boolean {
    return this.#state.is === "ended";
  }

  /** The error of the stream; undefined if it has not failed. */
  get failure(): unknown {
    // Stryker disable next-line ConditionalExpression: no other state has an error
    return this.#state.is === "failed" ? this.#state.error : undefined;
  }

  /**
   * Adds a piece. If it passes the announced length or a limit, the stream fails instead.
   *
   * @returns Whether the piece was copied or dropped, so that neither the queue nor its reader has a view of it.
   */
  push(piece: Uint8Array): boolean {
    if (this.#state.is !== "open") return true;
    this.#received += piece.length;
    const error = tooLong(this.#options, this.#received);
    if (error !== null) {
      this.#failAndAbandon(error);
      return true;
    }
    if (this.#target !== null) return this.#addTo(this.#target, piece);
    // A reader that waits takes the piece at once, so nothing is kept alive then.
    const isCopied = this.#onPiece === null && isPinning(piece);
    // Not slice(): a Node Buffer's copies nothing.
    this.#pieces.push(isCopied ? new Uint8Array(piece) : piece);
    this.#cost += Math.max(piece.length, MIN_PIECE_COST);
    this.#wake();
    return isCopied;
  }

  /** Ends the stream. If it is shorter than announced, it fails instead: a truncated body must not look complete. */
  end(): void {
    if (this.#state.is !== "open") return;
    const error = tooShort(this.#options, this.#received);
    this.#settle(error === null ? ENDED : { is: "failed", error });
  }

  /** Fails the stream. Queued pieces can still be read before the error, as on any broken connection. */
  fail(error: unknown): void {
    if (this.#state.is !== "open") return;
    this.#settle({ is: "failed", error });
  }

  /** Drops what is queued and what will be pushed. */
  drop(): void {
    this.#pieces = [];
    this.#first = 0;
    this.#cost = 0;
    this.#settle(this.#state.is === "failed" ? this.#state : CANCELLED);
  }

  /** Drops the rest for the reader, and calls `onAbandoned` if more would have been pushed. */
  cancel(reason: unknown): void {
    // takeInto() closes the stream, and goes on reading.
    if (this.#target !== null) return;
    this.#isUsed = true;
    const unfinished = this.#state.is === "open";
    this.drop();
    if (unfinished) this.#options.onAbandoned?.(reason);
  }

  /** Whether `maxQueuedBytes` wait, so that nothing more should be pushed. */
  get #isFull(): boolean {
    return this.#cost >= (this.#options.maxQueuedBytes ?? Number.POSITIVE_INFINITY);
  }

  /** Resolves once there is room for more; undefined if that is so already. */
  whenRoom(): Promise<void> | undefined {
    if (!this.#isFull || this.#state.is !== "open") return undefined;
    if (this.#roomWait === null) {
      let resolve!: () => void;
      const promise = new Promise<void>((settle) => {
        resolve = settle;
      });
      this.#roomWait = { promise, resolve };
    }
    return this.#roomWait.promise;
  }

  /** Notes how far the queue was read, for {@linkcode ByteQueue.isStuck}. */
  noteReads(): void {
    this.#notedReads = this.#reads;
  }

  /** Whether there is no room, and nothing was read since the last note. */
  get isStuck(): boolean {
    return this.#isFull && this.#notedReads === this.#reads;
  }

  /**
   * Resolves once the stream is over, or there is no room, so that nothing more comes before it is read. Only one call
   * may wait at a time.
   */
  async whenDoneOrFull(): Promise<void> {
    while (this.#state.is === "open" && !this.#isFull) {
      await new Promise<void>((resolve) => {
        this.#onProgress = resolve;
      });
    }
  }

  /** Gives the next piece or the end, without a promise if it is there. Only one read at a time. */
  read(): ByteReadResult | Promise<ByteReadResult> {
    this.#isUsed = true;
    if (this.#first < this.#pieces.length) return { done: false, value: this.#take() };
    switch (this.#state.is) {
      case "open":
        return new Promise((resolve, reject) => {
          this.#onPiece = () => {
            try {
              resolve(this.read());
            } catch (error) {
              reject(error);
            }
          };
        });
      case "failed":
        throw this.#state.error;
      case "ended":
      case "cancelled":
        return END_OF_BYTES;
    }
  }

  /** Puts back the rest of the piece that was read last. */
  unread(rest: Uint8Array): void {
    if (rest.length === 0) return;
    this.#pieces.splice(this.#first, 0, rest);
    this.#cost += Math.max(rest.length, MIN_PIECE_COST);
  }

  /** Takes the pieces that are queued, and waits for none. */
  takeQueued(): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    while (this.#first < this.#pieces.length) pieces.push(this.#take());
    return pieces;
  }

  /** Whether all pieces were read and the stream has ended. */
  get isRead(): boolean {
    return this.#first === this.#pieces.length && (this.#state.is === "ended" || this.#state.is === "cancelled");
  }

  /**
   * The queue as a ReadableStream, made on first use. `cancel()` drops the rest. The stream is locked if a reader takes
   * all pieces without it.
   */
  get stream(): ReadableStream<Uint8Array> {
    if (this.#stream === null) {
      this.#stream = streamOf(this);
      if (this.#target !== null) this.#close(this.#stream);
    }
    return this.#stream;
  }

  /** Whether reading has begun. */
  get isUsed(): boolean {
    return this.#isUsed;
  }

  /** Whether a reader has the only right to read the queue. */
  get isLocked(): boolean {
    return this.#target !== null || this.#stream?.locked === true;
  }

  /** The announced length; null if there is none. */
  get expectedBytes(): number | null {
    return this.#options.expectedBytes ?? null;
  }

  /**
   * Passes all pieces to `target`, as soon as they come, up to the end or until it wants no more. No other reader can
   * read the queue meanwhile, nor after the end. Rejects if another reader has that right already.
   */
  async takeInto(target: PieceTarget): Promise<void> {
    if (this.isLocked) throw new TypeError(`Cannot read ${this.#options.name}: it is being read already`);
    this.#isUsed = true;
    this.#target = target;
    if (this.#stream !== null) this.#close(this.#stream);
    try {
      while (this.#target !== null && this.#first < this.#pieces.length) this.#give(target, this.#take());
    } catch (error) {
      this.#failAndAbandon(error);
      throw error;
    }
    if (this.#target !== null && this.#state.is === "open") {
      await new Promise<void>((resolve) => {
        this.#onPiece = resolve;
      });
    }
    if (this.#target !== null && this.#state.is === "failed") throw this.#state.error;
  }

  /** @returns Whether the target has taken it. */
  #addTo(target: PieceTarget, piece: Uint8Array): boolean {
    try {
      this.#give(target, piece);
      return true;
    } catch (error) {
      // There may be no memory for it. That is no error of the connection.
      this.#failAndAbandon(error);
      return false;
    }
  }

  #give(target: PieceTarget, piece: Uint8Array): void {
    target.add(piece);
    if (target.isFull?.() !== true) return;
    this.#target = null;
    this.#wake();
  }

  /** Locks the stream for programs that hold it already, and for a Request or Response whose body it is. */
  #close(stream: ReadableStream): void {
    void stream.getReader().cancel();
  }

  #take(): Uint8Array {
    // Stryker disable next-line UpdateOperator: any other number does
    this.#reads++;
    const piece = this.#pieces[this.#first]!;
    this.#pieces[this.#first++] = NO_CONTENT;
    // Compacting once half is used keeps the cost of a piece small, however long the queue is.
    // Stryker disable next-line ConditionalExpression,EqualityOperator,ArithmeticOperator,BlockStatement: pieces come in the same order, in more time or memory
    if (this.#first * 2 >= this.#pieces.length) {
      this.#pieces.splice(0, this.#first);
      this.#first = 0;
    }
    this.#cost -= Math.max(piece.length, MIN_PIECE_COST);
    this.#makeRoom();
    return piece;
  }

  /** Ends all waits for a piece or for room, because nothing more will be pushed. */
  #settle(state: QueueState): void {
    this.#state = state;
    this.#wake();
    this.#makeRoom();
  }

  #failAndAbandon(error: unknown): void {
    if (this.#state.is !== "open") return;
    this.fail(error);
    this.#options.onAbandoned?.(error);
  }

  #wake(): void {
    const wake = this.#onPiece;
    this.#onPiece = null;
    wake?.();
    const progress = this.#onProgress;
    this.#onProgress = null;
    progress?.();
  }

  #makeRoom(): void {
    if (this.#roomWait === null || (this.#isFull && this.#state.is === "open")) return;
    this.#roomWait.resolve();
    this.#roomWait = null;
  }
}
