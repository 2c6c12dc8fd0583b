// One request and its response on a connection: runs the handler and sends its answer. The mirror of
// client/exchange.ts.

import { isPromise } from "../base/is_promise.ts";
import type { ErrorStatus } from "../cgi/error_document.ts";
import type { IncomingRequest } from "../codec/incoming_request.ts";
import type { FastCgiResponse } from "../codec/outgoing_response.ts";
import type { WrittenRecords } from "../codec/record_sink.ts";
import type { FastCgiRequestOutcome } from "../codec/request_end.ts";
import { ResponseSender, type ResponseSenderHooks } from "../codec/response_sender.ts";
import { Role } from "../protocol/constants.ts";
import { FastCgiError } from "../protocol/errors.ts";
import type { RecordWriter } from "../transport/record_writer.ts";

/** What an {@linkcode Exchange} needs of its connection. */
export interface ExchangeHost {
  readonly writer: RecordWriter;
  /** Calls the handler. */
  answer(request: IncomingRequest): FastCgiResponse | Promise<FastCgiResponse>;
  /** Called when the response is sent piece by piece from now on. */
  onStreaming(exchange: Exchange): void;
  /** Called before FCGI_END_REQUEST is sent. Returns whether it may be sent. */
  onEnding(exchange: Exchange): boolean;
  /** Called after FCGI_END_REQUEST was sent: see {@linkcode ResponseSenderHooks.onEnded}. */
  onEnded(exchange: Exchange, written: WrittenRecords, bytes: number): void;
  /** Called when the handler or its response failed. */
  onFailure(error: unknown, request: IncomingRequest): void;
}

/** One request and its response. */
export class Exchange implements ResponseSenderHooks {
  readonly request: IncomingRequest;
  readonly #host: ExchangeHost;
  readonly #sender: ResponseSender;
  /** Why the handler or its response failed. */
  #failure: { readonly error: unknown } | null = null;

  constructor(host: ExchangeHost, request: IncomingRequest) {
    this.#host = host;
    this.request = request;
    const sink = request.watch === null ? host.writer : request.watch.watched(host.writer);
    this.#sender = new ResponseSender(sink, request.requestId, this);
    request.onAbort((reason) => this.#sender.stop(reason));
  }

  /** Whether any of FCGI_STDOUT was sent. */
  get hasBegun(): boolean {
    return this.#sender.hasBegun;
  }

  /**
   * Answers the request. Never fails: if the handler fails before any output, a plain error document is the answer.
   *
   * @returns Whether the response was ended. It is not if it failed after its beginning. A promise only if the handler
   * or its response takes time: of a small exchange, promises are a twentieth.
   */
  run(): boolean | Promise<boolean> {
    const { request } = this;
    // The abort came in the same piece of input as the request. A handler that waits for the abort event of its signal
    // would wait for ever, because the event is over.
    if (this.#sender.isStopped) {
      this.#sender.end();
      return true;
    }
    try {
      const answer = request.role === Role.Filter ? this.#filter() : this.#host.answer(request);
      const sending = isPromise(answer)
        ? Promise.resolve(answer).then((response) => this.#sender.send(response))
        : this.#sender.send(answer);
      if (sending === undefined) return true;
      return sending.then(
        () => true,
        (error) => this.#fail(error),
      );
    } catch (error) {
      return this.#fail(error);
    }
  }

  #fail(error: unknown): boolean {
    const { request } = this;
    if (this.#sender.isStopped) {
      // A handler whose request was aborted may fail. That is not an error to report.
      this.#sender.end();
      return true;
    }
    this.#host.onFailure(error, request);
    this.#failure = { error };
    if (this.#sender.hasBegun) {
      this.#tellEnd();
      return false;
    }
    this.#sender.sendError(statusOf(error, request));
    return true;
  }

  /**
   * Ends a response that failed after its beginning: the web server has aborted the request, and wants only the end.
   */
  endFailed(): void {
    this.#sender.end(undefined, 1);
  }

  onStreaming(): void {
    this.#host.onStreaming(this);
  }

  onHarmlessError(error: unknown): void {
    this.#host.onFailure(error, this.request);
  }

  onEnding(): boolean {
    return this.#host.onEnding(this);
  }

  onEnded(written: WrittenRecords, bytes: number): void {
    this.#host.onEnded(this, written, bytes);
    this.#tellEnd();
  }

  #tellEnd(): void {
    const { request } = this;
    if (this.#failure === null) request.watch?.end("complete", undefined, request);
    else request.watch?.end(outcomeOf(this.#failure.error, request), this.#failure.error, request);
  }

  /**
   * Holds the answer of a Filter back until STDIN is complete (FastCGI 6.4). It is not held back if more of STDIN waits
   * than may wait unread: a handler that writes while it reads would wait for itself.
   */
  async #filter(): Promise<FastCgiResponse> {
    const { request } = this;
    try {
      return await this.#host.answer(request);
    } finally {
      await request.stdinQueue.whenDoneOrFull();
    }
  }
}

/** How a request ended whose handler or response failed. */
function outcomeOf(error: unknown, request: IncomingRequest): FastCgiRequestOutcome {
  if (!(error instanceof FastCgiError)) return "failed";
  // Of variables that describe no HTTP request no fetch handler hears.
  if (error.code === "malformedRequest") return "refused";
  return error.code === "timeout" && request.failedWith(error) ? "timeout" : "failed";
}

/** The status for an error, by which party is at fault. */
function statusOf(error: unknown, request: IncomingRequest): ErrorStatus {
  if (!(error instanceof FastCgiError)) return 500;
  switch (error.code) {
    case "timeout":
      // 408 only for this request's own input, and not for an application that the handler called.
      return request.failedWith(error) && error.limit !== "stallTimeout" ? 408 : 500;
    case "limit":
      return error.limit === "maxStdinBytes" || error.limit === "maxDataBytes" ? 413 : 500;
    case "lengthMismatch":
      return error.requestId === undefined ? 500 : 400;
    case "malformedRequest":
      return 400;
    default:
      return 500;
  }
}
