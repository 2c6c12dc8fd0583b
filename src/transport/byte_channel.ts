// The bytes of a connection by calls instead of streams. Streams cost a promise or more for each piece, which is most of what a small
// request costs; so everything here works on a channel, adapters that know their sockets offer one, and any other connection gets
// one made of its streams.

import { joinBytes } from "./byte_source.ts";
import { closeConnection, type FastCgiConnection } from "./connection.ts";

/** What a {@linkcode ByteChannel} tells. */
export interface ByteChannelEvents {
  /** The peer sent something. The piece is the receiver's. */
  onData(piece: Uint8Array): void;
  /** The peer has sent all it will. Writing can go on. */
  onEnd(): void;
  /** The connection broke, both ways. Told once, also after `onEnd`. */
  onError(error: unknown): void;
}

/** The bytes of one connection, both ways. What an adapter may offer beside the streams of a {@linkcode FastCgiConnection}. */
export interface ByteChannel {
  /** Begins to read. Called once; nothing is told before it returns, and nothing after {@linkcode ByteChannel.close}. */
  start(events: ByteChannelEvents): void;
  /** Reads no more for now. A piece that is under way may still come. */
  pause(): void;
  /** Reads again. */
  resume(): void;
  /**
   * Writes the pieces, one behind the other. Undefined says that the transport has taken them and has room; a promise resolves when that
   * is so, which is back-pressure. Not called again before that.
   *
   * @throws {unknown} If the connection broke; or the promise rejects.
   */
  write(pieces: readonly Uint8Array[]): Promise<void> | undefined;
  /** Half-closes the connection behind what was written. */
  end(): Promise<void>;
  /** Closes the connection at once, both ways. Calling it again does nothing. */
  close(reason: unknown): void;
}

/** The channel of `connection`: its own, or one made of its streams. */
export function channelOf(connection: FastCgiConnection): ByteChannel {
  return connection.channel ?? new StreamChannel(connection);
}

/** A channel made of streams. */
class StreamChannel implements ByteChannel {
  readonly #connection: FastCgiConnection;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  #closed = false;
  #isPaused = false;
  #wake: (() => void) | null = null;

  constructor(connection: FastCgiConnection) {
    this.#connection = connection;
    this.#reader = connection.readable.getReader();
    this.#writer = connection.writable.getWriter();
    this.#writer.closed.catch(() => {});
  }

  start(events: ByteChannelEvents): void {
    void this.#read(events);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#wake?.();
  }

  write(pieces: readonly Uint8Array[]): Promise<void> {
    // A write of a stream costs more than the copy.
    return this.#writer.write(joinBytes(pieces));
  }

  end(): Promise<void> {
    return this.#writer.close();
  }

  close(reason: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#wake?.();
    this.#writer.abort(reason).catch(() => {});
    this.#reader.cancel(reason).catch(() => {});
    void closeConnection(this.#connection);
  }

  async #read(events: ByteChannelEvents): Promise<void> {
    try {
      for (;;) {
        const { done, value } = await this.#reader.read();
        if (this.#closed) return;
        if (done) break;
        events.onData(value);
        while (this.#isPaused && !this.#closed) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } catch (error) {
      if (!this.#closed) events.onError(error);
      return;
    }
    events.onEnd();
  }
}
