import type { FastCgiParams } from "../cgi/params.ts";
import type { Role } from "../protocol/constants.ts";
import type { FastCgiError } from "../protocol/errors.ts";
import type { FastCgiConnection } from "../transport/connection.ts";

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
   * Throw for a host that you do not know: the request fails with that error. HTTP clients choose HTTP_HOST, so return only keys
   * of your own, and connect only to sockets of your own.
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
