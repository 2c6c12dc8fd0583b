import type { FastCgiClientResponse, IncomingResponse } from "../codec/incoming_response.ts";
import { FCGI_MAX_CONNS, FCGI_MAX_REQS, FCGI_MPXS_CONNS } from "../protocol/constants.ts";
import { FastCgiError } from "../protocol/errors.ts";
import { cancelSource } from "../transport/byte_source.ts";
import { type Connector, closeConnection, type FastCgiConnection } from "../transport/connection.ts";
import { ClientConnection } from "./connection.ts";
import { type FastCgiClientOptions, resolveClientOptions } from "./options.ts";
import { type FastCgiRequestInit, streamsOf } from "./request.ts";

/**
 * Sends requests to a FastCGI application, of any role and with any params. Each has a connection to itself while it runs;
 * with `keepAlive` connections are used again.
 *
 * ```ts
 * const client = new FastCgiClient(connector);
 * const response = await client.send({ params: [["REQUEST_METHOD", "GET"]] });
 * const output = await new Response(response.stdout).text();
 * const { appStatus } = await response.end;
 * ```
 */
export class FastCgiClient {
  readonly #connector: Connector;
  readonly #options: Required<FastCgiClientOptions>;
  #idle: ClientConnection[] = [];
  #closed = false;

  /** @throws {RangeError | TypeError} If an option has a value it can't have. */
  constructor(connector: Connector, options: FastCgiClientOptions = {}) {
    this.#connector = connector;
    this.#options = resolveClientOptions(options);
  }

  /** Connections that wait for a request. */
  get idleConnections(): number {
    this.#idle = this.#idle.filter((connection) => !connection.closed);
    return this.#idle.length;
  }

  /**
   * Sends one request. Resolves once it is on its way; its streams and its end come as they come.
   *
   * @throws {FastCgiError} `connectFailed` or `timeout` if there is no connection to be had.
   * @throws {unknown} The reason of `signal`.
   */
  send(request: FastCgiRequestInit): Promise<FastCgiClientResponse> {
    return this.start(request);
  }

  /** As {@linkcode FastCgiClient.send}, for the HTTP layer, which reads the response by itself. */
  async start(request: FastCgiRequestInit): Promise<IncomingResponse> {
    const signal = request.signal ?? undefined;
    try {
      signal?.throwIfAborted();
      const connection = this.#takeIdle() ?? (await this.#connect(signal));
      return connection.send(request);
    } catch (error) {
      for (const source of streamsOf(request)) void cancelSource(source, error);
      throw error;
    }
  }

  /**
   * Asks the application for its limits (FastCGI 4.1): `FCGI_MAX_CONNS`, `FCGI_MAX_REQS`, `FCGI_MPXS_CONNS`. What it does not know
   * is missing.
   */
  async getValues(
    names: readonly string[] = [FCGI_MAX_CONNS, FCGI_MAX_REQS, FCGI_MPXS_CONNS],
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<Map<string, string>> {
    signal?.throwIfAborted();
    const connection = await this.#connect(signal);
    const onAbort = (): void => connection.close(signal!.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      return await connection.getValues(names);
    } finally {
      signal?.removeEventListener("abort", onAbort);
      connection.close(new FastCgiError("connectionClosed", "The exchange is over"));
    }
  }

  /** Sends no more requests, and closes idle connections. Exchanges under way go on to their end. */
  close(): void {
    this.#closed = true;
    const reason = new FastCgiError("connectionClosed", "The client is closed");
    for (const connection of this.#idle) connection.close(reason);
    this.#idle = [];
  }

  #takeIdle(): ClientConnection | undefined {
    for (;;) {
      // The one used last: the others can go idle and be closed.
      const connection = this.#idle.pop();
      if (connection === undefined || !connection.closed) return connection;
    }
  }

  async #connect(signal: AbortSignal | undefined): Promise<ClientConnection> {
    if (this.#closed) throw new TypeError("Cannot send a request: the client is closed");
    const connection = new ClientConnection(await this.#dial(signal), this.#options, (idle) => {
      if (this.#closed) idle.close(new FastCgiError("connectionClosed", "The client is closed"));
      else this.#idle.push(idle);
    });
    return connection;
  }

  async #dial(signal: AbortSignal | undefined): Promise<FastCgiConnection> {
    const { connectTimeout } = this.#options;
    const attempt = new AbortController();
    const onAbort = (): void => attempt.abort(signal!.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    const timer = Number.isFinite(connectTimeout)
      ? setTimeout(() => {
          const message = `Cannot connect: the application did not answer for ${connectTimeout} ms`;
          attempt.abort(new FastCgiError("timeout", message, { limit: "connectTimeout" }));
        }, connectTimeout)
      : undefined;
    try {
      const connection = await this.#connector.connect({ signal: attempt.signal });
      if (!attempt.signal.aborted) return connection;
      // It came too late, by a moment or because the connector does not look at its signal.
      void closeConnection(connection);
      throw attempt.signal.reason;
    } catch (error) {
      if (attempt.signal.aborted) throw attempt.signal.reason;
      if (error instanceof FastCgiError) throw error;
      throw new FastCgiError(
        "connectFailed",
        `Cannot connect: ${error instanceof Error ? error.message : String(error)}`,
        {
          cause: error,
        },
      );
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    }
  }
}
