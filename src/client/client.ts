import { withController } from "../base/abort.ts";
import { Deadline } from "../base/deadline.ts";
import { kindOf } from "../base/kind_of.ts";
import { resolveOptions } from "../base/resolve_options.ts";
import { checkSignal, checkString, objectOf, optionsOf, unexpected } from "../base/unexpected.ts";
import { cancelSource } from "../codec/byte_source.ts";
import type { FastCgiClientResponse, IncomingResponse } from "../codec/incoming_response.ts";
import { checkedParams } from "../codec/request_sender.ts";
import { type Connector, checkConnector } from "../connect/connector.ts";
import { FCGI_MAX_CONNS, FCGI_MAX_REQS, FCGI_MPXS_CONNS } from "../protocol/constants.ts";
import { FastCgiError } from "../protocol/errors.ts";
import { Application } from "./application.ts";
import type { ClientConnectionOwner } from "./connection.ts";
import { Delivery, type DeliveryHost } from "./delivery.ts";
import { type FastCgiClientOptions, type ResolvedClientOptions, resolveClientOptions } from "./options.ts";
import type { PoolStatus } from "./pool.ts";
import { type ClientRequest, clientRequest, type FastCgiRequestInit, paramsOf } from "./request.ts";

/** How {@linkcode FastCgiClient.close} ends. */
export interface ClientCloseOptions {
  /**
   * Milliseconds after which requests that still wait or run are aborted. Complete request bodies are still sent to
   * their end, for at most `writeTimeout`.
   *
   * @default {Infinity}
   */
  timeout?: number;
}

/** The defaults of {@linkcode ClientCloseOptions}. */
export const CLIENT_CLOSE_DEFAULTS: Required<ClientCloseOptions> = Object.freeze({ timeout: Number.POSITIVE_INFINITY });

