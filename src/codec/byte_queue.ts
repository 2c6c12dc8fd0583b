// The bytes of one stream of one request on their way from the connection to whoever reads them. The connection pushes
// as records come, the reader pulls when it wants; nothing is copied unless a small piece would keep a large buffer alive.

import { FastCgiError } from "../protocol/errors.ts";
import { NO_CONTENT } from "../protocol/record.ts";
import { type PieceSource, pieceStream } from "./piece_stream.ts";

/** What every queued piece is counted for at least, so that one-byte records cannot outgrow the limit by bookkeeping. */
const MIN_PIECE_COST = 256;

/** A piece that is smaller than this part of its buffer is copied, because it would keep the whole buffer alive. */
const PINNED_RATIO = 4;

/** What a {@linkcode ByteQueue} checks. */
export interface ByteQueueOptions {
  /** For messages: the stream's name. */
  name: string;
  /** The request the stream belongs to. */
  requestId: number;
  /** The length the sender announced. A stream that is shorter or longer is an error (FastCGI 6.2, 6.4). */
  expectedBytes?: number | null;
  /** The most bytes the stream may have in all, and the option that says so. */
  maxBytes?: number;
  /** The option behind `maxBytes`. */
  limit?: string;
  /** Called once when nobody will take what is still to come: the reader cancelled, or a limit or length was passed. */
  onAbandoned?: (reason: unknown) => void;
}

/** A promise of room. */
interface RoomWait {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

/** How a queue stands. What failed or was cancelled stays so. */
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

/** A byte stream between a connection that pushes and a reader that pulls. */
export class ByteQueue implements PieceSource {
  readonly #options: ByteQueueOptions;
  #pieces: Uint8Array[] = [];
  #first = 0;
  #cost = 0;
  #received = 0;
  #state: QueueState = OPEN;
  #stream: ReadableStream<Uint8Array> | null = null;
  /** Somebody has asked for a piece. */
  #isUsed = false;
  /** Somebody takes everything without the stream. */
  #isTaken = false;
  #onPiece: (() => void) | null = null;
  #onProgress: (() => void) | null = null;
  /** Who waits for room, by limit: one promise for all, or every piece that is read would wake all of them. */
  #waits: Map<number, RoomWait> | null = null;

  constructor(options: ByteQueueOptions) {
    this.#options = options;
  }

  /** Bytes pushed so far. */
  get received(): number {
    return this.#received;
  }

  /** Memory that unread pieces are counted for. */
  get cost(): number {
    return this.#cost;
  }

  /** Whether nothing more will be pushed, or nobody wants it. */
  get isDone(): boolean {
    return this.#state.is !== "open";
  }

  /** Whether the stream is known to be empty: it ended, and nothing came. */
  get isEmpty(): boolean {
    return this.#state.is === "ended" && this.#received === 0;
  }

  /** What the stream has failed with, or undefined. */
  get failure(): unknown {
    return this.#state.is === "failed" ? this.#state.error : undefined;
  }

  /** Adds a piece. An announced length or limit that it passes fails the stream instead. */
  push(piece: Uint8Array): void {
    if (this.#state.is !== "open") return;
    this.#received += piece.length;
    const { name, requestId, expectedBytes = null, maxBytes = Number.POSITIVE_INFINITY, limit } = this.#options;
    if (this.#received > maxBytes) {
      this.#failAndAbandon(
        new FastCgiError("limit", `Cannot read ${name}: more than ${maxBytes} bytes`, { requestId, limit }),
      );
      return;
    }
    if (expectedBytes !== null && this.#received > expectedBytes) {
      this.#failAndAbandon(this.#lengthMismatch(expectedBytes, `at least ${this.#received}`));
      return;
    }
    const pinned = piece.buffer.byteLength > piece.length * PINNED_RATIO;
    // A reader that waits takes the piece at once, so nothing is kept alive then. Not slice(): a Node Buffer's copies nothing.
    this.#pieces.push(pinned && this.#onPiece === null ? new Uint8Array(piece) : piece);
    this.#cost += Math.max(piece.length, MIN_PIECE_COST);
    this.#wake();
  }

