import { checkFunction, unexpected } from "../base/unexpected.ts";
import type { FastCgiParams } from "../cgi/params.ts";
import type { Role } from "../protocol/constants.ts";
import type { FastCgiError } from "../protocol/errors.ts";
import type { FastCgiConnection } from "../transport/connection.ts";

/** Opens connections to an application. */
export interface Connector {
  /** Opens one connection. Rejects with a `connectFailed` {@linkcode FastCgiError}, or with the reason of `signal`. */
  connect(options: ConnectOptions): Promise<FastCgiConnection>;
  /**
   * Says which application a request is for, if the connector leads to several, such as one for each tenant of a host.
   * `connect` gets the result as `key`. Each key has its own connections and its own limits (`maxConnections` and so
   * on); no connection serves a request of another key.
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
   * Says where a request can go that the application of `connection` has refused because it is overloaded (FastCGI
   * 5.5), as `failover` and `roundRobin` do: to the connector that this returns, which should be the same object for
   * the same application. Null if there is no other application.
   */
  alternativeTo?(connection: FastCgiConnection, error: FastCgiError): Connector | null;
}

/** What a request says about the application that it is for. */
export interface ConnectorRequest {
  /** The role that the application is to play. */
  readonly role: Role;
  /** The variables. Byte strings: one character per byte. */
  readonly params: FastCgiParams;
}

/** Options of {@linkcode Connector.connect}. */
export interface ConnectOptions {
  /** Cancels the attempt. */
  signal: AbortSignal;
  /** The application to connect to: the result of {@linkcode Connector.keyOf}. Undefined if the connector has none. */
  key?: string;
}

/**
 * Checks a connector that a program gave.
 *
 * @param expectation For messages: "Cannot make a client: expected connector".
 * @throws {TypeError} If it has no `connect`.
 */
export function checkConnector(connector: Connector, expectation: string): void {
  const { connect, keyOf } = Object(connector) as Partial<Connector>;
  if (typeof connect !== "function") throw unexpected(`${expectation} to have a method connect`, connector);
  checkFunction(keyOf, "keyOf");
}
