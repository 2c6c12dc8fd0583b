import type { ConnectionAddresses } from "./address.ts";

/** What a {@linkcode ByteChannel} tells its receiver. */
export interface ByteChannelEvents {
  /** The peer sent something. The piece is the receiver's. */
  onData(piece: Uint8Array): void;
  /** The peer has sent all it will. Writing can go on. */
  onEnd(): void;
  /** The connection broke, both ways. Told once, also after `onEnd`. */
  onError(error: unknown): void;
}

/**
 * An open connection (FastCGI 3.3) by calls instead of streams. Streams cost a promise or more for each piece, which is most of the cost
 * of a small request; so the library works on channels, and the adapters that know their sockets give channels.
 */
export interface ByteChannel extends ConnectionAddresses {
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
  /**
   * Closes the connection at once, both ways. Calling it again does nothing.
   *
   * @param reason What writes fail with from then on.
   * @default {an error that says so}
   */
  close(reason?: unknown): void;
  /**
   * As {@linkcode ByteChannel.close}, but the peer gets an error instead of an end, as by a reset of TCP: what it has read is not whole.
   * Missing, or false and nothing done, where the transport has no such thing.
   */
  reset?(reason: unknown): boolean;
  /** A channel has no streams: bytes that went through them would not go through the calls. `toStreams` makes streams of it. */
  readonly readable?: undefined;
  /** As `readable`. */
  readonly writable?: undefined;
}
