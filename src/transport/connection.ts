// What a connection is: streams, or calls. from_streams.ts and to_streams.ts make one of the other.

import { kindOf } from "../base/kind_of.ts";
import type { ConnectionAddresses } from "./address.ts";
import type { ByteChannel } from "./byte_channel.ts";

/** An open connection (FastCGI 3.3) as two streams and a way to close it, as sockets of web-standard runtimes have them. */
export interface StreamConnection extends ConnectionAddresses {
  /** What the peer sends. Closes at the peer's end of file, fails when the connection breaks. */
  readonly readable: ReadableStream<Uint8Array>;
  /**
   * What is sent to the peer. A write settles when the transport has taken the bytes, so waiting for it is
   * back-pressure. Closing it half-closes the connection behind what was written.
   */
  readonly writable: WritableStream<Uint8Array>;
  /** Closes the connection at once, both ways. Calling it again does nothing. */
  close(): void | Promise<void>;
}

/**
 * An open connection (FastCGI 3.3): either streams, which are easy to make and to wrap, or a channel, which is faster. Never both in one
 * object, so that there is one way for its bytes.
 */
export type FastCgiConnection = StreamConnection | ByteChannel;

/** Why writes fail on a connection that we have closed. One for all: an error with its stack costs more than closing. */
export const CLOSED: Error = /* @__PURE__ */ new Error("The connection was closed");

/**
 * Returns `connection`.
 *
 * @throws {TypeError} If it is neither streams nor a channel, or both.
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
 * Whether `connection` is a channel. If not, it is streams.
 *
 * @throws {TypeError} If it is neither, or both.
 */
export function isChannel(connection: FastCgiConnection): connection is ByteChannel {
  return "start" in checkConnection(connection);
}

/** Closes `connection`. One that can't be closed is gone already, so this never rejects. */
export async function closeConnection(connection: FastCgiConnection): Promise<void> {
  try {
    await connection.close();
  } catch {
    // Closing is all there was left to do.
  }
}
