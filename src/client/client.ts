import type { FastCgiClientResponse, IncomingResponse } from "../codec/incoming_response.ts";
import { FCGI_MAX_CONNS, FCGI_MAX_REQS, FCGI_MPXS_CONNS, MAX_REQUEST_ID } from "../protocol/constants.ts";
import { FastCgiError } from "../protocol/errors.ts";
import { parseLength } from "../protocol/params.ts";
import { withController } from "../transport/attempt.ts";
import { cancelSource } from "../transport/byte_source.ts";
import type { Connector } from "../transport/connection.ts";
import { Deadline } from "../transport/deadline.ts";
import { ClientConnection, type ClientConnectionOwner } from "./connection.ts";
import { dial } from "./dial.ts";
import { type FastCgiClientOptions, type ResolvedClientOptions, resolveClientOptions } from "./options.ts";
import { Pool, type PoolStatus } from "./pool.ts";
import { type ClientRequest, checkedParams, clientRequest, type FastCgiRequestInit, isRepeatable } from "./request.ts";

/** Milliseconds after which an application that has not answered FCGI_GET_VALUES is taken for one that does not multiplex. */
const PROBE_TIMEOUT = 2_000;

/** How {@linkcode FastCgiClient.close} ends. */
export interface ClientCloseOptions {
  /**
   * Milliseconds after which what still waits or runs is aborted.
   *
   * @default {Infinity}
   */
  timeout?: number;
}

/**
 * Sends requests to a FastCGI application, of any role and with any params.
 *
 * A large response that nobody reads keeps its connection until `stallTimeout`, and with `multiplexing` holds back those that
 * share it: read it, or cancel its `stdout`.
 *
 * ```ts
 * const client = new FastCgiClient(connector);
 * const response = await client.send({ params: [["REQUEST_METHOD", "GET"]] });
 * const output = await new Response(response.stdout).text();
 * const { appStatus } = await response.end;
 * ```
 */
export class FastCgiClient implements AsyncDisposable {
  readonly #connector: Connector;
  readonly #options: ResolvedClientOptions;
  readonly #pool: Pool;
  /** Requests that a connection takes, by the address of the application: asked once. */
  readonly #capacities = new Map<string, Promise<number>>();
  #closed = false;

  /** @throws {RangeError | TypeError} If an option has a value it can't have. */
  constructor(connector: Connector, options: FastCgiClientOptions = {}) {
    this.#connector = connector;
    this.#options = resolveClientOptions(options);
    this.#pool = new Pool((controller) => this.#connect(controller), this.#options);
  }

  /** Open connections, those without a request, and requests that run or wait. */
  get status(): PoolStatus {
    return this.#pool.status;
  }

  /**
   * Sends one request. Resolves once it is on its way, or with its first output where it may have to be sent again (see
   * {@linkcode FastCgiClientOptions.onRetry}); its streams and its end come as they come.
   *
   * @throws {TypeError} If the request has a value that it can't have.
   * @throws {FastCgiError} `connectFailed` or `timeout` if there is no connection to be had, `limit` if too many requests wait.
   * @throws {unknown} The reason of `signal`.
   */
  send(request: FastCgiRequestInit): Promise<FastCgiClientResponse> {
    return this.#run(request, () => clientRequest(request, checkedParams(request.params)));
  }

  /** As {@linkcode FastCgiClient.send}, for the HTTP layer, which reads the response by itself and leaves the params as they are. */
  start(request: FastCgiRequestInit): Promise<IncomingResponse> {
    return this.#run(request, () => clientRequest(request, request.params));
  }

