import { freeMemory } from "../base/free_memory.ts";
import { Turn } from "../base/turns.ts";
import { RecordDecoder } from "../codec/record_decoder.ts";
import type { StageController } from "../codec/stage.ts";
import type { FastCgiRecord } from "../protocol/record.ts";
import type { ByteChannel } from "./byte_channel.ts";

/** What a {@linkcode Reading} needs of its connection. */
export interface ReadingHost {
  /** The bytes of content that were taken and may still be in use as views: `keptBytes` of the decoder that takes the records. */
  readonly keptBytes: number;
  /** Takes a record. A returned promise asks for a pause until it settles. */
  onRecord(record: FastCgiRecord): void | Promise<void>;
  /** Called when the connection is not read from now on. */
  onPause(): void;
  /** Called when the connection is read again. `pausedFor` is in milliseconds. */
  onResume(pausedFor: number): void;
}

/**
 * The least length of a piece behind which there may be more. A runtime asks for at least this much, and what fills less
 * has emptied the socket.
 */
const FULL_PIECE = 4096;

/**
 * Milliseconds that a connection may take of one turn of the event loop. Runtimes read a socket several times in a row
 * as long as the peer fills it as fast, and meanwhile no other connection is read.
 */
const MAX_SHARE_OF_TURN = 10;

/**
 * Reads the records of a connection, except while anything that was read has no room, or while it is the turn of other
 * connections.
 */
export class Reading implements StageController<FastCgiRecord> {
  readonly #channel: ByteChannel;
  readonly #host: ReadingHost;
  readonly #decoder = new RecordDecoder({ splitStreams: true });
  /** Promises of room that have not settled; null if there is none. Much of what comes in one piece waits for the same one. */
  #waits: Set<Promise<void>> | null = null;
  #pausedAt = 0;
  /** The turn of the event loop that is going on; null if this is not known. */
  #turn: Turn | null = null;
  #isOver = false;

  constructor(channel: ByteChannel, host: ReadingHost) {
    this.#channel = channel;
    this.#host = host;
  }

  get isPaused(): boolean {
    return this.#waits !== null;
  }

  /** Whether the input so far ends with a record and its padding. */
  get isBetweenRecords(): boolean {
    return this.#decoder.isBetweenRecords;
  }

  /**
   * Takes a piece of input, and passes its records on. If none of them is in use after that, the memory of the piece is freed.
   *
   * @param isSole As that of {@linkcode ByteChannelEvents.onData}.
   * @throws {unknown} If the piece, or a record in it, can't be understood. Nothing may be taken after that.
   */
  take(piece: Uint8Array, isSole: boolean): void {
    const { keptBytes } = this.#host;
    const turn = piece.length < FULL_PIECE ? null : this.#currentTurn();
    this.#decoder.transform(piece, this, isSole);
    if (isSole && this.#host.keptBytes === keptBytes) freeMemory(piece);
    if (turn !== null && turn.age > MAX_SHARE_OF_TURN) void this.pauseUntil(turn.over);
  }

  /** Called with a record. */
  enqueue(record: FastCgiRecord): void {
    const room = this.#host.onRecord(record);
    if (room !== undefined) void this.pauseUntil(room);
  }

  /** Pauses reading until `room` settles. A rejection is reported elsewhere. */
  async pauseUntil(room: Promise<void>): Promise<void> {
    if (this.#isOver) return;
    if (this.#waits === null) {
      this.#waits = new Set();
      this.#pausedAt = performance.now();
      this.#channel.pause();
      this.#host.onPause();
    }
    const waits = this.#waits;
    if (waits.has(room)) return;
    waits.add(room);
    await room.catch(() => {});
    waits.delete(room);
    if (waits.size > 0) return;
    this.#waits = null;
    if (this.#isOver) return;
    this.#host.onResume(performance.now() - this.#pausedAt);
    this.#channel.resume();
  }

  #currentTurn(): Turn {
    this.#turn ??= new Turn(() => {
      this.#turn = null;
    });
    return this.#turn;
  }

  /** Ends reading: the connection is closed. */
  end(): void {
    this.#isOver = true;
    this.#turn?.dispose();
  }
}
