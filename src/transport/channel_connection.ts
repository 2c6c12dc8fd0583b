import type { ByteChannel, ByteChannelEvents } from "./byte_channel.ts";
import type { ConnectionAddress, FastCgiConnection } from "./connection.ts";

/** Pieces that are kept when nobody reads, before the channel is paused: pausing and resuming for each would cost more. */
const READ_AHEAD_PIECES = 2;

/** One for all, as an error with its stack costs more than closing. */
const CLOSED: Error = /* @__PURE__ */ new Error("The connection was closed");

/** The ends of a connection. */
export interface ConnectionAddresses {
  /** The peer's address, where the transport has addresses. */
  readonly remoteAddress?: ConnectionAddress | undefined;
  /** Our own address, where the transport has addresses. */
  readonly localAddress?: ConnectionAddress | undefined;
}

/**
 * A connection over a {@linkcode ByteChannel}. Its streams are made when somebody asks for them. A copy, `{ ...connection, readable }`,
 * has the streams and not the channel, so that who wraps a connection sees all of its bytes.
 */
export class ChannelConnection implements FastCgiConnection {
  declare readonly readable: ReadableStream<Uint8Array>;
  declare readonly writable: WritableStream<Uint8Array>;
  readonly remoteAddress: ConnectionAddress | undefined;
  readonly localAddress: ConnectionAddress | undefined;
  readonly #channel: ByteChannel;

  constructor(channel: ByteChannel, { remoteAddress, localAddress }: ConnectionAddresses = {}) {
    this.#channel = channel;
    this.remoteAddress = remoteAddress;
    this.localAddress = localAddress;
    Object.defineProperties(this, STREAMS);
  }

  /** The bytes by calls. */
  get channel(): ByteChannel {
    return this.#channel;
  }

  /** Closes the connection at once, both ways. Calling it again does nothing. */
  readonly close = (): void => {
    made.get(this)?.onError(CLOSED);
    this.#channel.close(CLOSED);
  };
}

/** The streams of those connections that were asked for them. */
const made: WeakMap<ChannelConnection, ChannelStreams> = /* @__PURE__ */ new WeakMap();

function streamsOf(connection: ChannelConnection): ChannelStreams {
  let streams = made.get(connection);
  if (streams === undefined) {
    streams = new ChannelStreams(connection.channel);
    made.set(connection, streams);
  }
  return streams;
}

/** Properties of each connection, because a copy of an object has only its own. */
const STREAMS: PropertyDescriptorMap = {
  readable: {
    enumerable: true,
    get(this: ChannelConnection) {
      return streamsOf(this).readable;
    },
  },
  writable: {
    enumerable: true,
    get(this: ChannelConnection) {
      return streamsOf(this).writable;
    },
  },
};

/** A channel as streams. */
class ChannelStreams implements ByteChannelEvents {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  readonly #channel: ByteChannel;
  #source!: ReadableStreamDefaultController<Uint8Array>;
  #sink!: WritableStreamDefaultController;
  #isPaused = false;
  /** Whether `readable` takes nothing any more. */
  #isRead = false;

  constructor(channel: ByteChannel) {
    this.#channel = channel;
    this.readable = new ReadableStream(
      {
        start: (controller) => {
          this.#source = controller;
        },
        pull: () => this.#resume(),
        // The channel flows on, so that the peer can send what it has and its end; it is dropped.
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
    // A peer that resets the connection is noticed also while nothing is written.
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
