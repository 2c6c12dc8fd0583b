// Several applications as one connector. It spreads connections, and passes over applications that are down. It does not ask an application
// how busy it is: weights and health checks are the work of a load balancer.

import { withController } from "../base/abort.ts";
import { contained } from "../base/contained.ts";
import { messageOf } from "../base/message_of.ts";
import { type Resolved, resolveOptions } from "../base/resolve_options.ts";
import { optionsOf, unexpected } from "../base/unexpected.ts";
import { FastCgiError } from "../protocol/errors.ts";
import type { FastCgiConnection } from "../transport/connection.ts";
import { connectOrAbort, withTimeLimit } from "./attempt.ts";
import { type ConnectOptions, type Connector, checkConnector } from "./connector.ts";

/** Options of {@linkcode failover} and {@linkcode roundRobin}. */
export interface ComposedConnectorOptions<Each extends Connector = Connector> {
  /**
   * The most milliseconds that one connector has to connect, so that a silent application leaves time for the next one.
   * The client's `connectTimeout` is for all of them together. `Infinity` turns it off.
   *
   * @default {3000} (3 s)
   */
  attemptTimeout?: number | undefined;
  /**
   * Milliseconds for which a connector is tried last after it failed, or after its application refused a request because it is
   * overloaded. After that, one connection tries it in its turn again; until that has succeeded, the others still try it
   * last. Of several that failed, the one that connected last is tried first. A failure does not count if the connector has
   * connected since that attempt began. 0 turns it off.
   *
   * @default {10000} (10 s, as nginx's `fail_timeout`)
   */
  coolDown?: number | undefined;
  /**
   * Called for every attempt to connect that failed (with a `timeout` {@linkcode FastCgiError} after `attemptTimeout`), and for every
   * request that an application refused because it is `overloaded`.
   */
  onFailure?: ((error: unknown, connector: Each) => void) | undefined;
}

/**
 * A connector made of others. Its other members, such as the preset, are those of the first; `keyOf` is that of the
 * first connector that has one, and all of them get the key.
 */
export type ComposedConnector<Each extends Connector> = Connector & Omit<Each, "connect">;

/**
 * Takes the connectors in turn, so that each gets an equal share of the connections; a connector that is named twice
 * gets two shares. A connector that fails is skipped. The connectors must lead to applications of the same kind,
 * because all requests are made in the same way.
 *
 * ```ts
 * const php = new FastCgiHttpClient(roundRobin([
 *   FastCgiTcpConnector.phpFpm("10.0.0.1:9000", "/srv/app/public/index.php"),
 *   FastCgiTcpConnector.phpFpm("10.0.0.2:9000", "/srv/app/public/index.php"),
 * ]));
 * ```
 *
 * Its `connect` rejects with `connectFailed` if all of them fail; the `cause` is an `AggregateError` of what each failed with.
 *
 * @throws {TypeError} If there is no connector.
 * @throws {RangeError | TypeError} If an option has a value it can't have.
 */
export function roundRobin<Each extends Connector>(
  connectors: readonly Each[],
  options: ComposedConnectorOptions<Each> = {},
): ComposedConnector<Each> {
  return compose(connectors, options, (members) => {
    let next = 0;
    return () => {
      const first = next;
      next = (next + 1) % members.length;
      return [...members.slice(first), ...members.slice(0, first)];
    };
  });
}

/**
 * Takes the first connector as long as it connects, else the second, and so on. The connectors must lead to
 * applications of the same kind, because all requests are made in the same way.
 *
 * Its `connect` rejects with `connectFailed` if all of them fail; the `cause` is an `AggregateError` of what each failed with.
 *
 * @throws {TypeError} If there is no connector.
 * @throws {RangeError | TypeError} If an option has a value it can't have.
 */
export function failover<Each extends Connector>(
  connectors: readonly Each[],
  options: ComposedConnectorOptions<Each> = {},
): ComposedConnector<Each> {
  return compose(connectors, options, (members) => () => members);
}

export const DEFAULTS: Resolved<Pick<ComposedConnectorOptions, "attemptTimeout" | "coolDown">> = Object.freeze({
  attemptTimeout: 3_000,
  coolDown: 10_000,
});

function compose<Each extends Connector>(
  connectors: readonly Each[],
  options: ComposedConnectorOptions<Each>,
  orderOf: OrderOf<Each>,
): ComposedConnector<Each> {
  if (!Array.isArray(connectors))
    throw unexpected("Cannot compose connectors: expected connectors to be an array", connectors);
  if (connectors.length === 0) throw new TypeError("Cannot compose connectors: expected at least one, got none");
  for (const connector of connectors)
    checkConnector(connector, "Cannot compose connectors: expected each of connectors");
  const backends = new Backends(optionsOf(options), orderOf);
  return backends.connectorOf(connectors.map((connector) => ({ connector, given: connector })));
}

/** One of several connectors. */
interface Member<Each extends Connector> {
  /** What connects: the connector that the program gave, or an alternative that this one has named. */
  readonly connector: Connector;
  readonly given: Each;
}

/** Returns the order in which members are tried, each time that a connection is wanted. */
type OrderOf<Each extends Connector> = (members: readonly Member<Each>[]) => () => readonly Member<Each>[];

/** Connects to one of several applications, and remembers which of them failed lately. */
class Backends<Each extends Connector> {
  readonly #options: typeof DEFAULTS;
  readonly #orderOf: OrderOf<Each>;
  readonly #onFailure: (error: unknown, connector: Each) => void;
  readonly #failedAt = new Map<Each, number>();
  /** Connections so far. */
  #connections = 0;
  /** Which of them was the last one of each; of those that never connected there is none. */
  readonly #lastConnection = new Map<Each, number>();
  /**
   * The member that opened each connection. It is not noted in the connection, because that object belongs to the
   * program or to a runtime. A result with both would force that shape on every connector and every wrapper.
   */
  readonly #memberOf = new WeakMap<FastCgiConnection, Member<Each>>();
  /**
   * The connectors made for some of the members. A client keeps the connections of each connector apart, so each is made
   * once.
   */
  readonly #made: { readonly members: readonly Member<Each>[]; readonly connector: ComposedConnector<Each> }[] = [];

