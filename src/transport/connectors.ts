// Several applications as one connector. This spreads connections and goes round what is down; it asks nobody how busy they
// are: weights and health checks are a load balancer's work.

import { contained } from "../codec/contained.ts";
import { resolveOptions } from "../codec/resolve_options.ts";
import { FastCgiError } from "../protocol/errors.ts";
import { connectOrAbort, withController, withTimeLimit } from "./attempt.ts";
import type { ConnectOptions, Connector, FastCgiConnection } from "./connection.ts";

/** Options of {@linkcode failover} and {@linkcode roundRobin}. */
export interface ComposedConnectorOptions<Each extends Connector = Connector> {
  /**
   * Milliseconds that one connector has to connect, so that one that does not answer leaves time for the next. The client's
   * `connectTimeout` is for all of them together. `Infinity` turns it off.
   *
   * @default {3000} (3 s)
   */
  attemptTimeout?: number;
  /**
   * Milliseconds for which a connector that failed is asked last. After that, one connection finds out whether it is back, while
   * others go on without it. 0 turns it off.
   *
   * @default {10000} (10 s, as nginx's `fail_timeout`)
   */
  coolDown?: number;
  /** Told of every attempt that failed: with a `timeout` {@linkcode FastCgiError} after `attemptTimeout`. */
  onFailure?: (error: unknown, connector: Each) => void;
}

/**
 * A connector made of others. All that they have besides `connect`, such as a preset, is that of the first; `keyOf` is that of the first
 * that has one, and all of them are told the key.
 */
export type ComposedConnector<Each extends Connector> = Connector & Omit<Each, "connect">;

/**
 * Takes the connectors in turn, so that each has its share of the connections; one that is named twice has two. One that fails
 * is passed over. The connectors must lead to applications of the same kind, as all their requests are made alike.
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
  let next = 0;
  return compose(connectors, options, (all) => {
    const first = next;
    next = (next + 1) % all.length;
    return [...all.slice(first), ...all.slice(0, first)];
  });
}

/**
 * Takes the first connector as long as it connects, else the second, and so on. The connectors must lead to applications of the
 * same kind, as all their requests are made alike.
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
  return compose(connectors, options, (all) => all);
}

export const DEFAULTS: Required<Pick<ComposedConnectorOptions, "attemptTimeout" | "coolDown">> = Object.freeze({
  attemptTimeout: 3_000,
  coolDown: 10_000,
});

function compose<Each extends Connector>(
  connectors: readonly Each[],
  options: ComposedConnectorOptions<Each>,
  orderOf: (connectors: readonly Each[]) => readonly Each[],
): ComposedConnector<Each> {
  // A copy: nobody changes it behind our back.
  const all = [...connectors];
  if (all.length === 0) throw new TypeError("Cannot compose connectors: expected at least one, got none");
  const backends = new Backends(options);
  const keyed = all.find((connector) => connector.keyOf !== undefined);
  return {
    ...all[0]!,
    ...(keyed && { keyOf: (request) => keyed.keyOf!(request) }),
    connect: (connectOptions) => backends.connect(orderOf(all), connectOptions),
  };
}

/** Connects to one of several applications, and notes which of them failed lately. */
class Backends<Each extends Connector> {
  readonly #options: typeof DEFAULTS;
  readonly #onFailure: (error: unknown, connector: Each) => void;
  readonly #failedAt = new Map<Each, number>();

  constructor(options: ComposedConnectorOptions<Each>) {
    this.#options = resolveOptions(DEFAULTS, options, ["coolDown"]);
    this.#onFailure = contained("onFailure", options.onFailure);
  }

  /** Tries them in this order, but those that failed lately last, until one connects. */
  async connect(order: readonly Each[], options: ConnectOptions): Promise<FastCgiConnection> {
    const { signal } = options;
    const different = [...new Set(order)];
    const cooling = new Set(different.filter((connector) => this.#isCooling(connector)));
    const errors: unknown[] = [];
    for (const connector of [...different.filter((one) => !cooling.has(one)), ...cooling]) {
      signal.throwIfAborted();
      const failedAt = this.#failedAt.get(connector);
      // While this one finds out whether it is back, others are not to wait for it.
      if (failedAt !== undefined) this.#failedAt.set(connector, performance.now());
      try {
        const connection = await this.#attempt(connector, options);
        this.#failedAt.delete(connector);
        return connection;
      } catch (error) {
        // That nobody wants the connection any more says nothing about the application.
        if (signal.aborted) {
          if (failedAt !== undefined) this.#failedAt.set(connector, failedAt);
          throw signal.reason;
        }
        errors.push(error);
        this.#fail(error, connector);
      }
    }
    throw connectFailed(errors);
  }

  #isCooling(connector: Each): boolean {
    const failedAt = this.#failedAt.get(connector);
    return failedAt !== undefined && performance.now() - failedAt < this.#options.coolDown;
  }

  #fail(error: unknown, connector: Each): void {
    this.#failedAt.set(connector, performance.now());
    this.#onFailure(error, connector);
  }

  /** One connector's turn. */
  #attempt(connector: Each, options: ConnectOptions): Promise<FastCgiConnection> {
    const limit = { timeout: this.#options.attemptTimeout, limit: "attemptTimeout" };
    const attempt: Connector = { connect: ({ signal }) => connector.connect({ ...options, signal }) };
    return withController(options.signal, (controller) =>
      withTimeLimit(controller, limit, (signal) => connectOrAbort(attempt, signal)),
    );
  }
}

function connectFailed(errors: readonly unknown[]): FastCgiError {
  const reasons = errors.map((error) => (error instanceof Error ? error.message : String(error)));
  const message = `Cannot connect: all ${errors.length} connectors failed: ${reasons.join("; ")}`;
  return new FastCgiError("connectFailed", message, { cause: new AggregateError(errors) });
}
