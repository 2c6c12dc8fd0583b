import type { ByteChannel, ByteChannelEvents } from "./byte_channel.ts";
import { CLOSED, type FastCgiConnection, isChannel, type StreamConnection } from "./connection.ts";

/**
 * The number of pieces that are kept while the stream is not read, before the channel is paused. Pausing for each piece
 * would cost more.
 */
const READ_AHEAD_PIECES = 2;

/**
 * Returns streams for a connection of either kind, for programs that read and write a connection themselves, and for
 * wrappers. The connection must not be used in another way from then on.
 *
 * All members are properties of the object's own, so that `{ ...toStreams(connection), readable }` is a connection too.
 *
 * @throws {TypeError} If `connection` is not a connection.
 */
export function toStreams(connection: FastCgiConnection): StreamConnection {
  const streams = isChannel(connection) ? new ChannelStreams(connection) : connection;
  const { readable, writable } = streams;
  const { remoteAddress, localAddress } = connection;
  return { readable, writable, close: () => streams.close(), remoteAddress, localAddress };
}

/** The streams of a channel. */
class ChannelStreams implements ByteChannelEvents {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  readonly #channel: ByteChannel;
  #source!: ReadableStreamDefaultController<Uint8Array>;
  #sink!: WritableStreamDefaultController;
  #isPaused = false;
  /** Whether `readable` accepts no more pieces. */
  #isRead = false;

  constructor(channel: ByteChannel) {
    this.#channel = channel;
    this.readable = new ReadableStream(
      {
        start: (controller) => {
          this.#source = controller;
        },
        pull: () => this.#resume(),
        // The channel is still read, so that the peer can send the rest and its end; the bytes are dropped.
        cancel: () => {
          this.#isRead = true;
          this.#resume();
        },
      },
      { highWaterMark: READ_AHEAD_PIECES },
    );
    this.writable = new WritableStream({
      start: (controller) => {
        this.#sink = controller;
      },
      write: (piece) => channel.write([piece]),
      close: () => channel.end(),
      abort: (reason) => channel.close(reason),
    });
    channel.start(this);
  }

  close(): void {
    this.onError(CLOSED);
    this.#channel.close(CLOSED);
  }

  onData(piece: Uint8Array): void {
    if (this.#isRead) return;
    this.#source.enqueue(piece);
    if (this.#source.desiredSize! > 0 || this.#isPaused) return;
    this.#isPaused = true;
    this.#channel.pause();
  }

  onEnd(): void {
    if (this.#isRead) return;
    this.#isRead = true;
    this.#source.close();
  }

  onError(error: unknown): void {
    // So that a reset by the peer is noticed even if nothing is written.
    this.#sink.error(error);
    if (this.#isRead) return;
    this.#isRead = true;
    this.#source.error(error);
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#channel.resume();
  }
}
