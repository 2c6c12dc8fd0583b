// Puts requests on connections to their applications: what a FastCgiClient and a FastCgiHttpClient have in common.

import { Deadline } from "../base/deadline.ts";
import { kindOf } from "../base/kind_of.ts";
import { type Resolved, resolveOptions } from "../base/resolve_options.ts";
import { optionsOf } from "../base/unexpected.ts";
import { cancelSource } from "../codec/byte_source.ts";
import type { IncomingResponse } from "../codec/incoming_response.ts";
import { type Connector, checkConnector } from "../connect/connector.ts";
import { FastCgiError } from "../protocol/errors.ts";
import { Application } from "./application.ts";
import { Delivery, type DeliveryHost } from "./delivery.ts";
import { type FastCgiClientOptions, type ResolvedClientOptions, resolveClientOptions } from "./options.ts";
import type { PoolStatus } from "./pool.ts";
import { type ClientRequest, type FastCgiRequestInit, paramsOf } from "./request.ts";

/** How {@linkcode FastCgiClient.close} ends. */
export interface ClientCloseOptions {
  /**
   * Milliseconds after which requests that still wait or run are aborted. Complete request bodies are still sent to
   * their end, for at most `writeTimeout`.
   *
   * @default {Infinity}
   */
  timeout?: number | undefined;
}

/** The defaults of {@linkcode ClientCloseOptions}. */
export const CLIENT_CLOSE_DEFAULTS: Resolved<ClientCloseOptions> = Object.freeze({ timeout: Number.POSITIVE_INFINITY });

/** Sends requests to the applications of a connector. */
export class Dispatcher {
  readonly connector: Connector;
  readonly options: ResolvedClientOptions;
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
    this.connector = connector;
    this.options = resolveClientOptions(optionsOf(options));
    this.#host = {
      options: this.options,
      isClosed: () => this.#closed,
      poolOf: (...route) => this.#applicationOf(...route).pool,
    };
  }

  /** Whether no more requests are sent. */
  get isClosed(): boolean {
    return this.#closed;
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
   * Sends a request. Resolves when sending begins.
   *
   * @param check Checks the request. If it throws, or the request can't be sent, the request's streams are cancelled.
   * @throws {unknown} As `FastCgiClient.send`.
   */
  async send(request: FastCgiRequestInit, check: () => ClientRequest): Promise<IncomingResponse> {
    try {
      const checked = check();
      checked.signal?.throwIfAborted();
      const key = this.#keyOf(checked);
      // The program's keyOf may have aborted the request.
      checked.signal?.throwIfAborted();
      const delivery = new Delivery(checked, this.connector, key, this.#host);
      const sent = delivery.deliver();
      if (sent !== undefined) await sent;
      return delivery.response;
    } catch (error) {
      for (const source of [request.stdin, request.data]) void cancelSource(source, error);
      throw error;
    }
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
      deadline.restart(this.options.writeTimeout, "leave");
      for (const pool of pools) pool.abort(reason);
    });
    deadline.restart(timeout, "abort");
    await Promise.all(pools.map((pool) => pool.close()));
    deadline.dispose();
  }

  /** The connector's key of the application that a request is for. */
  #keyOf(request: ClientRequest): string | undefined {
    if (this.connector.keyOf === undefined) return undefined;
    const key: unknown = this.connector.keyOf({ role: request.role, params: paramsOf(request) });
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
      application = new Application(connector, key, this.options, () => this.#forget(connector, key));
      byKey.set(key, application);
    }
    return application;
  }

  /**
   * Forgets an application that is not used: keys may come from HTTP clients, such as host names, so their number is
   * not bounded.
   */
  #forget(connector: Connector, key: string | undefined): void {
    if (connector === this.connector && key === undefined) return;
    const byKey = this.#applications.get(connector);
    byKey?.delete(key);
    if (byKey?.size === 0) this.#applications.delete(connector);
  }

  #allApplications(): Application[] {
    return [...this.#applications.values()].flatMap((byKey) => [...byKey.values()]);
  }
}
