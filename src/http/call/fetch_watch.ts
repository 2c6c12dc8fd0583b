// What `onRequestEnd` of a client tells. A watch is made when `fetch` or `authorize` begins, if the program gave the
// callback. Until the header it hears of the end from there; after that, from the exchange.

import type { IncomingResponse } from "../../codec/incoming_response.ts";
import type { FastCgiRequestEnd, FastCgiRequestOutcome } from "../../codec/request_end.ts";
import { FastCgiError } from "../../protocol/errors.ts";
import { bodyTooShort } from "./cgi_body.ts";

/** What is known of a `fetch` or `authorize` when it is over. */
export interface FastCgiFetchEnd extends FastCgiRequestEnd {
  /** The Request that `fetch` was given; one like it if it was given a URL, or an `init` with options of Fetch. */
  readonly request: Request;
  /** How often it was sent again, for `stale` or `refused`: see `onRetry`. */
  readonly retries: number;
}

/** The request that a {@linkcode FetchWatch} tells of. */
export interface WatchedRequest {
  readonly method: string;
  readonly url: string | URL;
  readonly signal: AbortSignal | undefined;
  native(): Request;
}

/** Watches one request from its start to its end. */
export interface FetchWatch {
  /** Notes that the request is being sent. */
  noteSent(response: IncomingResponse): void;
  /**
   * Notes the header of its response.
   *
   * @param headerBytes The length of the header block.
   * @param bodyBytes The length of the body that the program gets; NaN if that is unknown.
   */
  noteHeader(status: number, headerBytes: number, bodyBytes: number): void;
  /** Called when the program gets the response: its end is that of the exchange. */
  awaitEnd(): void;
  /** Called when the request is over. Only the first call counts. */
  end(outcome: FastCgiRequestOutcome, error?: unknown): void;
  /** Called with the response of a `script`, which answers in place of the application. */
  refuse(response: Response): void;
  /** Called with the error of `fetch`. */
  fail(error: unknown): void;
}

/**
 * Watches a request from now on.
 *
 * @param tell Never throws.
 */
export function watchFetch(request: WatchedRequest, tell: (end: FastCgiFetchEnd) => void): FetchWatch {
  const startTime = performance.now();
  let sent: IncomingResponse | undefined;
  let status: number | undefined;
  let headerBytes = 0;
  let bodyBytes = 0;
  let timeToHeader: number | undefined;
  let isOver = false;

  const responseBodyBytes = (): number => (timeToHeader === undefined ? 0 : sent!.stdoutQueue.received - headerBytes);

  const watch: FetchWatch = {
    noteSent(response) {
      sent = response;
    },
    noteHeader(...given) {
      [status, headerBytes, bodyBytes] = given;
      timeToHeader = performance.now() - startTime;
    },
    awaitEnd() {
      sent!.completed().then(
        () => {
          const left = bodyBytes - responseBodyBytes();
          if (left > 0) watch.fail(bodyTooShort(bodyBytes, left));
          else watch.end("complete");
        },
        (error) => {
          // The program has the whole body, or wants none of it; what the application went on to do is of no use to it.
          if (responseBodyBytes() >= bodyBytes || isDropped(error)) watch.end("complete");
          // Its reader cancelled the body, with any reason.
          else if (sent!.stdoutQueue.failure === undefined) watch.end("aborted", error);
          else watch.fail(error);
        },
      );
    },
    end(outcome, error) {
      if (isOver) return;
      isOver = true;
      const { method, url, native } = request;
      tell({
        outcome,
        error,
        get request() {
          return native();
        },
        method,
        url: String(url),
        status,
        retries: sent?.retries ?? 0,
        requestBodyBytes: sent?.stdinBytes ?? 0,
        responseBodyBytes: responseBodyBytes(),
        startTime,
        timeToHeader,
        duration: performance.now() - startTime,
      });
    },
    refuse(response) {
      status = response.status;
      watch.end("refused");
    },
    fail(error) {
      const { signal } = request;
      watch.end(signal?.aborted && error === signal.reason ? "aborted" : outcomeOf(error), error);
    },
  };
  return watch;
}

/** Whether there was too much to drop of a body that the program does not get. */
function isDropped(error: unknown): boolean {
  return error instanceof FastCgiError && error.limit === "maxDrainBytes";
}

/** How a request ended that failed. */
function outcomeOf(error: unknown): FastCgiRequestOutcome {
  if (!(error instanceof FastCgiError)) return "failed";
  const { code, protocolStatus, gatewayStatus } = error;
  if (code === "timeout" || code === "aborted") return code;
  // It was refused by the application, or too many requests wait.
  return protocolStatus || gatewayStatus === 503 ? "refused" : "failed";
}
