// The exchanges on one connection: answers each request through its handler, and ends each. This is the one place that
// ends a request, so there is exactly one FCGI_END_REQUEST for each (FastCGI 3.3). The mirror of client/exchanges.ts.
// Here requests may always share a connection: the web server decides.

import type { IncomingRequest } from "../codec/incoming_request.ts";
import type { FastCgiResponse } from "../codec/outgoing_response.ts";
import type { WrittenRecords } from "../codec/record_sink.ts";
import { FastCgiError } from "../protocol/errors.ts";
import type { RecordWriter } from "../transport/record_writer.ts";
import { Exchange, type ExchangeHost } from "./exchange.ts";
import type { ResolvedServerOptions } from "./options.ts";
import type { FastCgiHandler, FastCgiHandlerContext } from "./response.ts";

/** The part of a connection that its {@linkcode Exchanges} use. */
export interface ExchangesHost {
  readonly writer: RecordWriter;
  readonly options: ResolvedServerOptions;
  /** Whether responses can be sent. */
  readonly canSend: boolean;
  /** Frees the id of a request. */
  release(request: IncomingRequest): void;
  /** Called when an answer is complete, of which up to `bytes` may still have to be sent. */
  onAnswer(written: WrittenRecords, bytes: number): void;
  /** Closes the connection once no request is active. */
  finish(): void;
  /** Called when a request is over, or waits only for the end of the connection. */
  onRoom(): void;
  /** Called when a handler and its response have settled. */
  onSettled(): void;
}

/** The exchanges on one connection. */
export class Exchanges implements ExchangeHost {
  readonly writer: RecordWriter;
  readonly #host: ExchangesHost;
  readonly #handler: FastCgiHandler;
  readonly #context: FastCgiHandlerContext;
  #begun = 0;
  #running = 0;
  /** Responses that are sent piece by piece. Made on first use, because most responses are complete at once. */
  #streaming: Set<Exchange> | null = null;
  /**
   * Requests whose response failed after its beginning. They stay active and unanswered until the connection is closed.
   */
  #brokenOff: Set<IncomingRequest> | null = null;

  constructor(host: ExchangesHost, handler: FastCgiHandler, context: FastCgiHandlerContext) {
    this.writer = host.writer;
    this.#host = host;
    this.#handler = handler;
    this.#context = context;
  }

  /** The number of exchanges that have begun. */
  get begun(): number {
    return this.#begun;
  }

  /** The number of exchanges whose handler or response has not settled. */
  get running(): number {
    return this.#running;
  }

  /** The number of requests that stay unanswered because their response broke off. */
  get brokenOff(): number {
    return this.#brokenOff?.size ?? 0;
  }

  /** Whether `request` stays unanswered. */
  hasBrokenOff(request: IncomingRequest): boolean {
    return this.#brokenOff?.has(request) ?? false;
  }

  /** Whether a response has begun that has no end. */
  get isMidResponse(): boolean {
    // Stryker disable next-line ArrayDeclaration: a text has not begun either
    for (const { hasBegun } of this.#streaming ?? []) if (hasBegun) return true;
    return false;
  }

  /** Begins to answer a request. */
  begin(request: IncomingRequest): void {
    this.#begun++;
    this.#running++;
    const exchange = new Exchange(this, request);
    const isEnded = exchange.run();
    if (typeof isEnded === "boolean") this.#settle(exchange, isEnded);
    else void isEnded.then((later) => this.#settle(exchange, later));
  }

  answer(request: IncomingRequest): FastCgiResponse | Promise<FastCgiResponse> {
    return this.#handler(request, this.#context);
  }

  onStreaming(exchange: Exchange): void {
    this.#streaming ??= new Set();
    this.#streaming.add(exchange);
  }

  onFailure(error: unknown, request: IncomingRequest): void {
    this.#host.options.onError(error, request);
  }

  /** Called when the request is over (FastCGI 5.5). Returns whether its FCGI_END_REQUEST can still be sent. */
  onEnding(exchange: Exchange): boolean {
    this.#streaming?.delete(exchange);
    this.#host.release(exchange.request);
    return this.#host.canSend;
  }

  onEnded({ request }: Exchange, written: WrittenRecords, bytes: number): void {
    this.#host.onAnswer(written, bytes);
    // FastCGI 3.5, 5.1: without FCGI_KEEP_CONN the application closes the connection.
    if (!request.keepConn) this.#host.finish();
    else this.#host.onRoom();
  }

  #settle(exchange: Exchange, isEnded: boolean): void {
    this.#running--;
    if (!isEnded) {
      if (this.#host.canSend) this.#breakOff(exchange);
      else this.#host.release(exchange.request);
    }
    this.#host.onSettled();
  }

  /**
   * Leaves a response that broke off without FCGI_END_REQUEST, so that it does not look complete. FastCGI has no way to
   * say so that a web server understands, so the connection is broken off. Other requests on it come first; until then
   * an abort still gets its answer.
   */
  #breakOff(exchange: Exchange): void {
    const { request } = exchange;
    this.#brokenOff ??= new Set();
    const brokenOff = this.#brokenOff.add(request);
    // The rest of its input is not read, and a full queue would stop the whole connection.
    const { requestId } = request;
    request.failStreams(new FastCgiError("aborted", "Cannot read the request: its response broke off", { requestId }));
    request.onAbort(() => {
      brokenOff.delete(request);
      exchange.endFailed();
    });
    this.#host.onRoom();
  }
}
