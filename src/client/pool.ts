// Which connection a request gets. Requests wait in one line, first come, first served; a connection that frees up goes to the
// first that can use it. Requests are put on a connection in the same turn in which it is found free, so nothing can happen
// to it in between. How requests run is the connection's business.

import { MAX_REQUEST_ID } from "../protocol/constants.ts";
import { FastCgiError } from "../protocol/errors.ts";
import type { ClientConnection } from "./connection.ts";
import type { ResolvedClientOptions } from "./options.ts";

/** What a request wants of its connection. */
export interface ConnectionWish {
  /** Whether a connection that was kept, and may be closed by now, will not do. */
  readonly fresh: boolean;
  /** A connection that has had so many requests will not do. */
  readonly usedBelow: number;
}

/** A request that wants a connection. */
export interface PoolRequest<Result> extends ConnectionWish {
  readonly signal: AbortSignal | undefined;
  /** Puts the request on its connection. */
  start(connection: ClientConnection): Result;
}

/** A request in the line. */
interface Waiter extends ConnectionWish {
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

/** The connections to an application, and the requests that wait for one. */
export class Pool {
  readonly #dial: (controller: AbortController) => Promise<ClientConnection>;
  readonly #options: ResolvedClientOptions;
  readonly #onUnused: () => void;
  readonly #connections = new Set<ClientConnection>();
  /** Those with room for a request. The one that became free last is the last. */
  readonly #free = new Set<ClientConnection>();
  /** Connections that are being opened. */
  readonly #dials = new Set<AbortController>();
  readonly #waiters = new Set<Waiter>();
  #lastTicket = 0;
  /** Requests that a connection which is being opened will take. A guess, until the first one is open. */
  #expectedRequests: number;
  #isServing = false;
  /** Whether one could not be opened, so that those which are still being opened decide: no more are opened before. */
  #isFailing = false;
  #isClosed = false;
  #onDrained: (() => void)[] = [];

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
    this.#options = options;
    this.#onUnused = onUnused;
    this.#expectedRequests = options.multiplexing ? Math.min(options.maxConcurrentRequests, MAX_REQUEST_ID) : 1;
  }

