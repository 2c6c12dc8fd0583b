import type { ByteChannel } from "./byte_channel.ts";

/** Callbacks of a {@linkcode Reading} to its connection. */
export interface ReadingHost {
  /** Called when the connection is not read from now on. */
  onPause(): void;
  /** Called when the connection is read again. `pausedFor` is in milliseconds. */
  onResume(pausedFor: number): void;
}

/** Decides whether a connection is read. It is not read while anything that was read has no room. */
export class Reading {
  readonly #channel: ByteChannel;
  readonly #host: ReadingHost;
  /** Promises of room that have not settled. Much of what comes in one piece waits for the same one. */
  readonly #waits = new Set<Promise<void>>();
  #pausedAt = 0;
  #isOver = false;

  constructor(channel: ByteChannel, host: ReadingHost) {
    this.#channel = channel;
    this.#host = host;
  }

  get isPaused(): boolean {
    return this.#waits.size > 0;
  }

  /** Pauses reading until `room` settles. A rejection is reported elsewhere. */
  async pauseUntil(room: Promise<void>): Promise<void> {
    if (this.#waits.has(room)) return;
    this.#waits.add(room);
    if (this.#waits.size === 1) {
      this.#pausedAt = performance.now();
      this.#channel.pause();
      this.#host.onPause();
    }
    await room.catch(() => {});
    this.#waits.delete(room);
    if (this.#waits.size > 0 || this.#isOver) return;
    this.#host.onResume(performance.now() - this.#pausedAt);
    this.#channel.resume();
  }

  /** Ends reading: the connection is closed. */
  end(): void {
    this.#isOver = true;
  }
}