  /**
   * Asks the application for its limits (FastCGI 4.1): `FCGI_MAX_CONNS`, `FCGI_MAX_REQS`, `FCGI_MPXS_CONNS`. What it does not know
   * is missing. Opens a connection of its own.
   */
  async getValues(
    names: readonly string[] = [FCGI_MAX_CONNS, FCGI_MAX_REQS, FCGI_MPXS_CONNS],
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<Map<string, string>> {
    if (this.#closed) throw new TypeError("Cannot ask for values: the client is closed");
    const alone: ClientConnectionOwner = { onFree() {}, onClose() {}, onCantMultiplex() {} };
    return withController(signal, async (controller) => {
      const connection = await this.#open(controller, alone);
      controller.signal.addEventListener("abort", () => connection.close(controller.signal.reason));
      try {
        return await connection.getValues(names, this.#options.readTimeout);
      } finally {
        connection.retire();
      }
    });
  }

  /** Sends no more requests. Resolves when those that wait or run are over, and every connection is closed. */
  async close({ timeout = Number.POSITIVE_INFINITY }: ClientCloseOptions = {}): Promise<void> {
    this.#closed = true;
    const deadline = new Deadline(() => {
      const message = `Cannot finish the request: the client closes after ${timeout} ms`;
      this.#pool.abort(new FastCgiError("connectionClosed", message));
    });
    deadline.restart(timeout);
    await this.#pool.close();
    deadline.dispose();
  }

  /** As {@linkcode FastCgiClient.close}: `await using client = new FastCgiClient(…)`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(request: FastCgiRequestInit, check: () => ClientRequest): Promise<IncomingResponse> {
    try {
      const checked = check();
      checked.signal?.throwIfAborted();
      return await this.#start(checked);
    } catch (error) {
      for (const source of [request.stdin, request.data]) void cancelSource(source, error);
      throw error;
    }
  }

  async #start(request: ClientRequest): Promise<IncomingResponse> {
    const { signal } = request;
    const repeatable = isRepeatable(request);
    for (let attempt = 1; ; attempt++) {
      // The second attempt is to be the last.
      const fresh = attempt > 1 || !(repeatable || this.#options.reuseForAll);
      let mayBeStale = false;
      const started = this.#pool.run({
        fresh,
        signal,
        start(connection) {
          ({ mayBeStale } = connection);
          return { connection, response: connection.send(request) };
        },
      });
      const { connection, response } = started instanceof Promise ? await started : started;
      if (!mayBeStale || !repeatable) return response;
      try {
        await response.started();
        return response;
      } catch (error) {
        const isStale = error instanceof FastCgiError && error.code === "connectionClosed" && !connection.heard;
        if (!isStale || this.#closed) return response;
        this.#options.onRetry({ reason: "stale", error, attempt });
      }
    }
  }

  async #connect(controller: AbortController): Promise<ClientConnection> {
    const owner: ClientConnectionOwner = {
      onFree: (connection) => this.#pool.onFree(connection),
      onClose: (connection) => this.#pool.onClose(connection),
      onCantMultiplex: (connection) => void this.#capacities.set(backendOf(connection), Promise.resolve(1)),
    };
    const connection = await this.#open(controller, owner);
    if (!this.#options.multiplexing) return connection;
    const backend = backendOf(connection);
    let capacity = this.#capacities.get(backend);
    if (capacity === undefined) {
      capacity = this.#probe(connection);
      this.#capacities.set(backend, capacity);
    }
    const found = await capacity;
    // Some applications close after they have answered, or instead of it.
    const usable = connection.closed ? await this.#open(controller, owner) : connection;
    usable.capacity = found;
    return usable;
  }

  async #open(controller: AbortController, owner: ClientConnectionOwner): Promise<ClientConnection> {
    return new ClientConnection(await dial(this.#connector, this.#options, controller), this.#options, owner);
  }

  /** Requests that a connection to this application takes. */
  async #probe(connection: ClientConnection): Promise<number> {
    try {
      const values = await connection.getValues([FCGI_MAX_REQS, FCGI_MPXS_CONNS], PROBE_TIMEOUT);
      if (values.get(FCGI_MPXS_CONNS) !== "1") return 1;
      const maxRequests = parseLength(values.get(FCGI_MAX_REQS)) || MAX_REQUEST_ID;
      return Math.min(this.#options.maxConcurrentRequests, maxRequests, MAX_REQUEST_ID);
    } catch (error) {
      connection.close(error);
      return 1;
    }
  }
}

function backendOf({ remoteAddress }: ClientConnection): string {
  return JSON.stringify(remoteAddress ?? null);
}
