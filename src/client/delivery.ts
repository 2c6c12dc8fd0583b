// One request on its way to an application, and its response. The request is sent again if it is still available as a
// whole, no output of a response came, and it either has not run or may run twice:
//
// - The application closed a connection that has had requests before. FastCGI can't announce the end of a connection,
//   so a request that is sent at that moment is lost, and it is not known whether it ran: only an idempotent request
//   (RFC 9110 9.2.2) is sent again, and only once. If the application closes its connections after a number of
//   requests, that number is at least as high as the number that it has answered on this one. So the request goes to a
//   connection that has had fewer, where the same can't happen.
// - The application refused the request (FastCGI 5.5), so it has not run it. After FCGI_CANT_MPX_CONN it is sent again
//   on a connection without other requests. After FCGI_OVERLOADED it goes to another application, if the connector has
//   one.
//
// The response stays the same object, so code that waits for it does not notice.

import { withController } from "../base/abort.ts";
import { IncomingResponse, type IncomingResponseHooks } from "../codec/incoming_response.ts";
import type { Connector } from "../connect/connector.ts";
import { FastCgiError } from "../protocol/errors.ts";
import type { ClientConnection } from "./connection.ts";
import type { FastCgiRetry, ResolvedClientOptions } from "./options.ts";
import type { ConnectionWish, Pool } from "./pool.ts";
import { type ClientRequest, isIdempotent, isRepeatable } from "./request.ts";

/** What a {@linkcode Delivery} needs of its client. */
export interface DeliveryHost {
  readonly options: ResolvedClientOptions;
  /** Whether no more requests are sent. */
  isClosed(): boolean;
  /** @throws {TypeError} If the client is closed. */
  poolOf(connector: Connector, key: string | undefined): Pool;
}

/** A request that was put on a connection. */
interface Attempt {
  readonly pool: Pool;
  readonly connection: ClientConnection;
  /** Whether the connection had had requests before. */
  readonly isUsed: boolean;
  /** Whether other requests may be on the connection. */
  readonly isShared: boolean;
}

/** A request and its response, over all attempts. */
export class Delivery implements IncomingResponseHooks {
  readonly response: IncomingResponse;
  readonly #request: ClientRequest;
  readonly #host: DeliveryHost;
  readonly #key: string | undefined;
  readonly #isIdempotent: boolean;
  #connector: Connector;
  #attempt: Attempt | null = null;
  #count = 0;
  #wish: ConnectionWish;
  /**
   * Whether it was sent again because a connection was closed. That happens only once, because the request itself may
   * be what ends connections.
   */
  #wasStale = false;
  /** The last refusal by an application that is overloaded. */
  #overload: FastCgiError | null = null;
  /** Ends the wait for another connection. */
  #controller: AbortController | null = null;

  /** @param key The connector's key of the application that the request is for. */
  constructor(request: ClientRequest, connector: Connector, key: string | undefined, host: DeliveryHost) {
    this.#request = request;
    this.#connector = connector;
    this.#key = key;
    this.#host = host;
    this.response = new IncomingResponse(0, host.options, this);
    this.#isIdempotent = isIdempotent(request);
    const canRepeat = isRepeatable(request);
    if (canRepeat) this.response.onEarlyFailure = (error) => this.#onEarlyFailure(error);
    // A request that can be sent only once needs a connection that is certain to be open.
    this.#wish = {
      fresh: !((canRepeat && this.#isIdempotent) || host.options.reuseForAll),
      usedBelow: Number.POSITIVE_INFINITY,
    };
  }

  /**
   * Puts the request on a connection, at once if there is one.
   *
   * @throws {unknown} Why there is no connection, or the error of the request.
   */
  deliver(signal: AbortSignal | undefined = this.#request.signal): void | Promise<void> {
    this.response.retries = this.#count++;
    const pool = this.#host.poolOf(this.#connector, this.#key);
    return pool.run({ ...this.#wish, signal, use: (connection) => this.#put(connection, pool) });
  }

  #put(connection: ClientConnection, pool: Pool): void {
    const { begun, isShared } = connection.exchanges;
    this.#attempt = { pool, connection, isUsed: begun > 0, isShared };
    connection.begin(this.#request, this.response);
  }

  /**
   * Called when the attempt failed before any output of the response came. Returns whether there is another attempt.
   */
  #onEarlyFailure(error: unknown): boolean {
    if (!(error instanceof FastCgiError) || this.#host.isClosed() || this.#request.signal?.aborted) return false;
    const reason = this.#prepareNext(error, this.#attempt!);
    if (reason === null) return false;
    this.response.bind(0, this);
    void this.#sendAgain({ reason, error, attempt: this.#count });
    return true;
  }

  /** Decides where the request goes next: the reason for the retry, or null if there is none. */
  #prepareNext(error: FastCgiError, attempt: Attempt): FastCgiRetry["reason"] | null {
    switch (error.code) {
      case "connectionClosed":
        return this.#prepareFresh(attempt) ? "stale" : null;
      case "cantMultiplex":
        // A request that was alone on its connection would be refused again.
        return attempt.isShared ? "refused" : null;
      case "overloaded":
        return this.#prepareAlternative(error, attempt) ? "refused" : null;
      default:
        return null;
    }
  }

  #prepareFresh({ connection, isUsed, isShared }: Attempt): boolean {
    if (!isUsed || !this.#isIdempotent || this.#wasStale) return false;
    // In exclusive use every byte that came belongs to this request. In shared use only a record tells to which request
    // it belongs.
    if (!isShared && connection.hasHeard) return false;
    this.#wasStale = true;
    this.#wish = { fresh: true, usedBelow: isShared ? Math.max(1, connection.exchanges.completed) : 1 };
    return true;
  }

  #prepareAlternative(error: FastCgiError, { connection }: Attempt): boolean {
    const alternative = this.#connector.alternativeTo?.(connection.transport, error) ?? null;
    if (alternative === null) return false;
    this.#connector = alternative;
    this.#overload = error;
    return true;
  }

  async #sendAgain(retry: FastCgiRetry): Promise<void> {
    const { pool, connection } = this.#attempt!;
    const hasReturned = pool.awaitReturn();
    try {
      await withController(this.#request.signal, async (controller) => {
        this.#controller = controller;
        // With the controller at hand, because the program may cancel the response, or abort the request, in there.
        this.#host.options.onRetry(retry);
        // The connection that failed is still handling its failure.
        await null;
        if (this.#overload !== null) connection.finish();
        controller.signal.throwIfAborted();
        await this.deliver(controller.signal);
      });
    } catch (error) {
      this.response.onEarlyFailure = null;
      // No other application takes the request, so it fails with the refusal.
      this.response.fail(this.#overload !== null && isConnectError(error) ? this.#overload : error);
    } finally {
      hasReturned();
      this.#controller = null;
    }
  }

  /** Called when the response is not needed any more, while the request waits for another connection. */
  onAbandoned(reason: unknown): void {
    this.#controller?.abort(reason);
  }
}

function isConnectError(error: unknown): boolean {
  return error instanceof FastCgiError && (error.code === "connectFailed" || error.limit === "connectTimeout");
}
