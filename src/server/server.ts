import { FastCgiError } from "../protocol/errors.ts";
import { closeConnection, type FastCgiConnection } from "../transport/connection.ts";
import { Deadline } from "../transport/deadline.ts";
import { ServerConnection } from "./connection.ts";
import { type FastCgiServerOptions, type ResolvedServerOptions, resolveServerOptions } from "./options.ts";
import type { FastCgiHandler, FastCgiHandlerContext } from "./response.ts";

/** How {@linkcode FastCgiServer.close} ends. */
export interface CloseOptions {
  /**
   * Milliseconds for which connections go on as before, until the web server closes them. What it has connected for may still be under
   * way, and so may the next request on a connection that it keeps: FastCGI has no way to announce that a connection ends.
   * Then idle connections are closed, and the others behind their requests.
   *
   * @default {250}
   */
  grace?: number;
  /**
   * Milliseconds after which what still runs is aborted.
   *
   * @default {Infinity}
   */
  timeout?: number;
}

/** Long enough for a web server to send what it has connected for: it writes as soon as it is connected. */
const DEFAULT_GRACE = 250;

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
  readonly #connections = new Map<ServerConnection, Promise<void>>();
  readonly #background = new Set<Promise<unknown>>();
  #closed = false;

  /**
   * Serves every request with `handler`.
   *
   * @throws {RangeError | TypeError} If an option has a value it can't have.
   */
  constructor(handler: FastCgiHandler, options: FastCgiServerOptions = {}) {
    this.#handler = handler;
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
        new FastCgiError("limit", `Refused a connection: ${maxConnections} are open`, { limit: "maxConnections" }),
      );
      await closeConnection(connection);
      return;
    }
    const served = new ServerConnection(connection, this.#handler, this, this.#options);
    const done = served.run().finally(() => this.#connections.delete(served));
    this.#connections.set(served, done);
    await done;
  }

  /** Lets {@linkcode FastCgiServer.close} wait for work that goes on after a response. */
  waitUntil(promise: PromiseLike<unknown>): void {
    const done: Promise<unknown> = Promise.resolve(promise)
      .catch((error) => this.#options.onError(error))
      .finally(() => this.#background.delete(done));
    this.#background.add(done);
  }

  /**
   * Takes no more connections, lets the requests finish that run or come within `grace`, and closes each connection as soon as none is
   * active on it. Resolves when all is done.
   */
  async close({ grace = DEFAULT_GRACE, timeout = Number.POSITIVE_INFINITY }: CloseOptions = {}): Promise<void> {
    this.#closed = true;
    const graceEnd = new Deadline(() => this.#shutDown());
    const end = new Deadline(() => this.#abort(timeout));
    if (grace > 0) graceEnd.restart(grace);
    else this.#shutDown();
    end.restart(timeout);
    while (this.#connections.size + this.#background.size > 0) {
      await Promise.all([...this.#connections.values(), ...this.#background]);
    }
    graceEnd.dispose();
    end.dispose();
  }

  #shutDown(): void {
    for (const connection of this.#connections.keys()) connection.shutDown();
  }

  #abort(timeout: number): void {
    const reason = new FastCgiError("timeout", `Cannot finish the request: the server closes after ${timeout} ms`);
    for (const connection of this.#connections.keys()) connection.abort(reason);
  }
}
