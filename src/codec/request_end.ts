/**
 * How a request ended:
 *
 * - `complete`: the response was sent, or has come, to its end. Its status may be any.
 * - `aborted`: the other side no longer wanted it. For a server that is the web server, which aborted the request or closed
 *   the connection; for a client it is the program, by the request's signal or by cancelling the response's body.
 * - `timeout`: a time limit of this library ended it. `error` names the option.
 * - `failed`: the handler or its response failed; for a client, there was no complete and valid response.
 * - `refused`: it was not run. For a server, the library answered in place of the handler; for a client, the application
 *   refused it (FastCGI 5.5), `script` answered in its place, or too many requests waited.
 */
export type FastCgiRequestOutcome = "complete" | "aborted" | "timeout" | "failed" | "refused";

/** What is known of a request when it is over. Times are milliseconds, by `performance.now()`. */
export interface FastCgiRequestEnd {
  /** How it ended. */
  readonly outcome: FastCgiRequestOutcome;
  /** Why it did not end otherwise: an error, or the reason of a signal. Undefined if it is complete. */
  readonly error: unknown;
  /** The method, as it came; undefined if the request ended before its variables had come. */
  readonly method: string | undefined;
  /** The URL of the Request; undefined if none was made, or, on a server, it was made of a copy of `request`. */
  readonly url: string | undefined;
  /** The status of the response; undefined if it ended before its header. */
  readonly status: number | undefined;
  /** Bytes of the request's body that have come; for a client, that were given to the connection. */
  readonly requestBodyBytes: number;
  /** Bytes of the response's body that were given to the connection; for a client, that have come, also if it drops them. */
  readonly responseBodyBytes: number;
  /** The time of the start. `performance.timeOrigin + startTime` is the time of day. */
  readonly startTime: number;
  /** From the start to the end of the response's header; undefined if there was none. */
  readonly timeToHeader: number | undefined;
  /** From the start to the end. */
  readonly duration: number;
}