  /** Ends the stream. One that is shorter than announced fails instead: a truncated body is never a short success. */
  end(): void {
    if (this.#state.is !== "open") return;
    const { expectedBytes = null } = this.#options;
    if (expectedBytes !== null && this.#received < expectedBytes) {
      this.fail(this.#lengthMismatch(expectedBytes, String(this.#received)));
      return;
    }
    this.#settle(ENDED);
  }

  /** Fails the stream. What is queued still comes before the error, as on any broken connection. */
  fail(error: unknown): void {
    if (this.#state.is !== "open") return;
    this.#settle({ is: "failed", error });
  }

  /** Throws away what is queued and all that comes. */
  cancel(): void {
    this.#pieces = [];
    this.#first = 0;
    this.#cost = 0;
    this.#settle(this.#state.is === "failed" ? this.#state : CANCELLED);
  }

  /** The reader wants no more: as {@linkcode ByteQueue.cancel}, and whoever feeds the queue is told. */
  abandon(reason: unknown): void {
    this.#isUsed = true;
    const unfinished = this.#state.is === "open";
    this.cancel();
    if (unfinished) this.#options.onAbandoned?.(reason);
  }

  /** Resolves once less than `limit` is queued; undefined if that is so already. */
  whenBelow(limit: number): Promise<void> | undefined {
    if (this.#cost < limit || this.#state.is !== "open") return undefined;
    this.#waits ??= new Map();
    let wait = this.#waits.get(limit);
    if (wait === undefined) {
      let resolve!: () => void;
      const promise = new Promise<void>((settle) => {
        resolve = settle;
      });
      wait = { promise, resolve };
      this.#waits.set(limit, wait);
    }
    return wait.promise;
  }

  /**
   * Resolves once nothing more will come or is wanted, or `limit` is queued, so that nothing more comes before it is read. One at a
   * time.
   */
  async whenDoneOrFull(limit: number): Promise<void> {
    while (this.#state.is === "open" && this.#cost < limit) {
      await new Promise<void>((resolve) => {
        this.#onProgress = resolve;
      });
    }
  }

  /** The next piece, or null at the end. One reader at a time. */
  async read(): Promise<Uint8Array | null> {
    for (;;) {
      const piece = this.take();
      if (piece !== undefined) return piece;
      await this.whenReadable();
    }
  }

  /** Resolves when {@linkcode ByteQueue.take} has something to give or to say. One reader at a time. */
  whenReadable(): Promise<void> {
    return new Promise((resolve) => {
      this.#onPiece = resolve;
    });
  }

  /** Whether all that came was taken, and the stream came to its end. */
  get isRead(): boolean {
    return this.#first === this.#pieces.length && (this.#state.is === "ended" || this.#state.is === "cancelled");
  }

  /** As {@linkcode ByteQueue.read}, without waiting: undefined where there is nothing yet. */
  take(): Uint8Array | null | undefined {
    this.#isUsed = true;
    if (this.#first === this.#pieces.length) {
      switch (this.#state.is) {
        case "open":
          return undefined;
        case "failed":
          throw this.#state.error;
        case "ended":
        case "cancelled":
          return null;
      }
    }
    const piece = this.#pieces[this.#first]!;
    this.#pieces[this.#first++] = NO_CONTENT;
    // Compacting once half is used keeps taking a piece cheap, however long the queue is.
    if (this.#first * 2 >= this.#pieces.length) {
      this.#pieces.splice(0, this.#first);
      this.#first = 0;
    }
    this.#cost -= Math.max(piece.length, MIN_PIECE_COST);
    this.#makeRoom();
    return piece;
  }

  /**
   * The queue as a ReadableStream, made when it is first asked for; `cancel()` drops the rest. It is locked if somebody has taken
   * everything without it.
   */
  get stream(): ReadableStream<Uint8Array> {
    if (this.#stream === null) {
      this.#stream = pieceStream(this);
      if (this.#isTaken) this.#stream.getReader();
    }
    return this.#stream;
  }

  /** Whether anybody has begun to read it. */
  get isUsed(): boolean {
    return this.#isUsed;
  }

  /** Whether somebody has the only right to read it. */
  get isLocked(): boolean {
    return this.#isTaken || this.#stream?.locked === true;
  }

  /** All that is still to come. Nobody else can read it then. Rejects if somebody has that right already. */
  async takeAll(): Promise<Uint8Array[]> {
    const pieces: Uint8Array[] = [];
    // Whoever has it already must find it locked.
    this.#stream?.getReader();
    this.#isTaken = true;
    for (let piece = await this.read(); piece !== null; piece = await this.read()) pieces.push(piece);
    return pieces;
  }

  /** Nothing more will be pushed, so whoever waits for a piece or for room has nothing to wait for. */
  #settle(state: QueueState): void {
    this.#state = state;
    this.#wake();
    this.#makeRoom();
  }

  #failAndAbandon(error: FastCgiError): void {
    this.fail(error);
    this.#options.onAbandoned?.(error);
  }

  #lengthMismatch(expected: number, actual: string): FastCgiError {
    const { name, requestId } = this.#options;
    return new FastCgiError("lengthMismatch", `Cannot read ${name}: expected ${expected} bytes, got ${actual}`, {
      requestId,
    });
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
    if (this.#waits === null) return;
    for (const [limit, { resolve }] of this.#waits) {
      if (this.#cost >= limit && this.#state.is === "open") continue;
      this.#waits.delete(limit);
      resolve();
    }
  }
}