  constructor(options: ComposedConnectorOptions<Each>, orderOf: OrderOf<Each>) {
    this.#options = resolveOptions(DEFAULTS, options, ["coolDown"]);
    this.#orderOf = orderOf;
    this.#onFailure = contained("onFailure", options.onFailure);
  }

  /** Makes a connector to these members. */
  connectorOf(members: readonly Member<Each>[]): ComposedConnector<Each> {
    const known = this.#made.find((made) => isSame(made.members, members));
    if (known !== undefined) return known.connector;
    const nextOrder = this.#orderOf(members);
    const keyed = members.find(({ given }) => given.keyOf !== undefined)?.given;
    const connector: ComposedConnector<Each> = {
      ...members[0]!.given,
      ...(keyed && { keyOf: (request) => keyed.keyOf!(request) }),
      connect: (options) => this.#connect(nextOrder(), options),
      alternativeTo: (connection, error) => this.#alternative(members, connection, error),
    };
    this.#made.push({ members, connector });
    return connector;
  }

  /**
   * A connector without the application that has refused a request. A member made of several applications may have
   * others.
   */
  #alternative(
    members: readonly Member<Each>[],
    connection: FastCgiConnection,
    error: FastCgiError,
  ): ComposedConnector<Each> | null {
    const refusing = this.#memberOf.get(connection);
    if (refusing === undefined || !members.some((member) => isAlike(member, refusing))) return null;
    const others = refusing.connector.alternativeTo?.(connection, error) ?? null;
    if (others === null) this.#fail(error, refusing.given);
    const left = members.flatMap((member) => {
      if (member.connector !== refusing.connector) return [member];
      return others === null ? [] : [{ connector: others, given: member.given }];
    });
    return left.length === 0 ? null : this.connectorOf(left);
  }

  /**
   * Tries the members in this order until one connects, but last those that failed lately. Of these the first is the one that
   * connected last: one that is only slow now and then has failed lately as well as one that is down.
   */
  async #connect(order: readonly Member<Each>[], options: ConnectOptions): Promise<FastCgiConnection> {
    const { signal } = options;
    const different = order.filter((member, index) => order.findIndex((other) => isAlike(member, other)) === index);
    const cooling = different
      .filter(({ given }) => this.#isCooling(given))
      .sort((one, other) => this.#lastConnectionOf(other.given) - this.#lastConnectionOf(one.given));
    const errors: unknown[] = [];
    for (const member of [...different.filter((one) => !cooling.includes(one)), ...cooling]) {
      signal.throwIfAborted();
      const { given } = member;
      const failedAt = this.#failedAt.get(given);
      const lastConnection = this.#lastConnectionOf(given);
      // An attempt that began before another one succeeded knows less than that one, however late it ends.
      const isNewest = (): boolean => this.#lastConnectionOf(given) === lastConnection;
      // This connection finds out whether it is back. Meanwhile others still try it last.
      if (failedAt !== undefined) this.#failedAt.set(given, performance.now());
      try {
        const connection = await this.#attempt(member.connector, options);
        this.#failedAt.delete(given);
        this.#lastConnection.set(given, ++this.#connections);
        this.#memberOf.set(connection, member);
        return connection;
      } catch (error) {
        // The caller gave up. That says nothing about the application.
        if (signal.aborted) {
          if (failedAt !== undefined && isNewest()) this.#failedAt.set(given, failedAt);
          throw signal.reason;
        }
        errors.push(error);
        if (isNewest()) this.#fail(error, given);
        else this.#onFailure(error, given);
      }
    }
    throw connectFailed(errors);
  }

  #isCooling(connector: Each): boolean {
    const failedAt = this.#failedAt.get(connector);
    if (failedAt === undefined) return false;
    const age = performance.now() - failedAt;
    // In Workers this clock is the wall clock, which can be set back.
    return age >= 0 && age < this.#options.coolDown;
  }

  #lastConnectionOf(connector: Each): number {
    return this.#lastConnection.get(connector) ?? 0;
  }

  #fail(error: unknown, connector: Each): void {
    this.#failedAt.set(connector, performance.now());
    this.#onFailure(error, connector);
  }

  /** One connector's turn. */
  #attempt(connector: Connector, options: ConnectOptions): Promise<FastCgiConnection> {
    const limit = { timeout: this.#options.attemptTimeout, limit: "attemptTimeout" };
    const attempt = (signal: AbortSignal): Promise<FastCgiConnection> => connector.connect({ ...options, signal });
    return withController(options.signal, (controller) =>
      withTimeLimit(controller, limit, (signal) => connectOrAbort(attempt, signal)),
    );
  }
}

function isAlike<Each extends Connector>(one: Member<Each>, other: Member<Each>): boolean {
  return one.connector === other.connector;
}

function isSame<Each extends Connector>(members: readonly Member<Each>[], others: readonly Member<Each>[]): boolean {
  return members.length === others.length && members.every((member, index) => isAlike(member, others[index]!));
}

function connectFailed(errors: readonly unknown[]): FastCgiError {
  const reasons = errors.map(messageOf);
  const message = `Cannot connect: all ${errors.length} connectors failed: ${reasons.join("; ")}`;
  return new FastCgiError("connectFailed", message, { cause: new AggregateError(errors) });
}
