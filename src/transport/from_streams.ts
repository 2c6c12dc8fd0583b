import { joinBytes } from "../codec/byte_source.ts";
import type { ByteChannel } from "./byte_channel.ts";
import { closeConnection, type FastCgiConnection, isChannel, type StreamConnection } from "./connection.ts";
import { OrderedChannel } from "./ordered_channel.ts";

/**
 * Returns a channel for a connection of either kind. If it has streams, they are locked from then on.
 *
 * @throws {TypeError} If `connection` is not a connection, or its streams are locked.
 */
export function fromStreams(connection: FastCgiConnection): ByteChannel {
  return isChannel(connection) ? connection : new StreamChannel(connection);
}

/** A channel made of streams. */
class StreamChannel extends OrderedChannel {
  readonly #connection: StreamConnection;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;

  constructor(connection: StreamConnection) {
    super(connection);
    this.#connection = connection;
    this.#reader = connection.readable.getReader();
    this.#writer = connection.writable.getWriter();
    this.#writer.closed.catch(() => {});
  }

  protected override startReading(): void {
    void this.readFrom(() => this.#reader.read());
  }

  override write(pieces: readonly Uint8Array[]): Promise<void> {
    // Joined, because each write to a stream costs more than the copy.
    return this.#writer.write(joinBytes(pieces));
  }

  override end(): Promise<void> {
    return this.#writer.close();
  }

  protected override destroy(reason: unknown): void {
    this.#writer.abort(reason).catch(() => {});
    this.#reader.cancel(reason).catch(() => {});
    void closeConnection(this.#connection);
  }
}
