import type { ByteChannel } from "./byte_channel.ts";

/** One open transport connection (FastCGI 3.3): two streams and a way to close it, as sockets of web-standard runtimes have them. */
export interface FastCgiConnection {
  /** What the peer sends. Closes at its end of file, fails when the connection breaks. */
  readonly readable: ReadableStream<Uint8Array>;
  /**
   * What is sent to the peer. A write settles when the transport has taken the bytes, so waiting for it is
   * back-pressure. Closing it half-closes the connection after what was written.
   */
  readonly writable: WritableStream<Uint8Array>;
  /** Closes the connection at once, both ways. Calling it again does nothing. */
  close(): void | Promise<void>;
  /**
   * The same bytes by calls, where the transport offers that. It costs a fraction of the streams, so it is taken instead of them;
   * who takes it leaves the streams alone.
   */
  readonly channel?: ByteChannel | undefined;
  /** The peer's address, where the transport has addresses. */
  readonly remoteAddress?: ConnectionAddress | undefined;
  /** Our own address, where the transport has addresses. */
  readonly localAddress?: ConnectionAddress | undefined;
}

/** Closes `connection`. One that can't be closed is gone already, so this never rejects. */
export async function closeConnection(connection: FastCgiConnection): Promise<void> {
  try {
    await connection.close();
  } catch {
    // Closing is all there was left to do.
  }
}

/** An end of a TCP connection, or the path of a Unix socket. */
export type ConnectionAddress = { readonly hostname: string; readonly port: number } | { readonly path: string };
