import { Deadline } from "../base/deadline.ts";
import { resolveOptions } from "../base/resolve_options.ts";
import { copyable, type FastCgiRequest } from "../codec/incoming_request.ts";
import { FastCgiError } from "../protocol/errors.ts";
import { closeConnection, type FastCgiConnection } from "../transport/connection.ts";
import { ServerConnection, type ServerConnectionOwner } from "./connection.ts";
import { type FastCgiServerOptions, type ResolvedServerOptions, resolveServerOptions } from "./options.ts";
import type { FastCgiHandler, FastCgiHandlerContext } from "./response.ts";

/** How {@linkcode FastCgiServer.close} ends. */
export interface CloseOptions {
  /**
   * Milliseconds for which connections go on as before, until the web server closes them. What it has connected for may still be under
   * way, and so may the next request on a connection that it keeps: FastCGI has no way to announce that a connection ends.
   * Then idle connections are closed, and the others behind their requests.
   *
   * @default {250} (long enough for a web server to send what it has connected for: it writes as soon as it is connected)
   */
  grace?: number;
  /**
   * Milliseconds after which what still runs is aborted. Handlers then have a second to settle, and web servers to read how their responses
   * end. What is left after that is left behind: `onError` is told of each handler and each promise of `waitUntil`, and `close` resolves.
   *
   * @default {Infinity}
   */
  timeout?: number;
}

/** The defaults of {@linkcode CloseOptions}. */
export const CLOSE_DEFAULTS: Required<CloseOptions> = Object.freeze({ grace: 250, timeout: Number.POSITIVE_INFINITY });

/** Milliseconds that handlers have to settle once they were aborted because of the timeout of a close. */
const SETTLE_TIME = 1000;

/**
 * A FastCGI application over any transport. It listens to nothing itself: an adapter accepts connections and gives each to
 * {@linkcode FastCgiServer.serve}.
 *
 * ```ts
 * const server = new FastCgiServer(() => ({ stdout: encoder.encode("Status: 200 OK\r\n\r\nHello") }));
 * await server.serve(connection);
 * ```
 */
export class FastCgiServer implements FastCgiHandlerContext {
  readonly #handler: FastCgiHandler;
  readonly #options: ResolvedServerOptions;
  /** Those that are open. */
  readonly #connections = new Set<ServerConnection>();
  /** Those that are closed, with handlers that have not settled. They take the place of no other. */
  readonly #unsettled = new Set<ServerConnection>();
  /** What was given to `waitUntil`, and by which request. */
  readonly #background = new Map<Promise<unknown>, FastCgiRequest | undefined>();
  readonly #owner: ServerConnectionOwner = {
    onClose: (connection) => {
      this.#connections.delete(connection);
      this.#unsettled.add(connection);
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
    this.#handler = (request, context) => handler(copyable(request), context);
    this.#options = resolveServerOptions(options);
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#connections.size;
  }

  /**
   * Serves the requests of one connection. Resolves when it is closed and its handlers have settled; never rejects: what goes
   * wrong is told to `onError`.
   */
  async serve(connection: FastCgiConnection): Promise<void> {
    const { maxConnections, onError } = this.#options;
    if (this.#closed) {
      await closeConnection(connection);
      return;
    }
    if (this.#connections.size >= maxConnections) {
      onError(
        new FastCgiError("limit", `Cannot accept a connection: ${maxConnections} are open`, {
          limit: "maxConnections",
        }),
      );
      await closeConnection(connection);
      return;
    }
    const served = new ServerConnection(connection, this.#handler, this, this.#options, this.#owner);
    this.#connections.add(served);
    await served.run();
    this.#unsettled.delete(served);
    this.#checkDone();
  }

  /** Lets {@linkcode FastCgiServer.close} wait for work that goes on after a response. */
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
   * Takes no more connections, lets the requests finish that run or come within `grace`, and closes each connection as soon as none is
   * active on it. Resolves when all is done, or shortly after `timeout`. Called again it waits for the same end, and ends it with a
   * timeout of its own.
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
        this.#abort(timeout);
        end.restart(SETTLE_TIME, "leave");
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

  /** Waits no longer. What is left goes on by itself, if it does. */
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
