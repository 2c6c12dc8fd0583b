import type { ByteChannel } from "./byte_channel.ts";

/** What a {@linkcode Reading} tells its connection. */
export interface ReadingHost {
  /** The connection is not read from now on. */
  onPause(): void;
  /** It is read again, after so many milliseconds. */
  onResume(pausedFor: number): void;
}

/** Whether a connection is read: not while anything that was read has no room yet. */
export class Reading {
  readonly #channel: ByteChannel;
  readonly #host: ReadingHost;
  /** Promises of room that have not settled. */
  #waits = 0;
  #pausedAt = 0;
  #isOver = false;

  constructor(channel: ByteChannel, host: ReadingHost) {
    this.#channel = channel;
    this.#host = host;
  }

  get isPaused(): boolean {
    return this.#waits > 0;
  }

  /** Does not read the connection until `room` settles. A rejection is reported elsewhere. */
  async pauseUntil(room: Promise<void>): Promise<void> {
    this.#waits++;
    if (this.#waits === 1) {
      this.#pausedAt = performance.now();
      this.#channel.pause();
      this.#host.onPause();
    }
    await room.catch(() => {});
    this.#waits--;
    if (this.#waits > 0 || this.#isOver) return;
    this.#host.onResume(performance.now() - this.#pausedAt);
    this.#channel.resume();
  }

  /** The connection is closed: it is never read again. */
  end(): void {
    this.#isOver = true;
  }
}
