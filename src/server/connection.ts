// One transport connection and its requests: reads, feeds the decoder, runs the handler for each request, writes what it answers.
// This is the one place that ends a request, so there is exactly one FCGI_END_REQUEST for each (FastCGI 3.3).
// To keep in step with client/connection.ts.

import type { FastCgiRequest, IncomingRequest } from "../codec/incoming_request.ts";
import { RecordDecoder } from "../codec/record_decoder.ts";
import { RequestDecoder } from "../codec/request_decoder.ts";
import { composeStages, type Stage } from "../codec/stage.ts";
import { ProtocolStatus, RecordType } from "../protocol/constants.ts";
import { FastCgiError } from "../protocol/errors.ts";
import { encodeEndRequestBody, type FastCgiRecord, NO_CONTENT } from "../protocol/record.ts";
import type { FastCgiConnection } from "../transport/connection.ts";
import { Deadline } from "../transport/deadline.ts";
import { RecordWriter } from "../transport/record_writer.ts";
import type { ResolvedServerOptions } from "./options.ts";
import { type FastCgiHandler, type FastCgiHandlerContext, ResponseSender } from "./response.ts";

/** Beyond this many unsent bytes nothing more is read: whoever sends management records without reading answers waits. */
const MAX_PENDING_BYTES = 256 * 1024;

/** A connection of a {@linkcode FastCgiServer}. */
export class ServerConnection {
  readonly #connection: FastCgiConnection;
  readonly #handler: FastCgiHandler;
  readonly #context: FastCgiHandlerContext;
  readonly #options: ResolvedServerOptions;
  readonly #decoder: RequestDecoder;
  readonly #stages: Stage<Uint8Array, FastCgiRequest>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: RecordWriter;
  /** Read, idle and linger timeouts: one at a time, by what the connection waits for. */
  readonly #silence: Deadline;
  #onSilence: () => void = () => {};
  readonly #paramsTimeout: Deadline;
  readonly #running = new Set<Promise<void>>();
  /** Requests whose output failed under way. They stay active, and unanswered, until the connection is closed. */
  readonly #truncated = new Set<IncomingRequest>();
  #begun = 0;
  /** Close as soon as no request is active. */
  #closing = false;
  /** A request ended before its input did. */
  #unreadInput = false;
  #closed = false;

