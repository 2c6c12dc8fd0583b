import { contained } from "../base/contained.ts";
import { resolveOptions } from "../base/resolve_options.ts";
import { copyable, type FastCgiRequest } from "../codec/incoming_request.ts";
import { REQUEST_DECODER_DEFAULTS, type RequestDecoderOptions } from "../codec/request_decoder_options.ts";

/** Limits and timeouts of a server. Sizes are in bytes, timeouts in milliseconds; `Infinity` turns one off. */
export interface FastCgiServerLimits extends RequestDecoderOptions {
  /**
   * Silence allowed while a request waits for the rest of its body. Behind it reading the body fails with `timeout`; a handler that says
   * nothing else of that is answered for with 408. Other requests on the connection go on, and don't put it off. While a body is not read
   * because the handler does not, it does not count.
   *
   * @default {600000} (10 min: longer than any web server waits for a client, so that it decides; Debian's Apache: 300 s)
   */
  readTimeout?: number;
  /**
   * Time allowed from the start of a request to the end of its params, however busily they trickle. A request that passes it is answered
   * 408.
   *
   * @default {30000} (30 s: they don't depend on a client, web servers send them at once)
   */
  paramsTimeout?: number;
  /**
   * Time in which the web server may take nothing of what is sent. Then the connection is broken off, with every response on it. A slow
   * client is nothing that this is for, and a pausing one neither: their web server has limits of its own.
   *
   * @default {600000} (10 min: longer than any web server's own, of which lighttpd's 360 s is the longest; nginx and Apache: 60 s)
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
   * connection that is closed with unread input takes the response with it. Also the time that a web server has to take the end of a
   * connection that is given up.
   *
   * @default {5000} (5 s, as nginx's `lingering_timeout`)
   */
  lingerTimeout?: number;
  /**
   * Requests after which a kept connection is closed, as soon as it has had none for a second. It is not closed right behind a
   * response: FastCGI can't announce that, and a request that the web server sends at this moment is lost (Apache answers 503, HAProxy
   * 502, nginx repeats what it may). So a connection that has no pause goes on, and one request in thousands may still be lost where a
   * web server begins to use a connection again at the very moment.
   *
   * @default {Infinity} (as Go and libfcgi)
   */
  maxRequestsPerConnection?: number;
}

/** Options of a server. */
export interface FastCgiServerOptions extends FastCgiServerLimits {
  /**
   * Told of everything that went wrong and did not reach the handler: a handler or response that failed, a connection that was given up,
   * input that was refused or dropped, each with the request that it concerns if there is one. A web server or client that leaves is no
   * error: `request.signal` tells of that. The core prints nothing.
   */
  onError?: (error: unknown, request?: FastCgiRequest) => void;
}

/** The defaults of {@linkcode FastCgiServerLimits}. */
export const SERVER_DEFAULTS: Required<FastCgiServerLimits> = Object.freeze({
  ...REQUEST_DECODER_DEFAULTS,
  readTimeout: 600_000,
  paramsTimeout: 30_000,
  writeTimeout: 600_000,
  idleTimeout: 120_000,
  lingerTimeout: 5_000,
  maxRequestsPerConnection: Number.POSITIVE_INFINITY,
});

/** Options that are complete and checked. */
export type ResolvedServerOptions = Required<FastCgiServerLimits> & Required<Pick<FastCgiServerOptions, "onError">>;

/** @throws {RangeError | TypeError} If an option has a value it can't have. */
export function resolveServerOptions(options: FastCgiServerOptions): ResolvedServerOptions {
  const onError = contained("onError", options.onError);
  // The same object, so that decoders know it as checked.
  return Object.assign(resolveOptions(SERVER_DEFAULTS, options), {
    onError: (error: unknown, request?: FastCgiRequest) => onError(error, request && copyable(request)),
  });
}
