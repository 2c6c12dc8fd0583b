import { contained, containedOrNull } from "../base/contained.ts";
import { type Resolved, resolveOptions } from "../base/resolve_options.ts";
import { copyable, type FastCgiRequest } from "../codec/incoming_request.ts";
import { REQUEST_DECODER_DEFAULTS, type RequestDecoderOptions } from "../codec/request_decoder_options.ts";
import type { FastCgiServerRequestEnd } from "../codec/request_watch.ts";

/** Limits and timeouts of a server. Sizes are in bytes, timeouts in milliseconds; `Infinity` turns a limit off. */
export interface FastCgiServerLimits extends RequestDecoderOptions {
  /**
   * The most silence while a request waits for the rest of its body. After it, reading the body fails with `timeout`;
   * if the handler gives no other answer, the request is answered 408. Other requests on the connection go on, and
   * don't extend this time. Time in which the handler does not read the body does not count: see `stallTimeout`.
   *
   * @default {600000} (10 min: longer than any web server waits for a client, so that the web server decides; Debian's Apache: 300 s)
   */
  readTimeout?: number | undefined;
  /**
   * The most time in which a handler reads nothing of a body of which `maxQueuedBytes` wait. Until then the server reads
   * nothing from the connection: its other requests wait, and the server can't notice that the web server has left.
   * After it, the rest of the body is dropped, and reading the body fails with `timeout` behind the bytes that wait.
   *
   * @default {600000} (10 min: web servers wait a minute for an application that takes nothing, lighttpd 360 s)
   */
  stallTimeout?: number | undefined;
  /**
   * The most time from the start of a request to the end of its params, whatever comes in between. A request that takes
   * longer is answered 408.
   *
   * @default {30000} (30 s: params don't depend on a slow client, web servers send them at once)
   */
  paramsTimeout?: number | undefined;
  /**
   * The most time in which the web server takes nothing of what is sent. Then the connection is broken off, with every
   * response on it. Slow and pausing clients are not meant: their web server has limits for them.
   *
   * @default {600000} (10 min: longer than any web server's own, of which lighttpd's 360 s is the longest; nginx and Apache: 60 s)
   */
  writeTimeout?: number | undefined;
  /**
   * The most silence on a connection without a request. It is longer than the idle time of the web server's own pool
   * (nginx: 60 s), so that the web server closes first and no request meets a closing connection.
   *
   * @default {120000} (120 s)
   */
  idleTimeout?: number | undefined;
  /**
   * The time for which the rest of a request's input is read and dropped after an early response, before the connection
   * is closed: if a connection is closed with unread input, the response is lost. Also the time in which a web server
   * must read the end of a connection that is given up.
   *
   * @default {5000} (5 s, as nginx's `lingering_timeout`)
   */
  lingerTimeout?: number | undefined;
  /**
   * The number of requests after which a kept connection is closed, once it has had none for a second. It is not closed
   * right after a response: FastCGI can't announce that, and a request that the web server sends at this moment is lost
   * (Apache answers 503, HAProxy 502, nginx repeats it if it may). So a connection without a pause goes on, and one
   * request in thousands may still be lost if a web server uses a connection again at the very moment of its close.
   *
   * @default {Infinity} (as Go and libfcgi)
   */
  maxRequestsPerConnection?: number | undefined;
}

/** Options of a server. */
export interface FastCgiServerOptions extends FastCgiServerLimits {
  /**
   * Called with every error that did not reach the handler: a handler or response that failed, a connection that was
   * given up, input that was refused or dropped, each with its request if there is one. A web server or client that
   * leaves is not an error: `request.signal` tells of that.
   *
   * @default {`serve` of a runtime's entry prints a line; FastCgiServer prints nothing}
   */
  onError?: ((error: unknown, request?: FastCgiRequest) => void) | undefined;
  /**
   * Called once at the end of every request, also of one that no handler got: for an access log, metrics and traces. The
   * end is the moment when FCGI_END_REQUEST was given to the connection, when the response broke off, or when
   * `request.signal` aborted, whichever is first. A handler may still run then.
   *
   * @default {none: then nothing is measured}
   */
  onRequestEnd?: ((end: FastCgiServerRequestEnd) => void) | undefined;
}

/** The defaults of {@linkcode FastCgiServerLimits}. */
export const SERVER_DEFAULTS: Resolved<FastCgiServerLimits> = Object.freeze({
  ...REQUEST_DECODER_DEFAULTS,
  readTimeout: 600_000,
  stallTimeout: 600_000,
  paramsTimeout: 30_000,
  writeTimeout: 600_000,
  idleTimeout: 120_000,
  lingerTimeout: 5_000,
  maxRequestsPerConnection: Number.POSITIVE_INFINITY,
});

/** Options that are complete and checked. */
export interface ResolvedServerOptions
  extends Resolved<FastCgiServerLimits>,
    Resolved<Pick<FastCgiServerOptions, "onError">> {
  /** Null without a callback. */
  readonly onRequestEnd: ((end: FastCgiServerRequestEnd) => void) | null;
}

/** @throws {RangeError | TypeError} If an option has a value it can't have. */
export function resolveServerOptions(options: FastCgiServerOptions): ResolvedServerOptions {
  const onError = contained("onError", options.onError);
  // The same object, so that decoders know it as checked.
  return Object.assign(resolveOptions(SERVER_DEFAULTS, options), {
    onError: (error: unknown, request?: FastCgiRequest) => onError(error, request && copyable(request)),
    onRequestEnd: containedOrNull("onRequestEnd", options.onRequestEnd),
  });
}