/**
 * Sends requests to a FastCGI application, of any role and with any params.
 *
 * A large response that is not read keeps its connection until `stallTimeout`, and with `multiplexing` holds up the
 * other responses on it: read it, or cancel its `stdout`.
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
  /**
   * The applications by connector and key. The connector is the client's, or one that it named as an alternative;
   * without `keyOf` it leads to one application, with the key undefined.
   */
  readonly #applications = new Map<Connector, Map<string | undefined, Application>>();
  /** The part of this client that deliveries use. */
  readonly #host: DeliveryHost;
  #closed = false;

  /** @throws {RangeError | TypeError} If an option has a value it can't have. */
  constructor(connector: Connector, options: FastCgiClientOptions = {}) {
    checkConnector(connector, "Cannot make a client: expected connector");
    this.#connector = connector;
    this.#options = resolveClientOptions(optionsOf(options));
    this.#host = {
      options: this.#options,
      isClosed: () => this.#closed,
      poolOf: (...route) => this.#applicationOf(...route).pool,
    };
  }

  /**
   * Numbers of open connections, idle connections, and requests that run or wait, for all applications of the
   * connector.
   */
  get status(): PoolStatus {
    const sum = { connections: 0, idle: 0, active: 0, waiting: 0 };
    for (const { status } of this.#allApplications().map(({ pool }) => pool)) {
      sum.connections += status.connections;
      sum.idle += status.idle;
      sum.active += status.active;
      sum.waiting += status.waiting;
    }
    return sum;
  }

  /**
   * Sends one request. Resolves when sending begins. The streams of the response and its end follow, even if the
   * request is sent again (see {@linkcode FastCgiClientOptions.onRetry}).
   *
   * @throws {TypeError} If the request has an invalid value.
   * @throws {FastCgiError} `connectFailed` or `timeout` if no connection can be opened, `limit` if too many requests
   * wait.
   * @throws {unknown} The reason of `signal`, or the error of the connector's `keyOf`.
   */
  async send(request: FastCgiRequestInit): Promise<FastCgiClientResponse> {
    objectOf(request, "Cannot send the request", "request to be an object with params");
    const response = await this.#run(request, () => clientRequest(request, checkedParams(request.params)));
    return response.copyable;
  }

  /**
   * As {@linkcode FastCgiClient.send}, for the HTTP layer, which reads the response itself and does not change the
   * params.
   */
  startExchange(request: FastCgiRequestInit): Promise<IncomingResponse> {
    return this.#run(request, () => clientRequest(request, request.params));
  }

  /**
   * Asks the application for its limits (FastCGI 4.1): `FCGI_MAX_CONNS`, `FCGI_MAX_REQS`, `FCGI_MPXS_CONNS`. Values
   * that it does not know are missing in the result. Opens a connection of its own. `key` names the application, if the
   * connector has `keyOf`.
   *
   * @throws {TypeError} If an argument is not what it must be.
   */
  async getValues(
    names: readonly string[] = [FCGI_MAX_CONNS, FCGI_MAX_REQS, FCGI_MPXS_CONNS],
    options: { signal?: AbortSignal; key?: string } = {},
  ): Promise<Map<string, string>> {
    const task = "Cannot ask for values";
    const { signal, key } = optionsOf(options);
    if (!Array.isArray(names)) throw unexpected(`${task}: expected names to be an array`, names);
    for (const name of names) checkString(name, task, "each of names");
    checkSignal(signal, task);
    if (key !== undefined) checkString(key, task, "key");
    if (this.#closed) throw new TypeError("Cannot ask for values: the client is closed");
    const alone: ClientConnectionOwner = { onFree() {}, onClose() {}, onCantMultiplex() {} };
    const application = new Application(this.#connector, key, this.#options, () => {});
    return withController(signal ?? undefined, async (controller) => {
      const connection = await application.open(controller, alone);
      controller.signal.addEventListener("abort", () => connection.close(controller.signal.reason));
      try {
        return await connection.getValues(names, this.#options.readTimeout);
      } finally {
        connection.finish();
      }
    });
  }

  /**
   * Sends no more requests. Resolves when the requests that wait or run are over, and every connection is closed.
   *
   * @throws {RangeError | TypeError} If `timeout` is not a number of milliseconds.
   */
  async close(options: ClientCloseOptions = {}): Promise<void> {
    const { timeout } = resolveOptions(CLIENT_CLOSE_DEFAULTS, options, ["timeout"]);
    this.#closed = true;
    const pools = this.#allApplications().map(({ pool }) => pool);
    const message = `Cannot finish the request: the client closes after ${timeout} ms`;
    const deadline = new Deadline<"abort" | "leave">((step) => {
      const reason = new FastCgiError("connectionClosed", message);
      if (step === "leave") {
        for (const pool of pools) pool.closeAll(reason);
        return;
      }
      deadline.restart(this.#options.writeTimeout, "leave");
      for (const pool of pools) pool.abort(reason);
    });
    deadline.restart(timeout, "abort");
    await Promise.all(pools.map((pool) => pool.close()));
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
      const delivery = new Delivery(checked, this.#connector, this.#keyOf(checked), this.#host);
      const sent = delivery.deliver();
      if (sent !== undefined) await sent;
      return delivery.response;
    } catch (error) {
      for (const source of [request.stdin, request.data]) void cancelSource(source, error);
      throw error;
    }
  }

  /** The connector's key of the application that a request is for. */
  #keyOf(request: ClientRequest): string | undefined {
    if (this.#connector.keyOf === undefined) return undefined;
    const key: unknown = this.#connector.keyOf({ role: request.role, params: paramsOf(request) });
    if (typeof key === "string") return key;
    throw new TypeError(
      `Cannot send the request: expected keyOf of the connector to return a string, got ${kindOf(key)}`,
    );
  }

  #applicationOf(connector: Connector, key: string | undefined): Application {
    if (this.#closed) throw new TypeError("Cannot send a request: the client is closed");
    let byKey = this.#applications.get(connector);
    if (byKey === undefined) {
      byKey = new Map();
      this.#applications.set(connector, byKey);
    }
    let application = byKey.get(key);
    if (application === undefined) {
      application = new Application(connector, key, this.#options, () => this.#forget(connector, key));
      byKey.set(key, application);
    }
    return application;
  }

  /**
   * Forgets an application that is not used: keys may come from HTTP clients, such as host names, so their number is
   * not bounded.
   */
  #forget(connector: Connector, key: string | undefined): void {
    if (connector === this.#connector && key === undefined) return;
    const byKey = this.#applications.get(connector);
    byKey?.delete(key);
    if (byKey?.size === 0) this.#applications.delete(connector);
  }

  #allApplications(): Application[] {
    return [...this.#applications.values()].flatMap((byKey) => [...byKey.values()]);
  }
}
