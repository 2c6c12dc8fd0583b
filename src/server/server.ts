import { Deadline } from "../base/deadline.ts";
import { type Resolved, resolveOptions } from "../base/resolve_options.ts";
import { checkFunction, optionsOf } from "../base/unexpected.ts";
import type { FastCgiRequest } from "../codec/incoming_request.ts";
import { FastCgiError } from "../protocol/errors.ts";
import { checkConnection, closeConnection, type FastCgiConnection } from "../transport/connection.ts";
import { ServerConnection, type ServerConnectionOwner } from "./connection.ts";
import { type FastCgiServerOptions, type ResolvedServerOptions, resolveServerOptions } from "./options.ts";
import { type FastCgiHandler, type FastCgiHandlerContext, forIncoming } from "./response.ts";

/** How {@linkcode FastCgiServer.close} ends. */
export interface CloseOptions {
  /**
   * Milliseconds for which connections go on as before, unless the web server closes them. A request may still be on
   * its way, on a new connection or on a kept one, because FastCGI has no way to announce that a connection ends. Then
   * idle connections are closed, and the others after their requests.
   *
   * @default {250} (long enough for a web server to send what it has connected for: it writes as soon as it is connected)
   */
  grace?: number | undefined;
  /**
   * Milliseconds after which running requests are aborted. Handlers then have a second to settle, and web servers to
   * read how their responses end. The rest is left behind: `onError` is told of each handler and each promise of
   * `waitUntil`, and `close` resolves.
   *
   * @default {Infinity}
   */
  timeout?: number | undefined;
}

/** The defaults of {@linkcode CloseOptions}. */
export const CLOSE_DEFAULTS: Resolved<CloseOptions> = Object.freeze({ grace: 250, timeout: Number.POSITIVE_INFINITY });

/** Numbers of a server. They are of this process alone, also if others listen at the same place. */
export interface FastCgiServerStatus {
  /** Open connections. */
  readonly connections: number;
  /** Open connections without a request. */
  readonly idle: number;
  /**
   * Requests whose handler or response has not settled. A handler counts until then also if its web server has closed
   * the connection: a number that grows tells of handlers that never end. Those that a close has left behind do not count.
   */
  readonly active: number;
  /** Requests that have begun, and whose variables are still to come, so that no handler has them. */
  readonly waiting: number;
  /**
   * When the server began, in milliseconds by `performance.now()`, which no change of the clock moves.
   * `performance.timeOrigin + startTime` is the time of day.
   */
  readonly startTime: number;
}

/** Milliseconds that handlers have to settle after the timeout of a close has aborted them. */
const SETTLE_TIME = 1000;

/**
 * A FastCGI application over any transport. It does not listen itself: an adapter accepts connections and passes each
 * to {@linkcode FastCgiServer.serve}.
 *
 * ```ts
 * const server = new FastCgiServer(() => ({ stdout: encoder.encode("Status: 200 OK\r\n\r\nHello") }));
 * await server.serve(connection);
 * ```
 */