  constructor(
    connection: FastCgiConnection,
    handler: FastCgiHandler,
    context: FastCgiHandlerContext,
    options: ResolvedServerOptions,
  ) {
    this.#connection = connection;
    this.#handler = handler;
    this.#context = context;
    this.#options = options;
    this.#decoder = new RequestDecoder(
      {
        reply: (records, closeConnection) => this.#reply(records, closeConnection),
        report: (error) => options.onError(error),
      },
      options,
    );
    this.#stages = composeStages(new RecordDecoder(), this.#decoder);
    this.#reader = connection.readable.getReader();
    this.#writer = new RecordWriter(connection.writable, {
      writeTimeout: options.writeTimeout,
      onError: (error) => this.#fail(error),
    });
    this.#silence = new Deadline(() => this.#onSilence());
    this.#paramsTimeout = new Deadline(() => this.#timeOut("paramsTimeout"));
  }

  /** Runs until the connection is closed and every handler has settled. */
  async run(): Promise<void> {
    try {
      await this.#read();
    } catch (error) {
      this.#fail(error);
    }
    this.#close(
      new FastCgiError("connectionClosed", "Cannot finish the request: the web server closed the connection"),
    );
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  /** Closes the connection once no request is active on it. */
  shutDown(): void {
    this.#closing = true;
    this.#closeIfDone();
  }

  /** Closes the connection at once. */
  abort(reason: FastCgiError): void {
    this.#close(reason);
  }

  async #read(): Promise<void> {
    const controller = { enqueue: (request: FastCgiRequest): void => this.#start(request as IncomingRequest) };
    for (;;) {
      this.#watch();
      const { done, value } = await this.#reader.read();
      this.#silence.stop();
      if (done) break;
      const pause = this.#stages.transform(value, controller);
      if (pause !== undefined) await pause;
      if (this.#writer.pendingBytes > MAX_PENDING_BYTES) await this.#writer.idle();
    }
    if (!this.#closed) await this.#stages.flush(controller);
  }

  /** Starts the timeout for what the connection now waits for. */
  #watch(): void {
    if (this.#closed) return;
    const { activeRequests, waitingForParams, expectsInput } = this.#decoder;
    if (waitingForParams === 0) this.#paramsTimeout.stop();
    else if (!this.#paramsTimeout.running) this.#paramsTimeout.restart(this.#options.paramsTimeout);
    if (activeRequests === 0) {
      const delay = this.#closing ? this.#options.lingerTimeout : this.#options.idleTimeout;
      this.#waitAtMost(delay, () => this.#close(new FastCgiError("timeout", "The connection was idle")));
    } else if (expectsInput) {
      this.#waitAtMost(this.#options.readTimeout, () => this.#timeOut("readTimeout"));
    } else {
      this.#silence.stop();
    }
  }

  #waitAtMost(delay: number, onSilence: () => void): void {
    this.#onSilence = onSilence;
    this.#silence.restart(delay);
  }

  #timeOut(limit: "readTimeout" | "paramsTimeout"): void {
    const message = `Cannot read the request: it was not there after ${this.#options[limit]} ms`;
    this.#fail(new FastCgiError("timeout", message, { limit }));
  }

  #start(request: IncomingRequest): void {
    this.#begun++;
    if (this.#begun >= this.#options.maxRequestsPerConnection) this.#closing = true;
    // Progress: what still waits for its params began later.
    this.#paramsTimeout.stop();
    const done = this.#serve(request).finally(() => this.#running.delete(done));
    this.#running.add(done);
  }

  async #serve(request: IncomingRequest): Promise<void> {
    const { requestId } = request;
    const sender = new ResponseSender(this.#writer, requestId, (error) => {
      if (!this.#closed) this.#options.onError(error, request);
    });
    request.onAbort((reason) => sender.stop(reason));
    const { outcome, appStatus } = await sender.send(() => this.#handler(request, this.#context));
    if (this.#closed) return;
    if (outcome === "sent") this.#end(request, appStatus, sender.sentStderr);
    else this.#leaveUnanswered(request);
  }

  /** Ends a request (FastCGI 5.5). */
  #end(request: IncomingRequest, appStatus: number, sentStderr: boolean): void {
    const { requestId, keepConn } = request;
    const records: FastCgiRecord[] = [{ type: RecordType.Stdout, requestId, contentData: NO_CONTENT }];
    if (sentStderr) records.push({ type: RecordType.Stderr, requestId, contentData: NO_CONTENT });
    records.push({
      type: RecordType.EndRequest,
      requestId,
      contentData: encodeEndRequestBody({ appStatus, protocolStatus: ProtocolStatus.RequestComplete }),
    });
    this.#writer.write(...records);
    if (!this.#decoder.end(requestId)) this.#unreadInput = true;
    // FastCGI 3.5, 5.1: without FCGI_KEEP_CONN closing is the application's part.
    if (!keepConn) this.#closing = true;
    this.#closeIfDone();
    this.#watch();
  }

  /**
   * A response that broke off must not look whole, and nothing in FastCGI says so that a web server would understand: the
   * connection is closed without FCGI_END_REQUEST. Other requests on it come first; meanwhile an abort still gets its answer.
   */
  #leaveUnanswered(request: IncomingRequest): void {
    this.#truncated.add(request);
    request.onAbort(() => {
      if (this.#truncated.delete(request) && !this.#closed) this.#end(request, 1, false);
    });
    this.#closeIfDone();
  }

  #reply(records: FastCgiRecord[], closeConnection: boolean): void {
    this.#writer.write(...records);
    if (!closeConnection) return;
    this.#closing = true;
    this.#unreadInput = true;
    this.#closeIfDone();
  }

  #closeIfDone(): void {
    if (this.#closed || this.#decoder.activeRequests > this.#truncated.size) return;
    if (this.#truncated.size > 0) {
      void this.#writer.idle().then(() => this.#close(new FastCgiError("aborted", "The response broke off")));
    } else if (this.#closing) {
      void this.#closeGently();
    }
  }

  /**
   * Half-closes after what was written. Where input is still under way it goes on being read and dropped for a while: a
   * socket that is closed with unread input is reset, and the response may be lost with it.
   */
  async #closeGently(): Promise<void> {
    await this.#writer.close();
    if (!this.#unreadInput) this.#close(new FastCgiError("connectionClosed", "The connection is closed"));
  }

  #fail(error: unknown): void {
    if (this.#closed) return;
    this.#options.onError(error);
    this.#close(
      error instanceof FastCgiError && error.code !== "protocol"
        ? error
        : new FastCgiError("connectionClosed", "Cannot finish the request: its connection failed", { cause: error }),
    );
  }

  #close(reason: FastCgiError): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#silence.dispose();
    this.#paramsTimeout.dispose();
    this.#decoder.abortAll(reason);
    this.#writer.fail(reason);
    this.#reader.cancel(reason).catch(() => {});
    void this.#connection.close();
  }
}
