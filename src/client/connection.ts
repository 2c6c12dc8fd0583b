// One transport connection to an application and the request on it: writes and reads at the same time, so that neither side can
// block the other. To keep in step with server/connection.ts.

import type { FastCgiClientResponse, IncomingResponse } from "../codec/incoming_response.ts";
import { RecordDecoder } from "../codec/record_decoder.ts";
import { ResponseDecoder } from "../codec/response_decoder.ts";
import { composeStages, type Stage } from "../codec/stage.ts";
import { FCGI_NULL_REQUEST_ID, MAX_REQUEST_ID, RecordType } from "../protocol/constants.ts";
import { FastCgiError, protocolError } from "../protocol/errors.ts";
import { decodeNameValuePairs, encodeNameValuePairs } from "../protocol/name_value_pairs.ts";
import type { FastCgiRecord } from "../protocol/record.ts";
import { closeConnection, type FastCgiConnection } from "../transport/connection.ts";
import { Deadline } from "../transport/deadline.ts";
import { RecordWriter } from "../transport/record_writer.ts";
import type { FastCgiClientOptions } from "./options.ts";
import { type FastCgiRequestInit, RequestSender } from "./request.ts";

/** One request and its response. */
interface Exchange {
  readonly response: IncomingResponse;
  readonly sender: RequestSender;
  /** `stopped`: the application takes no more of the request; it may have answered all the same. */
  sending: "under way" | "done" | "stopped";
}

/** A connection of a {@linkcode FastCgiClient}. */
export class ClientConnection {
  readonly #connection: FastCgiConnection;
  readonly #options: Required<FastCgiClientOptions>;
  readonly #decoder: ResponseDecoder;
  readonly #stages: Stage<Uint8Array, FastCgiClientResponse>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: RecordWriter;
  /** Read and idle timeouts: one at a time, by what the connection waits for. */
  readonly #silence: Deadline;
  readonly #onIdle: (connection: ClientConnection) => void;
  #exchange: Exchange | null = null;
  #values: { resolve(values: Map<string, string>): void; reject(reason: unknown): void } | null = null;
  /** Counts up: with a constant id a stale response could not be told from the one that is due. */
  #lastId = 0;
  #writeError: unknown;
  /** Whether the response has no room, so that it is our silence and not the application's. */
  #paused = false;
  #closed = false;
  #closeReason: unknown;

