import { withController } from "../base/abort.ts";
import { checkSignal, checkString, objectOf, optionsOf, unexpected } from "../base/unexpected.ts";
import type { FastCgiClientResponse } from "../codec/incoming_response.ts";
import { checkedParams } from "../codec/request_sender.ts";
import type { Connector } from "../connect/connector.ts";
import { FCGI_MAX_CONNS, FCGI_MAX_REQS, FCGI_MPXS_CONNS } from "../protocol/constants.ts";
import { Application } from "./application.ts";
import type { ClientConnectionOwner } from "./connection.ts";
import { type ClientCloseOptions, Dispatcher } from "./dispatcher.ts";
import type { FastCgiClientOptions } from "./options.ts";
import type { PoolStatus } from "./pool.ts";
import { clientRequest, type FastCgiRequestInit } from "./request.ts";

/**
 * Sends requests to a FastCGI application, of any role and with any params.
 *
 * A large response that is not read keeps its connection until `stallTimeout`, and with `multiplexing` holds up the
 * other responses on it: read it, or cancel its `stdout`.
 *
 * ```ts
 * const client = new FastCgiClient(connector);
 * const response = await client.send({ params: [["REQUEST_METHOD", "GET"]] });
 * const output = await new Response(response.stdout).text();
 * const { appStatus } = await response.end;
 * ```
 */
export class FastCgiClient implements AsyncDisposable {
  readonly #dispatcher: Dispatcher;

  /**
   * Sends to the application that `connector` leads to. Connects when a request is sent.
   *
   * @throws {RangeError | TypeError} If an option has a value it can't have.
   */
  constructor(connector: Connector, options: FastCgiClientOptions = {}) {
    this.#dispatcher = new Dispatcher(connector, options);
  }

  /**
   * Numbers of open connections, idle connections, and requests that run or wait, for all applications of the
   * connector.
   */
  get status(): PoolStatus {
    return this.#dispatcher.status;
  }

  /**
   * Sends one request. Resolves when sending begins. The streams of the response and its end follow, even if the
   * request is sent again (see {@linkcode FastCgiClientOptions.onRetry}).
   *
   * @throws {TypeError} If the request has an invalid value.
   * @throws {FastCgiError} `connectFailed` or `timeout` if no connection can be opened, `limit` if too many requests
   * wait.
   * @throws {unknown} The reason of `signal`, or the error of the connector's `keyOf`.
   */
  async send(request: FastCgiRequestInit): Promise<FastCgiClientResponse> {
    objectOf(request, "Cannot send the request", "request to be an object with params");
    const response = await this.#dispatcher.send(request, () => clientRequest(request, checkedParams(request.params)));
    return response.copyable;
  }

  /**
   * Asks the application for its limits (FastCGI 4.1): `FCGI_MAX_CONNS`, `FCGI_MAX_REQS`, `FCGI_MPXS_CONNS`. Values
   * that it does not know are missing in the result. Opens a connection of its own. `key` names the application, if the
   * connector has `keyOf`.
   *
   * @throws {TypeError} If an argument is not what it must be.
   */
  async getValues(
    names: readonly string[] = [FCGI_MAX_CONNS, FCGI_MAX_REQS, FCGI_MPXS_CONNS],
    options: { signal?: AbortSignal; key?: string } = {},
  ): Promise<Map<string, string>> {
    const task = "Cannot ask for values";
    const { signal, key } = optionsOf(options);
    if (!Array.isArray(names)) throw unexpected(`${task}: expected names to be an array`, names);
    for (const name of names) checkString(name, task, "each of names");
    checkSignal(signal, task);
    if (key !== undefined) checkString(key, task, "key");
    if (this.#dispatcher.isClosed) throw new TypeError("Cannot ask for values: the client is closed");
    const alone: ClientConnectionOwner = { onFree() {}, onClose() {}, onCantMultiplex() {} };
    const { connector, options: own } = this.#dispatcher;
    const application = new Application(connector, key, own, () => {});
    return withController(signal ?? undefined, async (controller) => {
      const connection = await application.open(controller, alone);
      controller.signal.addEventListener("abort", () => connection.close(controller.signal.reason));
      try {
        return await connection.getValues(names, own.readTimeout);
      } finally {
        connection.finish();
      }
    });
  }

  /**
   * Sends no more requests. Resolves when the requests that wait or run are over, and every connection is closed.
   *
   * @throws {RangeError | TypeError} If `timeout` is not a number of milliseconds.
   */
  close(options?: ClientCloseOptions): Promise<void> {
    return this.#dispatcher.close(options);
  }

  /** As {@linkcode FastCgiClient.close}: `await using client = new FastCgiClient(…)`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
