import { contained } from "../codec/contained.ts";
import type { FastCgiRequest } from "../codec/incoming_request.ts";
import { REQUEST_DECODER_DEFAULTS, type RequestDecoderOptions } from "../codec/request_decoder_options.ts";
import { resolveOptions } from "../codec/resolve_options.ts";

/** Limits and timeouts of a server. Sizes are in bytes, timeouts in milliseconds; `Infinity` turns one off. */
export interface FastCgiServerLimits extends RequestDecoderOptions {
  /**
   * Silence allowed while a request waits for its input.
   *
   * @default {30000} (30 s, as rama-fastcgi)
   */
  readTimeout?: number;
  /**
   * Time allowed from the start of a request to the end of its params, however busily they trickle.
   *
   * @default {30000} (30 s)
   */
  paramsTimeout?: number;
  /**
   * Time that one write may take.
   *
   * @default {30000} (30 s, as rama-fastcgi)
   */
  writeTimeout?: number;
  /**
   * Silence allowed on a connection without a request. Longer than the idle time of the web server's own pool (nginx: 60 s), so
   * that the web server closes first and no request meets a closing connection.
   *
   * @default {120000} (120 s)
   */
  idleTimeout?: number;
  /**
   * Time for which the rest of a request's input is read and dropped after an early response, before the connection is closed: a
   * connection that is closed with unread input takes the response with it.
   *
   * @default {5000} (5 s, as nginx's `lingering_timeout`)
   */
  lingerTimeout?: number;
  /**
   * Requests after which a kept connection is closed, as soon as none is active on it.
   *
   * @default {1024} (as rama-fastcgi)
   */
  maxRequestsPerConnection?: number;
}

/** Options of a server. */
export interface FastCgiServerOptions extends FastCgiServerLimits {
  /**
   * Told of everything that went wrong and did not reach the handler: a handler that failed, a connection that was given up,
   * input that was dropped. The library itself prints nothing.
   */
  onError?: (error: unknown, request?: FastCgiRequest) => void;
}

/** The defaults of {@linkcode FastCgiServerLimits}. */
export const SERVER_DEFAULTS: Required<FastCgiServerLimits> = Object.freeze({
  ...REQUEST_DECODER_DEFAULTS,
  readTimeout: 30_000,
  paramsTimeout: 30_000,
  writeTimeout: 30_000,
  idleTimeout: 120_000,
  lingerTimeout: 5_000,
  maxRequestsPerConnection: 1024,
});

/** Options that are complete and checked. */
export type ResolvedServerOptions = Required<FastCgiServerLimits> & Required<Pick<FastCgiServerOptions, "onError">>;

/** @throws {RangeError | TypeError} If an option has a value it can't have. */
export function resolveServerOptions(options: FastCgiServerOptions): ResolvedServerOptions {
  // The same object, so that decoders know it as checked.
  return Object.assign(resolveOptions(SERVER_DEFAULTS, options), { onError: contained("onError", options.onError) });
}