  get status(): PoolStatus {
    let active = 0;
    for (const connection of this.#connections) active += connection.active;
    const idle = this.#idle().length;
    return { connections: this.#connections.size, idle, active, waiting: this.#waiters.size };
  }

  /** The connections that are open. */
  get connections(): Iterable<ClientConnection> {
    return this.#connections;
  }

  /**
   * Puts a request on a connection as soon as one has room: at once, if there is one.
   *
   * @throws {FastCgiError} `limit` if too many wait already; what opening a connection failed with.
   * @throws {unknown} The reason of its signal, and what `start` throws.
   */
  run<Result>(request: PoolRequest<Result>): Result | Promise<Result> {
    const connection = this.#isClosed || this.#waiters.size > 0 ? undefined : this.#takeFree(request);
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
    const { fresh, usedBelow, signal } = request;
    if (this.#isClosed) return Promise.reject(new TypeError("Cannot send a request: the client is closed"));
    const { maxQueuedRequests, maxConnections } = this.#options;
    // A request does not wait for another one where a connection is, or can be, opened for it.
    const opening = (maxConnections - this.#connections.size) * this.#expectedRequests;
    if (this.#waiters.size >= maxQueuedRequests + opening) {
      const message = `Cannot send the request: ${maxQueuedRequests} wait for one of ${maxConnections} connections`;
      return Promise.reject(new FastCgiError("limit", message, { limit: "maxQueuedRequests" }));
    }
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiters.delete(waiter);
        waiter.reject(signal!.reason);
        this.#giveUpDials(signal!.reason);
        this.#checkUnused();
      };
      const settle = (): void => signal?.removeEventListener("abort", onAbort);
      const waiter: Waiter = {
        fresh,
        usedBelow,
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
      this.#waiters.add(waiter);
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
    this.#checkUnused();
  }

  /** Takes no more requests. Resolves when those that wait or run are over, and every connection is closed. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#retireSurplus();
    if (this.#isUnused) return;
    await new Promise<void>((resolve) => {
      this.#onDrained.push(resolve);
    });
  }

  /** Ends all that waits, is being opened, or runs. Request bodies that are whole are still sent to their end. */
  abort(reason: unknown): void {
    for (const waiter of this.#waiters) {
      this.#waiters.delete(waiter);
      waiter.reject(reason);
    }
    this.#giveUpDials(reason);
    for (const connection of [...this.#connections]) connection.giveUp(reason);
    this.#checkUnused();
  }

  /** Closes every connection at once. */
  closeAll(reason: unknown): void {
    for (const connection of [...this.#connections]) connection.close(reason);
  }

  /** Gives out what is free, and opens connections for the requests that are left, as many as may be. */
  #serve(): void {
    // Closing a connection to make room comes back here.
    if (this.#isServing) return;
    this.#isServing = true;
    try {
      this.#giveOut();
      this.#openForWaiters();
    } finally {
      // A connection that a program made may throw when it is closed. The pool goes on.
      this.#isServing = false;
    }
    this.#retireSurplus();
  }

  #giveOut(): void {
    for (const waiter of this.#waiters) {
      const connection = this.#takeFree(waiter);
      if (connection !== undefined) {
        // First: what is started may abort others that wait.
        this.#waiters.delete(waiter);
        waiter.start(connection);
      } else if (!isChoosy(waiter)) {
        return;
      }
    }
  }

  #openForWaiters(): void {
    while (!this.#isFailing && this.#waiters.size > this.#dials.size * this.#expectedRequests) {
      if (this.#connections.size + this.#dials.size < this.#options.maxConnections) {
        void this.#open();
        continue;
      }
      // No request that waits can use an idle one: it makes room.
      const [idle] = this.#idle();
      if (idle === undefined) {
        this.#makeRoom();
        return;
      }
      idle.finish();
    }
  }

  /**
   * Lets one of the connections come to its end that are shared, and so may never be idle, where a request waits that can use none of
   * them.
   */
  #makeRoom(): void {
    if (![...this.#waiters].some(isChoosy)) return;
    const connections = [...this.#connections];
    // One is on its way to make room.
    if (connections.some(({ isOpen }) => !isOpen)) return;
    connections.find(({ isShared }) => isShared)?.finish();
  }

  /** A busy connection that can take one more, so that the others can go idle; else the one that was used last. */
  #takeFree({ fresh, usedBelow }: ConnectionWish): ClientConnection | undefined {
    let best: ClientConnection | undefined;
    for (const connection of this.#free) {
      if (!connection.isFree || (fresh && connection.isKept) || connection.requests >= usedBelow) continue;
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
      this.#isFailing = false;
      this.#expectedRequests = connection.maxRequests;
      this.#connections.add(connection);
      this.#free.add(connection);
    } catch (error) {
      // One that was given up is no longer among them.
      if (this.#dials.delete(attempt)) this.#onDialFailed(error, ticket);
    }
    this.#serve();
    this.#checkUnused();
  }

  /**
   * Fails the requests that a connection was opened for: all that had come by then, so that an application that is gone is not called
   * for each of them.
   *
   * @param ticket That of the last request that had come when the connection began to be opened.
   */
  #onDialFailed(error: unknown, ticket: number): void {
    this.#isFailing = this.#dials.size > 0;
    if (this.#isFailing) return;
    // Where there are connections, the line goes on, if more slowly.
    const isSlow = this.#connections.size > 0;
    const waiters = [...this.#waiters];
    for (const waiter of isSlow ? waiters.slice(0, 1) : waiters.filter((each) => each.ticket <= ticket)) {
      this.#waiters.delete(waiter);
      waiter.reject(error);
    }
  }

  /** Gives up opening connections that no request waits for any more. */
  #giveUpDials(reason: unknown): void {
    for (const attempt of [...this.#dials].reverse()) {
      if (this.#waiters.size > (this.#dials.size - 1) * this.#expectedRequests) return;
      this.#dials.delete(attempt);
      attempt.abort(reason);
    }
    if (this.#dials.size === 0) this.#isFailing = false;
  }

  /** Connections without a request, the one unused for longest first. */
  #idle(): ClientConnection[] {
    return [...this.#free].filter((connection) => connection.active === 0);
  }

  /** Closes idle connections that are too many. */
  #retireSurplus(): void {
    const { keepAlive, maxIdle } = this.#options;
    const keep = this.#isClosed || !keepAlive ? 0 : maxIdle;
    if (this.#free.size <= keep) return;
    const idle = this.#idle();
    for (const connection of idle.slice(0, Math.max(0, idle.length - keep))) connection.finish();
  }

  get #isUnused(): boolean {
    return this.#connections.size + this.#dials.size + this.#waiters.size === 0;
  }

  #checkUnused(): void {
    if (!this.#isUnused) return;
    this.#onUnused();
    if (!this.#isClosed) return;
    for (const resolve of this.#onDrained.splice(0)) resolve();
  }
}

/** Whether a request behind this one may use a connection that this one can't. */
function isChoosy({ fresh, usedBelow }: ConnectionWish): boolean {
  return fresh || usedBelow < Number.POSITIVE_INFINITY;
}