  /** @param onIdle Called when the connection is free for another request. */
  constructor(
    connection: FastCgiConnection,
    options: Required<FastCgiClientOptions>,
    onIdle: (connection: ClientConnection) => void,
  ) {
    this.#connection = connection;
    this.#options = options;
    this.#onIdle = onIdle;
    this.#decoder = new ResponseDecoder(
      {
        management: (record) => this.#management(record),
        // Whatever comes for a request that is over, another one is not to meet it.
        report: (error) => this.close(error),
      },
      options,
    );
    this.#stages = composeStages(new RecordDecoder(), this.#decoder);
    this.#reader = connection.readable.getReader();
    this.#writer = new RecordWriter(connection.writable, {
      writeTimeout: options.writeTimeout,
      onError: (error) => this.#onWriteError(error),
    });
    this.#silence = new Deadline(() => this.#timeOut());
    void this.#run();
  }

  /** Whether nothing can be sent on it any more. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Sends a request on a connection that has none. The response fails with whatever goes wrong.
   *
   * @throws {unknown} The reason why the connection is closed, or that of the request's signal.
   */
  send(request: FastCgiRequestInit): IncomingResponse {
    const { signal } = request;
    if (signal?.aborted) this.close(signal.reason);
    if (this.#closed) throw this.#closeReason;
    const { keepAlive } = this.#options;
    this.#lastId = this.#lastId === MAX_REQUEST_ID ? 1 : this.#lastId + 1;
    const response = this.#decoder.expect(this.#lastId, {
      onAbandoned: (reason) => this.#abandon(reason),
      onStderr: request.onStderr,
    });
    const sender = new RequestSender(this.#writer, this.#lastId, request);
    const exchange: Exchange = { response, sender, sending: "under way" };
    this.#exchange = exchange;
    this.#silence.stop();
    const onAbort = (): void => this.close(signal!.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    const settle = (): void => signal?.removeEventListener("abort", onAbort);
    response.end.then(() => {
      settle();
      this.#finish(exchange);
    }, settle);
    sender.send(keepAlive).then(
      (sent) => {
        if (!sent) return;
        exchange.sending = "done";
        if (this.#exchange === exchange) this.#awaitResponse();
      },
      (error) => {
        // A request that can't be read must not look whole. One that can't be written may have its answer already.
        if (this.#exchange === exchange && !this.#writer.failed) this.close(error);
      },
    );
    return response;
  }

  /** Asks for the application's limits (FastCGI 4.1), on a connection that has no request. */
  getValues(names: readonly string[]): Promise<Map<string, string>> {
    const contentData = encodeNameValuePairs(names.map((name) => [name, ""]));
    return new Promise((resolve, reject) => {
      if (this.#closed) throw this.#closeReason;
      this.#values = { resolve, reject };
      // libfcgi reads on before it answers, so an unpadded one alone would wait for ever; the encoder pads to eight.
      const paddingLength = -contentData.length & 7 || 8;
      const requestId = FCGI_NULL_REQUEST_ID;
      this.#writer.write({ type: RecordType.GetValues, requestId, contentData, paddingLength });
      this.#awaitResponse();
    });
  }

  /** Closes the connection at once. What is under way fails with `reason`. */
  close(reason: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closeReason = reason;
    this.#silence.dispose();
    this.#exchange?.sender.stop(reason);
    this.#exchange = null;
    this.#decoder.failAll(reason);
    this.#values?.reject(reason);
    this.#writer.fail(reason);
    this.#reader.cancel(reason).catch(() => {});
    void closeConnection(this.#connection);
  }

  /**
   * An application that has answered may close without reading the rest of the request. Its answer is still there to be read, so
   * the read side decides how the exchange ends.
   */
  #onWriteError(error: unknown): void {
    if (this.#closed) return;
    if (this.#exchange === null || (error instanceof FastCgiError && error.code === "timeout")) {
      this.close(error);
      return;
    }
    this.#writeError = error;
    this.#exchange.sending = "stopped";
    this.#exchange.sender.stop(error);
    this.#awaitResponse();
  }

  /** Starts the timeout where nothing but the application is waited for. */
  #awaitResponse(): void {
    const isAwaited = this.#exchange === null ? this.#values !== null : this.#exchange.sending !== "under way";
    if (isAwaited && !this.#paused) this.#silence.restart(this.#options.readTimeout);
  }

  async #run(): Promise<void> {
    try {
      await this.#read();
      // Not the stages' flush(): it would fail the response without saying that writing had failed before.
      this.close(this.#gone("the application closed the connection before its end", this.#writeError));
    } catch (error) {
      this.close(error instanceof FastCgiError ? error : this.#gone("the connection failed", error));
    }
  }

  #gone(what: string, cause: unknown): FastCgiError {
    const { requestId, stderrText: stderr } = this.#exchange?.response ?? {};
    return new FastCgiError("connectionClosed", `Cannot read the response: ${what}`, { requestId, stderr, cause });
  }

  async #read(): Promise<void> {
    const controller = { enqueue(): void {} };
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done || this.#closed) return;
      if (this.#exchange === null && this.#values === null) {
        throw protocolError("Cannot read a record: no request is under way");
      }
      this.#silence.stop();
      const pause = this.#stages.transform(value, controller);
      if (pause !== undefined) {
        this.#paused = true;
        await pause;
        this.#paused = false;
      }
      this.#awaitResponse();
    }
  }

  /** The response is whole. */
  #finish(exchange: Exchange): void {
    if (this.#exchange !== exchange) return;
    this.#exchange = null;
    const { keepAlive, idleTimeout } = this.#options;
    if (!keepAlive || exchange.sending !== "done") {
      const reason = new FastCgiError("connectionClosed", "The exchange is over");
      exchange.sender.stop(reason);
      this.close(reason);
      return;
    }
    this.#silence.restart(idleTimeout);
    this.#onIdle(this);
  }

  /** Nobody wants the rest of the response. On a connection of its own, closing is how to say so (FastCGI 5.4). */
  #abandon(reason: unknown): void {
    this.close(reason ?? new FastCgiError("aborted", "The response was cancelled"));
  }

  #management({ type, contentData }: FastCgiRecord): void {
    // Go sends a second, empty answer.
    if (this.#values === null) return;
    const { resolve, reject } = this.#values;
    if (type === RecordType.GetValuesResult) resolve(new Map(decodeNameValuePairs(contentData)));
    else reject(protocolError("Cannot get values: the application does not know FCGI_GET_VALUES"));
    this.#values = null;
  }

  #timeOut(): void {
    const { readTimeout, idleTimeout } = this.#options;
    if (this.#exchange === null && this.#values === null) {
      const message = `The connection was idle for ${idleTimeout} ms`;
      this.close(new FastCgiError("timeout", message, { limit: "idleTimeout" }));
      return;
    }
    const stderr = this.#exchange?.response.stderrText;
    const message = `Cannot read the response: the application was silent for ${readTimeout} ms`;
    this.close(new FastCgiError("timeout", message, { limit: "readTimeout", stderr }));
  }
}
