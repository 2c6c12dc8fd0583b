import type { ConnectionAddresses } from "./address.ts";

/** Callbacks of a {@linkcode ByteChannel} to its receiver. */
export interface ByteChannelEvents {
  /**
   * Called with bytes of the peer. The receiver may keep the piece.
   *
   * @param isSole Whether no other view of the piece's buffer is in use, so that the receiver may change it, and free its
   * memory once it does not need the piece. A wrapper that keeps pieces must not pass it on.
   * @default {false}
   */
  onData(piece: Uint8Array, isSole?: boolean): void;
  /** Called when the peer has ended its output. Writing can go on. */
  onEnd(): void;
  /** Called once when the connection broke, in both directions; also after `onEnd`. */
  onError(error: unknown): void;
}

/**
 * An open connection (FastCGI 3.3) with calls instead of streams. Streams cost a promise or more for each piece, which
 * is most of the cost of a small request. So the library works with channels, and adapters that know their sockets give
 * channels.
 */
export interface ByteChannel extends ConnectionAddresses {
  /**
   * Begins to read. Called once. No callback is called before it returns, and none after {@linkcode ByteChannel.close}.
   */
  start(events: ByteChannelEvents): void;
  /** Pauses reading. A piece that was read already may still come. */
  pause(): void;
  /** Reads again after a pause. */
  resume(): void;
  /**
   * Writes the pieces in order. Returns undefined if the transport has taken them and has room; otherwise a promise
   * that resolves when that is so, which is back-pressure. It is not called again before that.
   *
   * @throws {unknown} If the connection broke. The promise may reject for the same reason.
   */
  write(pieces: readonly Uint8Array[]): Promise<void> | undefined;
  /** Half-closes the connection after everything that was written. */
  end(): Promise<void>;
  /**
   * Closes the connection at once, in both directions. A second call does nothing.
   *
   * @param reason The error of later writes.
   * @default {an error that says so}
   */
  close(reason?: unknown): void;
  /**
   * As {@linkcode ByteChannel.close}, but the peer gets an error instead of an end, such as a reset of TCP, so that it
   * knows that what it has read is incomplete. Missing, or does nothing and returns false, if the transport can't do
   * this.
   */
  reset?(reason: unknown): boolean;
  /** A channel has no streams: bytes that went through them would not go through the calls. `toStreams` makes streams of it. */
  readonly readable?: undefined;
  /** As `readable`. */
  readonly writable?: undefined;
}
