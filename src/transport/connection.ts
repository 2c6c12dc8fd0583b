import type { Role } from "../protocol/constants.ts";
import type { FastCgiError } from "../protocol/errors.ts";
import type { FastCgiParams } from "../protocol/params.ts";
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

/** Opens connections to an application. */
export interface Connector {
  /** Opens one connection. Rejects with a `connectFailed` {@linkcode FastCgiError}, or with the reason of `signal`. */
  connect(options: ConnectOptions): Promise<FastCgiConnection>;
  /**
   * Says which application a request is for, where the connector leads to several, such as one for each tenant of a host. `connect`
   * is told of it as `key`. Each key has connections of its own, and the client's limits (`maxConnections` and the like) for
   * itself; no connection serves a request that has another key.
   *
   * ```ts
   * const connector: Connector = {
   *   keyOf: ({ params }) => tenantOf(params.get("HTTP_HOST")),
   *   connect: ({ signal, key }) => sockets.get(key).connect({ signal }),
   * };
   * ```
   *
   * A request fails with whatever this throws, such as for a host that nobody knows. HTTP clients choose HTTP_HOST: return no key, and
   * connect to nothing, that is not one of yours.
   */
  keyOf?(request: ConnectorRequest): string;
  /**
   * Says where else a request can go that the application behind `connection` has refused because it is overloaded (FastCGI 5.5), as
   * `failover` and `roundRobin` do: to the connector that this returns, which should be the same one for the same application. Null
   * where there is no other application.
   */
  alternativeTo?(connection: FastCgiConnection, error: FastCgiError): Connector | null;
}

/** What a request says about the application that it is for. */
export interface ConnectorRequest {
  /** What is wanted of the application. */
  readonly role: Role;
  /** The variables. Byte strings: one character per byte. */
  readonly params: FastCgiParams;
}

/** Options of {@linkcode Connector.connect}. */
export interface ConnectOptions {
  /** Gives the attempt up. */
  signal: AbortSignal;
  /** Which application to connect to: what {@linkcode Connector.keyOf} has said. Undefined where the connector has none. */
  key?: string;
}
