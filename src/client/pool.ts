// Which connection a request gets. Requests wait in one line, first come, first served; a connection that frees up goes to the
// first that can use it. Requests are put on a connection in the same turn in which it is found free, so nothing can happen
// to it in between. How requests run is the connection's business.

import { MAX_REQUEST_ID } from "../protocol/constants.ts";
import { FastCgiError } from "../protocol/errors.ts";
import type { ClientConnection } from "./connection.ts";
import type { ResolvedClientOptions } from "./options.ts";

/** A request that wants a connection. */
export interface PoolRequest<Result> {
  /** Whether a kept connection that may be closed by now will not do. */
  fresh: boolean;
  signal: AbortSignal | undefined;
  /** Puts the request on its connection. */
  start(connection: ClientConnection): Result;
}

/** A request in the line. */
interface Waiter {
  readonly fresh: boolean;
  /** When it came, by the count of {@linkcode Pool}. */
  readonly ticket: number;
  start(connection: ClientConnection): void;
  reject(reason: unknown): void;
}

/** What a pool is doing. */
export interface PoolStatus {
  /** Open connections. */
  readonly connections: number;
  /** Those without a request. */
  readonly idle: number;
  /** Requests that run. */
  readonly active: number;
  /** Requests that wait for a connection. */
  readonly waiting: number;
}

/** The connections of a client, and the requests that wait for one. */
export class Pool {
  readonly #dial: (controller: AbortController) => Promise<ClientConnection>;
  readonly #options: ResolvedClientOptions;
  readonly #connections = new Set<ClientConnection>();
  /** Those with room for a request. The one that became free last is the last. */
  readonly #free = new Set<ClientConnection>();
  readonly #dials = new Set<AbortController>();
  #waiters: Waiter[] = [];
  #lastTicket = 0;
  /** Requests that a connection which is being opened will take: a hope until the first one is open. */
  #expectedCapacity: number;
  #serving = false;
  /** Whether opening a connection has failed, and others that are being opened will tell whether there is hope. */
  #doubtful = false;
  #closed = false;
  #onDrained: (() => void)[] = [];
  readonly #onUnused: () => void;

  /**
   * @param dial Opens a connection that tells this pool when it is free.
   * @param onUnused Called when there is no connection and no request left.
   */
  constructor(
    dial: (controller: AbortController) => Promise<ClientConnection>,
    options: ResolvedClientOptions,
    onUnused: () => void,
  ) {
    this.#dial = dial;
    this.#onUnused = onUnused;
    this.#options = options;
    this.#expectedCapacity = options.multiplexing ? Math.min(options.maxConcurrentRequests, MAX_REQUEST_ID) : 1;
  }

