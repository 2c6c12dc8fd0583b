import type { ByteChannel, ByteChannelEvents } from "./byte_channel.ts";
import { joinBytes } from "./byte_source.ts";
import { closeConnection, type FastCgiConnection } from "./connection.ts";

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
