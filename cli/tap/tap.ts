// The connections of a tap: for each one of the web server, one to the application.

import { type Connector, type FastCgiConnection, fromStreams } from "../../src/toolkit.ts";
import type { TraceEvent, Watcher } from "../wire/trace.ts";
import { Relay } from "./relay.ts";

/** Milliseconds in which the application must accept a connection, as with nginx (`fastcgi_connect_timeout`). */
const CONNECT_TIMEOUT = 60_000;

export interface TapOptions {
  /** Connects to the application. */
  readonly connector: Connector;
  /** Told of everything that happens. */
  readonly watch: Watcher;
  /** Whether a connection can be closed without harm to a request. */
  readonly isIdle: (connection: number) => boolean;
  /** Whether the application has answered all requests of a connection. */
  readonly isAnswered: (connection: number) => boolean;
  /** Told why the application could not be connected to. */
  readonly onRefused: (reason: string) => void;
}

export class Tap {
  readonly #options: TapOptions;
  readonly #began = performance.now();
  readonly #relays = new Map<number, Relay>();
  /** Connections for which there is no relay yet. */
  readonly #connecting = new Map<number, AbortController>();
  #count = 0;
  #isClosing = false;
  #onEmpty = (): void => {};

  constructor(options: TapOptions) {
    this.#options = options;
  }

  /** Milliseconds since it began, in whole microseconds, so that a recording shows the same times. */
  get time(): number {
    return Math.round((performance.now() - this.#began) * 1000) / 1000;
  }

  /** Passes a connection of the web server on. */
  async accept(webServer: FastCgiConnection): Promise<void> {
    const connection = ++this.#count;
    this.#watch({ what: "opened", about: nameOf(webServer) }, connection);
    const attempt = new AbortController();
    this.#connecting.set(connection, attempt);
    const timer = setTimeout(() => attempt.abort(new Error(`no answer for ${CONNECT_TIMEOUT} ms`)), CONNECT_TIMEOUT);
    try {
      const application = await this.#options.connector.connect({ signal: attempt.signal });
      const relay = new Relay(webServer, application, {
        onBytes: (from, bytes) =>
          this.#passed(connection, () => this.#watch({ what: "bytes", from, bytes }, connection)),
        onEnd: (from) => this.#watch({ what: "end", from }, connection),
        onBroken: (from, reason) => this.#watch({ what: "broken", from, reason }, connection),
        isAnswered: () => this.#options.isAnswered(connection),
        onClosed: () => this.#closed(connection),
      });
      this.#relays.set(connection, relay);
      if (this.#isClosing) this.#finishIfIdle(connection);
    } catch (error) {
      const reason = (error as Error).message;
      this.#watch({ what: "refused", reason }, connection);
      this.#options.onRefused(reason);
      giveUp(webServer, error);
      this.#closed(connection);
    } finally {
      clearTimeout(timer);
      this.#connecting.delete(connection);
    }
  }

  /**
   * Waits until the requests that run are over, and closes.
   *
   * @param drain Milliseconds that they have.
   */
  async close(drain: number): Promise<void> {
    this.#isClosing = true;
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    const timer = setTimeout(() => {
      for (const attempt of this.#connecting.values()) attempt.abort(new Error("the tap ends"));
      for (const relay of [...this.#relays.values()]) relay.close();
    }, drain);
    for (const connection of [...this.#relays.keys()]) this.#finishIfIdle(connection);
    this.#tellIfEmpty();
    await empty;
    clearTimeout(timer);
  }

  /** Tells of bytes; while it closes, they may be the last ones of their connection. */
  #passed(connection: number, tell: () => void): void {
    tell();
    // In the next turn, because they are written after they are told of.
    if (this.#isClosing) setImmediate(() => this.#finishIfIdle(connection));
  }

  #finishIfIdle(connection: number): void {
    if (this.#options.isIdle(connection)) void this.#relays.get(connection)?.finish();
  }

  #closed(connection: number): void {
    this.#relays.delete(connection);
    this.#watch({ what: "closed" }, connection);
    // `accept` takes a refused connection out of `#connecting` a moment later.
    queueMicrotask(() => this.#tellIfEmpty());
  }

  #tellIfEmpty(): void {
    if (this.#relays.size + this.#connecting.size === 0) this.#onEmpty();
  }

  #watch(event: WithoutPlace<TraceEvent>, connection: number): void {
    try {
      this.#options.watch({ time: this.time, connection, ...event } as TraceEvent);
    } catch {
      // What is shown must not change what is passed.
    }
  }
}

type WithoutPlace<Event> = Event extends unknown ? Omit<Event, "time" | "connection"> : never;

/** Closes a connection as an application does that has died. */
function giveUp(webServer: FastCgiConnection, error: unknown): void {
  const channel = fromStreams(webServer);
  if (channel.reset?.(error) !== true) channel.close();
}

function nameOf({ remoteAddress }: FastCgiConnection): string | undefined {
  if (remoteAddress === undefined) return undefined;
  return "path" in remoteAddress ? remoteAddress.path : `${remoteAddress.hostname}:${remoteAddress.port}`;
}