export class FastCgiServer implements FastCgiHandlerContext {
  readonly #handler: FastCgiHandler;
  readonly #options: ResolvedServerOptions;
  readonly #startTime = performance.now();
  /** The open connections. */
  readonly #connections = new Set<ServerConnection>();
  /** Closed connections with handlers that have not settled. They do not count for `maxConnections`. */
  readonly #unsettled = new Set<ServerConnection>();
  /** The promises that were given to `waitUntil`, and the request of each. */
  readonly #background = new Map<Promise<unknown>, FastCgiRequest | undefined>();
  readonly #owner: ServerConnectionOwner = {
    onClose: (connection) => {
      this.#connections.delete(connection);
      this.#unsettled.add(connection);
    },
    onSettled: (connection) => {
      this.#unsettled.delete(connection);
      this.#checkDone();
    },
  };
  #closed = false;
  #onDone: (() => void)[] = [];

  /**
   * Serves every request with `handler`.
   *
   * @throws {RangeError | TypeError} If an option has a value it can't have.
   */
  constructor(handler: FastCgiHandler, options: FastCgiServerOptions = {}) {
    checkFunction(handler, "handler", false);
    this.#handler = forIncoming(handler);
    this.#options = resolveServerOptions(optionsOf(options));
  }

  /** The connections and requests of this moment. They are counted when this is read. */
  get status(): FastCgiServerStatus {
    let [idle, active, waiting] = [0, 0, 0];
    for (const connection of this.#connections) {
      if (connection.isIdle) idle++;
      active += connection.running;
      waiting += connection.waiting;
    }
    for (const connection of this.#unsettled) active += connection.running;
    return { connections: this.#connections.size, idle, active, waiting, startTime: this.#startTime };
  }

  /**
   * Serves the requests of one connection. Resolves when the connection is closed and its handlers have settled. Never
   * rejects: errors go to `onError`.
   *
   * @throws {TypeError} If it is no connection.
   */
  serve(connection: FastCgiConnection): Promise<void> {
    // Not async: an async function that waits keeps its state, for each connection as long as it is open.
    try {
      const { maxConnections, onError } = this.#options;
      checkConnection(connection);
      if (this.#closed) return closeConnection(connection);
      if (this.#connections.size >= maxConnections) {
        const message = `Cannot accept a connection: ${maxConnections} are open`;
        onError(new FastCgiError("limit", message, { limit: "maxConnections" }));
        return closeConnection(connection);
      }
      const served = new ServerConnection(connection, this.#handler, this, this.#options, this.#owner);
      this.#connections.add(served);
      return served.run();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Makes {@linkcode FastCgiServer.close} wait for work that goes on after a response. */
  waitUntil(promise: PromiseLike<unknown>, request?: FastCgiRequest): void {
    const done: Promise<unknown> = Promise.resolve(promise)
      .catch((error) => this.#options.onError(error, request))
      .finally(() => {
        this.#background.delete(done);
        this.#checkDone();
      });
    this.#background.set(done, request);
  }

  /**
   * Accepts no more connections, finishes the requests that run or come within `grace`, and closes each connection once
   * none is active on it. Resolves when all is done, or shortly after `timeout`. A second call waits for the same end,
   * and may set a `timeout` of its own.
   *
   * @throws {RangeError | TypeError} If an option has a value it can't have.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    const { grace, timeout } = resolveOptions(CLOSE_DEFAULTS, options, ["grace", "timeout"]);
    this.#closed = true;
    if (grace === 0) this.#finish();
    if (this.#isDone) return;
    await new Promise<void>((resolve) => {
      const graceEnd = new Deadline(() => this.#finish());
      const end = new Deadline<"abort" | "leave">((step) => {
        if (step === "leave") {
          this.#leave(timeout);
          return;
        }
        // First, because all may be done as soon as it is aborted.
        end.restart(SETTLE_TIME, "leave");
        this.#abort(timeout);
      });
      this.#onDone.push(() => {
        graceEnd.dispose();
        end.dispose();
        resolve();
      });
      if (grace > 0) graceEnd.restart(grace);
      end.restart(timeout, "abort");
    });
  }

  #finish(): void {
    for (const connection of this.#connections) connection.finish();
  }

  #abort(timeout: number): void {
    for (const connection of this.#connections) connection.giveUp(closing(timeout));
  }

  /** Stops waiting. Handlers that have not settled go on by themselves. */
  #leave(timeout: number): void {
    for (const connection of this.#connections) connection.close(closing(timeout));
    const requests = [...this.#unsettled].flatMap((connection) => connection.requests);
    const promises = [...this.#background.values()];
    this.#unsettled.clear();
    this.#background.clear();
    for (const request of requests) this.#options.onError(leftBehind("its handler", timeout), request);
    for (const request of promises) this.#options.onError(leftBehind("a promise of waitUntil", timeout), request);
    this.#tellDone();
  }

  get #isDone(): boolean {
    return this.#connections.size + this.#unsettled.size + this.#background.size === 0;
  }

  #checkDone(): void {
    if (this.#closed && this.#isDone) this.#tellDone();
  }

  #tellDone(): void {
    for (const tell of this.#onDone.splice(0)) tell();
  }
}

function closing(timeout: number): FastCgiError {
  return new FastCgiError("timeout", `Cannot finish the request: the server closes after ${timeout} ms`);
}

function leftBehind(what: string, timeout: number): FastCgiError {
  const message = `Cannot wait any longer: the server closes after ${timeout} ms, and ${what} has not settled`;
  return new FastCgiError("timeout", message);
}
