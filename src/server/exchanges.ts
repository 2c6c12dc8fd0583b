// The exchanges on one connection: has each request answered, and ends each. This is the one place that ends a request, so there is exactly one
// FCGI_END_REQUEST for each (FastCGI 3.3). The mirror of client/exchanges.ts. Here requests may always share a connection: the web server chooses.

import type { IncomingRequest } from "../codec/incoming_request.ts";
import type { FastCgiResponse } from "../codec/outgoing_response.ts";
import { FastCgiError } from "../protocol/errors.ts";
import type { RecordWriter } from "../transport/record_writer.ts";
import { Exchange, type ExchangeHost } from "./exchange.ts";
import type { ResolvedServerOptions } from "./options.ts";
import type { FastCgiHandler, FastCgiHandlerContext } from "./response.ts";

/** What {@linkcode Exchanges} need of their connection. */
export interface ExchangesHost {
  readonly writer: RecordWriter;
  readonly options: ResolvedServerOptions;
  /** Whether responses can be sent. */
  readonly canSend: boolean;
  /** Frees the id of a request. */
  release(request: IncomingRequest): void;
  /** Lets the connection be closed as soon as no request is active. */
  finish(): void;
  /** A request is over, or waits for nothing but the end of the connection. */
  onRoom(): void;
  /** A handler and its response are through. */
  onSettled(): void;
}

/** The exchanges on one connection. */
export class Exchanges implements ExchangeHost {
  readonly writer: RecordWriter;
  readonly maxQueuedBytes: number;
  readonly #host: ExchangesHost;
  readonly #handler: FastCgiHandler;
  readonly #context: FastCgiHandlerContext;
  #begun = 0;
  #running = 0;
  /** Responses that are sent piece by piece. Made when it is needed: most are whole at once. */
  #streaming: Set<Exchange> | null = null;
  /** Requests whose response failed behind its beginning. They stay active, and unanswered, until the connection is closed. */
  #brokenOff: Set<IncomingRequest> | null = null;

  constructor(host: ExchangesHost, handler: FastCgiHandler, context: FastCgiHandlerContext) {
    this.writer = host.writer;
    this.maxQueuedBytes = host.options.maxQueuedBytes;
    this.#host = host;
    this.#handler = handler;
    this.#context = context;
  }

  /** Exchanges that have begun. */
  get begun(): number {
    return this.#begun;
  }

  /** Exchanges whose handler or response is not through. */
  get running(): number {
    return this.#running;
  }

  /** Requests that stay unanswered because their response broke off. */
  get brokenOff(): number {
    return this.#brokenOff?.size ?? 0;
  }

  /** Whether `request` stays unanswered. */
  hasBrokenOff(request: IncomingRequest): boolean {
    return this.#brokenOff?.has(request) ?? false;
  }

  /** Whether a response has begun that has no end. */
  get isMidResponse(): boolean {
    for (const { hasBegun } of this.#streaming ?? []) if (hasBegun) return true;
    return false;
  }

  /** Has a request answered. */
  begin(request: IncomingRequest): void {
    this.#begun++;
    this.#running++;
    void this.#serve(request);
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

  /** The request is over (FastCGI 5.5). Returns whether its FCGI_END_REQUEST can still be sent. */
  onEnding(exchange: Exchange): boolean {
    this.#streaming?.delete(exchange);
    this.#host.release(exchange.request);
    return this.#host.canSend;
  }

  onEnded({ request }: Exchange): void {
    // FastCGI 3.5, 5.1: without FCGI_KEEP_CONN closing is the application's part.
    if (!request.keepConn) this.#host.finish();
    else this.#host.onRoom();
  }

  async #serve(request: IncomingRequest): Promise<void> {
    const exchange = new Exchange(this, request);
    const isEnded = await exchange.run();
    this.#running--;
    if (!isEnded) {
      if (this.#host.canSend) this.#breakOff(exchange);
      else this.#host.release(request);
    }
    this.#host.onSettled();
  }

  /**
   * A response that broke off must not look whole, and nothing in FastCGI says so that a web server would understand: the connection is broken
   * off without FCGI_END_REQUEST. Other requests on it come first. Meanwhile an abort still gets its answer.
   */
  #breakOff(exchange: Exchange): void {
    const { request } = exchange;
    this.#brokenOff ??= new Set();
    this.#brokenOff.add(request);
    // The rest of its input is not read any more, and a full queue would stop the whole connection.
    const { requestId } = request;
    request.failStreams(new FastCgiError("aborted", "Cannot read the request: its response broke off", { requestId }));
    request.onAbort(() => {
      if (this.#brokenOff?.delete(request)) exchange.endFailed();
    });
    this.#host.onRoom();
  }
}
