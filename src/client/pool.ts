// Chooses the connection of each request. Requests wait in one queue, first come, first served; a connection that
// becomes free goes to the first request that can use it. A request is put on a connection in the same turn in which
// the connection is found free, so nothing can happen to the connection in between. How requests run is up to the
// connection.

import { SmallMap } from "../base/small_map.ts";
import { MAX_REQUEST_ID } from "../protocol/constants.ts";
import { FastCgiError } from "../protocol/errors.ts";
import type { ClientConnection } from "./connection.ts";
import type { ResolvedClientOptions } from "./options.ts";

/** The connection that a request needs. */
export interface ConnectionWish {
  /** Whether the request needs a new connection, because a kept one may be closed by now. */
  readonly fresh: boolean;
  /** The request needs a connection that has had fewer requests than this. Infinity unless it is `fresh`. */
  readonly usedBelow: number;
}

/** A request that wants a connection. */
export interface PoolRequest<Result> extends ConnectionWish {
  /** Not aborted yet. */
  readonly signal: AbortSignal | undefined;
  /** Puts the request on its connection. */
  use(connection: ClientConnection): Result;
}

/** A request in the queue. */
interface Waiter extends ConnectionWish {
  /** Its number in the order of arrival. */
  readonly ticket: number;
  use(connection: ClientConnection): void;
  reject(reason: unknown): void;
}

/** Numbers of a pool's connections and requests. */
export interface PoolStatus {
  /** Open connections. */
  readonly connections: number;
  /** Idle connections. */
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
  /** Connections with room for a request, in the order in which they became free. */
  readonly #free = new SmallMap<ClientConnection, ClientConnection>();
  /** Connections that are being opened. */
  readonly #dials = new Set<AbortController>();
  readonly #waiters = new Set<Waiter>();
  #lastTicket = 0;
  /** Requests that were taken back and are about to come again. */
  #returning = 0;
  /** The number of requests that a connection which is being opened will take: a guess, until the first one is open. */
  #expectedRequests: number;
  #isServing = false;
  /** Whether a connection could not be opened. No more are opened until the attempts that still run have decided. */
  #isFailing = false;
  /** The calls of {@linkcode Pool.close} that wait; null before the first. */
  #closing: (() => void)[] | null = null;

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
    for (const connection of this.#connections) active += connection.exchanges.active;
    const idle = this.#idle().length;
    return { connections: this.#connections.size, idle, active, waiting: this.#waiters.size };
  }

  /** The number of requests that connections will take which are being opened or can be opened. */
  get #openings(): number {
    return (this.#options.maxConnections - this.#connections.size) * this.#expectedRequests;
  }

  /** The connections that are open. */
  get connections(): Iterable<ClientConnection> {
    return this.#connections;
  }

  /**
   * Puts a request on a connection as soon as one has room, at once if there is one.
   *
   * @throws {FastCgiError} `limit` if too many requests wait already, or the error of opening a connection.
   * @throws {unknown} The reason of its signal, or the error of `use`.
   */
  run<Result>(request: PoolRequest<Result>): Result | Promise<Result> {
    // Stryker disable next-line ConditionalExpression,EqualityOperator: a shortcut, for #wait() finds the same connection, in more turns
    const connection = this.#waiters.size > 0 ? undefined : this.#takeFree(request);
    // Stryker disable next-line ConditionalExpression: a shortcut, as above
    return connection === undefined ? this.#wait(request) : this.#put(request, connection);
  }

  #put<Result>({ use }: PoolRequest<Result>, connection: ClientConnection): Result {
    const result = use(connection);
    // Stryker disable next-line ConditionalExpression: a shortcut, for #takeFree() asks each connection
    if (!connection.isFree) this.#free.delete(connection);
    return result;
  }

