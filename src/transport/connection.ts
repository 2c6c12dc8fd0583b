// What a connection is: streams, or calls. from_streams.ts and to_streams.ts convert one into the other.

import { kindOf } from "../base/kind_of.ts";
import type { ConnectionAddresses } from "./address.ts";
import type { ByteChannel } from "./byte_channel.ts";

/** An open connection (FastCGI 3.3) as two streams and a way to close it, as sockets of web-standard runtimes have them. */
export interface StreamConnection extends ConnectionAddresses {
  /** The bytes of the peer. Closes at the peer's end of file, and fails when the connection breaks. */
  readonly readable: ReadableStream<Uint8Array>;
  /**
   * The bytes to the peer. A write settles when the transport has taken the bytes, so waiting for it is back-pressure.
   * Closing the stream half-closes the connection after everything that was written.
   */
  readonly writable: WritableStream<Uint8Array>;
  /** Closes the connection at once, in both directions. A second call does nothing. */
  close(): void | Promise<void>;
}

/**
 * An open connection (FastCGI 3.3): either streams, which are easy to make and to wrap, or a channel, which is faster.
 * It is never both, so that its bytes take only one way.
 */
export type FastCgiConnection = StreamConnection | ByteChannel;

/**
 * The error of writes to a connection that this side has closed. One object for all, because an error with its stack
 * costs more than closing.
 */
export const CLOSED: Error = /* @__PURE__ */ new Error("The connection was closed");

/**
 * Returns `connection`.
 *
 * @throws {TypeError} If `connection` is neither streams nor a channel, or both.
 */
export function checkConnection(connection: FastCgiConnection): FastCgiConnection {
  const { start, write, readable, writable, close } = Object(connection) as {
    [Name in keyof ByteChannel | keyof StreamConnection]?: { getReader?: unknown; getWriter?: unknown };
  };
  const isStreams = typeof readable?.getReader === "function" && typeof writable?.getWriter === "function";
  const isCalls = typeof start === "function" && typeof write === "function";
  if (isStreams !== isCalls && typeof close === "function") return connection;
  const expected = "expected either two streams, readable and writable, or the calls of a ByteChannel, and close";
  const got = isStreams && isCalls ? "streams and calls in one object" : kindOf(connection);
  throw new TypeError(`Cannot use a connection: ${expected}, got ${got}`);
}

/**
 * Whether `connection` is a channel and not streams.
 *
 * @throws {TypeError} If `connection` is neither, or both.
 */
export function isChannel(connection: FastCgiConnection): connection is ByteChannel {
  return typeof checkConnection(connection).readable?.getReader !== "function";
}

/** Closes `connection`. Never rejects, because a connection that can't be closed is gone already. */
export async function closeConnection(connection: FastCgiConnection): Promise<void> {
  try {
    await connection.close();
  } catch {
    // Nothing else is left to do with the connection.
  }
}
