import { contained } from "../base/contained.ts";
import { resolveOptions } from "../base/resolve_options.ts";
import { RESPONSE_DECODER_DEFAULTS, type ResponseDecoderOptions } from "../codec/response_decoder.ts";

/** Limits, timeouts and habits of a client. Sizes are in bytes, timeouts in milliseconds; `Infinity` turns one off. */
export interface FastCgiClientLimits extends ResponseDecoderOptions {
  /**
   * Time to open a connection, with all retries.
   *
   * @default {10000} (10 s)
   */
  connectTimeout?: number;
  /**
   * How often opening a connection is tried again, after 50 ms, 200 ms and then every 500 ms, until `connectTimeout`. 0 tries once.
   *
   * @default {2}
   */
  maxConnectRetries?: number;
  /**
   * Time from the end of the request to the first FCGI_STDOUT. A script that computes is silent.
   *
   * @default {60000} (60 s, as nginx's `fastcgi_read_timeout`)
   */
  headerTimeout?: number;
  /**
   * Silence allowed from the first FCGI_STDOUT on. While nobody reads the response it does not count, see `stallTimeout`.
   *
   * @default {30000} (30 s, as rama-fastcgi)
   */
  readTimeout?: number;
  /**
   * Time in which the application may take nothing of a request that is being sent.
   *
   * @default {30000} (30 s, as rama-fastcgi: an application does not wait for a slow client)
   */
  writeTimeout?: number;
  /**
   * Time for which the source of a request's body may give nothing while it is waited for, also when the answer has begun. Then the
   * request fails with `timeout`, which a gateway answers with 408.
   *
   * A body that is sent as it comes keeps a connection, and with php-fpm a worker. There a source that only trickles comes to the same
   * end: each byte puts it off by no more than what it is worth at 500 bytes a second (Apache's `MinRate`). Time in which the
   * application takes nothing does not count. `Infinity` is for applications that talk with their client for hours.
   *
   * @default {60000} (60 s, as nginx's `client_body_timeout`)
   */
  requestBodyTimeout?: number;
  /**
   * Time for which a response may wait for somebody to read it, once `maxQueuedBytes` of it are here. Then it fails: it holds up a
   * php-fpm worker, or the other requests on its connection.
   *
   * @default {60000} (60 s, as nginx's `send_timeout`)
   */
  stallTimeout?: number;
  /**
   * Connections at once. Further requests wait in line, first come, first served.
   *
   * @default {256} (php-fpm's pools are often smaller, and queue by themselves)
   */
  maxConnections?: number;
  /**
   * Requests that wait for a connection. Further ones fail with `limit`.
   *
   * @default {1024}
   */
  maxQueuedRequests?: number;
  /**
   * Whether connections are kept for later requests (FCGI_KEEP_CONN, FastCGI 5.1). Off because an idle connection keeps a php-fpm
   * worker from all other work. With php-fpm turn it on only with `maxConnections` at or below the `pm.max_children` of a pool
   * that nobody else uses.
   *
   * @default {false}
   */
  keepAlive?: boolean;
  /**
   * Kept connections without a request. More are closed.
   *
   * @default {8}
   */
  maxIdle?: number;
  /**
   * Time that a kept connection may be without a request before it is closed.
   *
   * @default {10000} (10 s)
   */
  idleTimeout?: number;
  /**
   * Requests after which a kept connection is closed.
   *
   * @default {Infinity}
   */
  maxRequestsPerConnection?: number;
  /**
   * Whether a kept connection that is idle also takes a request that must not be sent twice, such as a POST. Off because the
   * application may close it at that very moment, and then nobody knows whether the request was run: it opens a connection
   * of its own instead. Turn it on for applications that close no idle connections: libfcgi and Go do not, php-fpm does after
   * `pm.max_requests`.
   *
   * @default {false}
   */
  reuseForAll?: boolean;
  /**
   * Whether requests may share a connection, with an application that says FCGI_MPXS_CONNS=1 (FastCGI 4.1). It is asked once, on
   * the first connection to its address; with one that says anything else, or nothing, requests do not share. Turns `keepAlive`
   * on.
   *
   * @default {false}
   */
  multiplexing?: boolean;
  /**
   * Requests on a shared connection; fewer where the application's FCGI_MAX_REQS is lower.
   *
   * @default {32}
   */
  maxConcurrentRequests?: number;
}

/** Why a request was tried again. */
export interface FastCgiRetry {
  /**
   * - `connect`: there was no connection.
   * - `stale`: a connection that had had requests before turned out to be closed, before anything was answered.
   * - `refused`: the application did not run the request (FastCGI 5.5), because it takes one at a time on a connection or is overloaded.
   *   In the second case the request goes to the next application of `failover` or `roundRobin`.
   */
  readonly reason: "connect" | "stale" | "refused";
  /** What failed. */
  readonly error: unknown;
  /** 1 for the first retry. */
  readonly attempt: number;
}

/** Options of a client. */
export interface FastCgiClientOptions extends FastCgiClientLimits {
  /**
   * Told of every retry. There are none but those of {@linkcode FastCgiRetry.reason}; those behind `connect` are of requests that are
   * still there as a whole, and those of `stale` of idempotent ones only (RFC 9110 9.2.2).
   */
  onRetry?: (retry: FastCgiRetry) => void;
}

/** The defaults of {@linkcode FastCgiClientLimits}. */
export const CLIENT_DEFAULTS: Required<FastCgiClientLimits> = Object.freeze({
  ...RESPONSE_DECODER_DEFAULTS,
  connectTimeout: 10_000,
  maxConnectRetries: 2,
  headerTimeout: 60_000,
  readTimeout: 30_000,
  writeTimeout: 30_000,
  requestBodyTimeout: 60_000,
  stallTimeout: 60_000,
  maxConnections: 256,
  maxQueuedRequests: 1024,
  keepAlive: false,
  maxIdle: 8,
  idleTimeout: 10_000,
  maxRequestsPerConnection: Number.POSITIVE_INFINITY,
  reuseForAll: false,
  multiplexing: false,
  maxConcurrentRequests: 32,
});

/** Options that are complete and checked. */
export type ResolvedClientOptions = Required<FastCgiClientOptions>;

/** @throws {RangeError | TypeError} If an option has a value it can't have. */
export function resolveClientOptions(options: FastCgiClientOptions): ResolvedClientOptions {
  const resolved = resolveOptions(CLIENT_DEFAULTS, options, ["maxConnectRetries", "maxIdle"]);
  return {
    ...resolved,
    keepAlive: resolved.keepAlive || resolved.multiplexing,
    onRetry: contained("onRetry", options.onRetry),
  };
}