  #wait<Result>(request: PoolRequest<Result>): Promise<Result> {
    const { fresh, usedBelow, signal } = request;
    const { maxQueuedRequests, maxConnections } = this.#options;
    // A request for which a connection can be opened does not count as waiting.
    if (this.#waiters.size >= maxQueuedRequests + this.#openings) {
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
        use: (connection) => {
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
      signal?.addEventListener("abort", onAbort);
      this.#waiters.add(waiter);
      this.#serve();
    });
  }

  /**
   * Announces that a request which had a connection comes again in a moment. Until then the pool does not count as
   * unused, even if that connection was the last: what is known about the application would be forgotten, and the
   * request might be refused for the same reason for ever.
   *
   * @returns A function to call once: the request has a connection again, or does not come.
   */
  awaitReturn(): () => void {
    this.#returning++;
    return () => {
      this.#returning--;
      this.#checkUnused();
    };
  }

  /** Called when a connection has room again. */
  onFree(connection: ClientConnection): void {
    this.#free.delete(connection);
    this.#free.set(connection, connection);
    this.#serve();
  }

  /** Called when a connection is gone. */
  onClose(connection: ClientConnection): void {
    this.#connections.delete(connection);
    this.#free.delete(connection);
    this.#serve();
    this.#checkUnused();
  }

  /**
   * Called when no more requests come. Resolves when the requests that wait or run are over, and every connection is
   * closed.
   */
  async close(): Promise<void> {
    this.#closing ??= [];
    const closing = this.#closing;
    this.#retireSurplus();
    if (this.#isUnused) return;
    await new Promise<void>((resolve) => {
      closing.push(resolve);
    });
  }

  /**
   * Aborts all waiting requests, attempts to connect, and running requests. Complete request bodies are still sent to
   * their end.
   */
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

  /** Assigns free connections, and opens connections for the other requests, up to the limit. */
  #serve(): void {
    // Closing a connection to make room calls this function again.
    // Stryker disable next-line ConditionalExpression: a shortcut, for the call within leaves nothing to do for this one
    if (this.#isServing) return;
    // Stryker disable next-line BooleanLiteral: as above
    this.#isServing = true;
    try {
      this.#giveOut();
      this.#openForWaiters();
    } finally {
      // A program's own connection may throw when it is closed. The pool goes on.
      this.#isServing = false;
    }
    this.#retireSurplus();
  }

  #giveOut(): void {
    /** The requests so far for which a connection is to be opened. */
    let passed = 0;
    for (const waiter of this.#waiters) {
      // Stryker disable next-line ConditionalExpression: a shortcut, for there is nothing to give out or to close
      if (this.#free.size === 0) return;
      const connection = this.#takeFree(waiter);
      if (connection === undefined) {
        // Stryker disable next-line ConditionalExpression: a shortcut, for no other finds one where this one does not
        if (!waiter.fresh) return;
        passed++;
        // An idle one makes room, before others take it that have come later: there may always be some.
        if (!this.#isFailing && passed > this.#openings) this.#idle()[0]?.finish();
        continue;
      }
      // Removed first, because the request that is started may abort others that wait.
      this.#waiters.delete(waiter);
      waiter.use(connection);
    }
  }

  #openForWaiters(): void {
    while (!this.#isFailing && this.#waiters.size > this.#dials.size * this.#expectedRequests) {
      if (this.#connections.size + this.#dials.size < this.#options.maxConnections) {
        void this.#open();
        continue;
      }
      this.#makeRoom();
      return;
    }
  }

  /**
   * Closes a shared connection after its requests, if a request waits that can use none of the connections, not even
   * once they have room: a shared one may never be idle.
   */
  #makeRoom(): void {
    const connections = [...this.#connections];
    const canWait = ({ usedBelow }: Waiter): boolean =>
      connections.some(({ exchanges }) => exchanges.begun < usedBelow);
    if ([...this.#waiters].every(canWait)) return;
    // One is being closed already, or opened.
    if (this.#dials.size > 0 || connections.some(({ isOpen }) => !isOpen)) return;
    connections.find(({ exchanges }) => exchanges.isShared)?.finish();
  }

  /**
   * A busy connection that can take another request, so that others can become idle; else the one that was used last.
   */
  #takeFree({ fresh, usedBelow }: ConnectionWish): ClientConnection | undefined {
    let best: ClientConnection | undefined;
    for (const connection of this.#free.values()) {
      if (!connection.isFree || (fresh && connection.isKept) || connection.exchanges.begun >= usedBelow) continue;
      if (best === undefined || connection.exchanges.active >= best.exchanges.active) best = connection;
    }
    return best;
  }

  async #open(): Promise<void> {
    const attempt = new AbortController();
    const ticket = this.#lastTicket;
    this.#dials.add(attempt);
    try {
      const connection = await this.#dial(attempt);
      // An application that closes at once would be called again and again.
      if (connection.isClosed) throw connection.closeReason;
      this.#dials.delete(attempt);
      this.#isFailing = false;
      this.#expectedRequests = connection.exchanges.maxRequests;
      this.#connections.add(connection);
      this.#free.set(connection, connection);
    } catch (error) {
      // An attempt that was given up is no longer among them.
      if (this.#dials.delete(attempt)) this.#onDialFailed(error, ticket);
    }
    this.#serve();
    this.#checkUnused();
  }

  /**
   * Fails the requests for which a connection was opened: all that had come by then, so that an application that is
   * gone is not called for each of them.
   *
   * @param ticket The number of the last request that had come when the attempt began.
   */
  #onDialFailed(error: unknown, ticket: number): void {
    this.#isFailing = this.#dials.size > 0;
    if (this.#isFailing) return;
    // If there are connections, the queue goes on, but more slowly.
    const isSlow = this.#connections.size > 0;
    const waiters = [...this.#waiters];
    for (const waiter of isSlow ? waiters.slice(0, 1) : waiters.filter((each) => each.ticket <= ticket)) {
      this.#waiters.delete(waiter);
      waiter.reject(error);
    }
  }

  /** Cancels attempts to connect for which no request waits any more. */
  #giveUpDials(reason: unknown): void {
    for (const attempt of [...this.#dials].reverse()) {
      if (this.#waiters.size > (this.#dials.size - 1) * this.#expectedRequests) return;
      this.#dials.delete(attempt);
      attempt.abort(reason);
    }
    this.#isFailing = false;
  }

  /** The idle connections, the one that was unused for the longest time first. */
  #idle(): ClientConnection[] {
    return this.#free.values().filter(({ exchanges }) => exchanges.active === 0);
  }

  /** Closes surplus idle connections. */
  #retireSurplus(): void {
    const { keepAlive, maxIdle } = this.#options;
    const keep = this.#closing !== null || !keepAlive ? 0 : maxIdle;
    // Stryker disable next-line ConditionalExpression,EqualityOperator: a shortcut, for then none is surplus
    if (this.#free.size <= keep) return;
    const idle = this.#idle();
    for (const connection of idle.slice(0, Math.max(0, idle.length - keep))) connection.finish();
  }

  get #isUnused(): boolean {
    return Math.max(this.#connections.size, this.#dials.size, this.#waiters.size, this.#returning) === 0;
  }

  #checkUnused(): void {
    if (!this.#isUnused) return;
    this.#onUnused();
    for (const resolve of this.#closing?.splice(0) ?? []) resolve();
  }
}