  get status(): PoolStatus {
    let active = 0;
    for (const connection of this.#connections) active += connection.active;
    const idle = this.#idle().length;
    return { connections: this.#connections.size, idle, active, waiting: this.#waiters.length };
  }

  /**
   * Puts a request on a connection as soon as one has room: at once, if there is one.
   *
   * @throws {FastCgiError} `limit` if too many wait already; what opening a connection failed with.
   * @throws {unknown} The reason of its signal.
   */
  run<Result>(request: PoolRequest<Result>): Result | Promise<Result> {
    const connection = this.#closed || this.#waiters.length > 0 ? undefined : this.#takeFree(request.fresh);
    return connection === undefined ? this.#wait(request) : this.#put(request, connection);
  }

  #put<Result>({ start }: PoolRequest<Result>, connection: ClientConnection): Result {
    try {
      return start(connection);
    } finally {
      if (!connection.isFree) this.#free.delete(connection);
    }
  }

  #wait<Result>(request: PoolRequest<Result>): Promise<Result> {
    const { fresh, signal } = request;
    if (this.#closed) return Promise.reject(new TypeError("Cannot send a request: the client is closed"));
    const { maxQueuedRequests, maxConnections } = this.#options;
    // Those for whom a connection is being opened do not wait for another request.
    const opening = (maxConnections - this.#connections.size) * this.#expectedCapacity;
    if (this.#waiters.length >= maxQueuedRequests + opening) {
      const message = `Cannot send the request: ${maxQueuedRequests} wait for one of ${maxConnections} connections`;
      return Promise.reject(new FastCgiError("limit", message, { limit: "maxQueuedRequests" }));
    }
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        waiter.reject(signal!.reason);
        this.#giveUpDials(signal!.reason);
        this.#checkDrained();
      };
      const settle = (): void => signal?.removeEventListener("abort", onAbort);
      const waiter: Waiter = {
        fresh,
        ticket: ++this.#lastTicket,
        start: (connection) => {
          settle();
          try {
            resolve(this.#put(request, connection));
          } catch (error) {
            reject(error);
          }
        },
        reject(reason) {
          settle();
          reject(reason);
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiters.push(waiter);
      this.#serve();
    });
  }

  /** A connection has room again. */
  onFree(connection: ClientConnection): void {
    this.#free.delete(connection);
    this.#free.add(connection);
    this.#serve();
  }

  /** A connection is gone. */
  onClose(connection: ClientConnection): void {
    this.#connections.delete(connection);
    this.#free.delete(connection);
    this.#serve();
    this.#checkDrained();
  }

  /** Takes no more requests. Resolves when those that wait or run are over, and every connection is closed. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#retireSurplus();
    if (this.#isDrained) return;
    await new Promise<void>((resolve) => {
      this.#onDrained.push(resolve);
    });
  }

  /** Ends all that waits, is being opened, or runs. */
  abort(reason: unknown): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(reason);
    this.#giveUpDials(reason);
    for (const connection of [...this.#connections]) connection.close(reason);
    this.#checkDrained();
  }

  /** Gives out what is free, and opens connections for those who are left, as many as may be. */
  #serve(): void {
    // Closing a connection to make room comes back here.
    if (this.#serving) return;
    this.#serving = true;
    try {
      this.#giveOut();
      this.#openForWaiters();
    } finally {
      // A connection of the program's making may throw when it is closed. The pool goes on.
      this.#serving = false;
    }
    this.#retireSurplus();
  }

  #openForWaiters(): void {
    while (!this.#doubtful && this.#waiters.length > this.#dials.size * this.#expectedCapacity) {
      if (this.#connections.size + this.#dials.size < this.#options.maxConnections) {
        void this.#open();
        continue;
      }
      // Nobody who waits can use an idle one: it makes room.
      const [idle] = this.#idle();
      if (idle === undefined) break;
      idle.retire();
    }
  }

  #giveOut(): void {
    if (this.#waiters.length === 0) return;
    const left: Waiter[] = [];
    for (const [index, waiter] of this.#waiters.entries()) {
      const connection = this.#takeFree(waiter.fresh);
      if (connection !== undefined) {
        waiter.start(connection);
      } else if (waiter.fresh) {
        // Whoever comes behind it may use what it can't.
        left.push(waiter);
      } else {
        left.push(...this.#waiters.slice(index));
        break;
      }
    }
    this.#waiters = left;
  }

  /** A busy connection that can take one more, so that the others can go idle; else the one that was used last. */
  #takeFree(fresh: boolean): ClientConnection | undefined {
    let best: ClientConnection | undefined;
    for (const connection of this.#free) {
      if (!connection.isFree || (fresh && connection.isKept)) continue;
      if (best === undefined || connection.active >= best.active) best = connection;
    }
    return best;
  }

  async #open(): Promise<void> {
    const attempt = new AbortController();
    const ticket = this.#lastTicket;
    this.#dials.add(attempt);
    try {
      const connection = await this.#dial(attempt);
      // An application that closes before it is asked anything would be called again and again.
      if (connection.isClosed) throw connection.closeReason;
      this.#dials.delete(attempt);
      this.#doubtful = false;
      this.#expectedCapacity = connection.maxRequests;
      this.#connections.add(connection);
      this.#free.add(connection);
    } catch (error) {
      // One that was given up is no longer among them.
      if (this.#dials.delete(attempt)) this.#onDialFailed(error, ticket);
    }
    this.#serve();
    this.#checkDrained();
  }

  /** Fails those for whom the connection was to be. They may have company: an application that is gone is not asked for each. */
  #onDialFailed(error: unknown, ticket: number): void {
    this.#doubtful = this.#dials.size > 0;
    if (this.#doubtful) return;
    // Where there are connections, the line goes on, if more slowly.
    const isSlow = this.#connections.size > 0;
    const isHopeless = ({ ticket: its }: Waiter, index: number): boolean => (isSlow ? index === 0 : its <= ticket);
    const failed = this.#waiters.filter(isHopeless);
    this.#waiters = this.#waiters.filter((waiter, index) => !isHopeless(waiter, index));
    for (const waiter of failed) waiter.reject(error);
  }

  /** Stops opening connections for which nobody waits any more. */
  #giveUpDials(reason: unknown): void {
    for (const attempt of [...this.#dials].reverse()) {
      if (this.#waiters.length > (this.#dials.size - 1) * this.#expectedCapacity) return;
      this.#dials.delete(attempt);
      attempt.abort(reason);
    }
    if (this.#dials.size === 0) this.#doubtful = false;
  }

  /** Connections without a request, the one unused for longest first. */
  #idle(): ClientConnection[] {
    return [...this.#free].filter((connection) => connection.active === 0);
  }

  /** Closes idle connections that are too many. */
  #retireSurplus(): void {
    const { keepAlive, maxIdle } = this.#options;
    const keep = this.#closed || !keepAlive ? 0 : maxIdle;
    if (this.#free.size <= keep) return;
    const idle = this.#idle();
    for (const connection of idle.slice(0, Math.max(0, idle.length - keep))) connection.retire();
  }

  get #isDrained(): boolean {
    return this.#connections.size + this.#dials.size + this.#waiters.length === 0;
  }

  #checkDrained(): void {
    if (!this.#isDrained) return;
    this.#onUnused();
    if (!this.#closed) return;
    for (const resolve of this.#onDrained.splice(0)) resolve();
  }
}
