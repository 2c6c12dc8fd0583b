import { contained } from "../base/contained.ts";
import { type Resolved, resolveOptions } from "../base/resolve_options.ts";
import { RESPONSE_DECODER_DEFAULTS, type ResponseDecoderOptions } from "../codec/response_decoder_options.ts";

/**
 * Limits, timeouts and behaviour of a client. Sizes are in bytes, timeouts in milliseconds; `Infinity` turns a limit
 * off.
 */
export interface FastCgiClientLimits extends ResponseDecoderOptions {
  /**
   * The most time to open a connection, with all retries. Then the request fails with `timeout`.
   *
   * @default {10000} (10 s)
   */
  connectTimeout?: number | undefined;
  /**
   * The number of retries to open a connection, after 50 ms, 200 ms and then every 500 ms, until `connectTimeout`. With
   * 0 there is one try.
   *
   * @default {2}
   */
  maxConnectRetries?: number | undefined;
  /**
   * The most time from the end of the request to the first FCGI_STDOUT: a script that computes is silent. Then the
   * request fails with `timeout`.
   *
   * @default {60000} (60 s, as nginx's `fastcgi_read_timeout`)
   */
  headerTimeout?: number | undefined;
  /**
   * The most silence after the first FCGI_STDOUT. Then the body of the response fails with `timeout`. Time in which the
   * program does not read the response does not count: see `stallTimeout`.
   *
   * @default {30000} (30 s, as rama-fastcgi)
   */
  readTimeout?: number | undefined;
  /**
   * The most time in which the application takes nothing of a request that is being sent. Then the request fails with
   * `timeout`.
   *
   * @default {30000} (30 s, as rama-fastcgi: an application does not wait for a slow client)
   */
  writeTimeout?: number | undefined;
  /**
   * The most time in which the source of a request's body gives nothing while it is waited for, also when the answer
   * has begun. Then the request fails with `timeout`, which a gateway answers with 408.
   *
   * A body that is sent as it comes occupies a connection, and with php-fpm a worker. So a source that only trickles
   * fails as well: each byte extends the time only by its worth at 500 bytes a second (Apache's `MinRate`). Time in
   * which the application takes nothing does not count. `Infinity` is for applications that talk with their client for
   * hours.
   *
   * @default {60000} (60 s, as nginx's `client_body_timeout`)
   */
  requestBodyTimeout?: number | undefined;
  /**
   * The most time in which the program reads nothing of a response, once `maxQueuedBytes` of it wait. Then the response
   * fails, because it holds up a php-fpm worker, or the other requests on its connection.
   *
   * @default {60000} (60 s, as nginx's `send_timeout`)
   */
  stallTimeout?: number | undefined;
  /**
   * The most connections at once. Further requests wait, first come, first served.
   *
   * @default {256} (php-fpm's pools are often smaller, and queue by themselves)
   */
  maxConnections?: number | undefined;
  /**
   * The most requests that wait for a connection. Further requests fail with `limit`.
   *
   * @default {1024}
   */
  maxQueuedRequests?: number | undefined;
  /**
   * Whether connections are kept for later requests (FCGI_KEEP_CONN, FastCGI 5.1). Off because an idle connection keeps
   * a php-fpm worker from all other work. With php-fpm turn it on only with `maxConnections` at or below the
   * `pm.max_children` of a pool for this client only.
   *
   * @default {false}
   */
  keepAlive?: boolean | undefined;
  /**
   * The most idle connections that are kept.
   *
   * @default {8}
   */
  maxIdle?: number | undefined;
  /**
   * The time after which an idle connection is closed.
   *
   * @default {10000} (10 s)
   */
  idleTimeout?: number | undefined;
  /**
   * The number of requests after which a kept connection is closed.
   *
   * @default {Infinity}
   */
  maxRequestsPerConnection?: number | undefined;
  /**
   * Whether an idle connection is also used for a request that must not be sent twice, such as a POST. Off because the
   * application may close the connection at that very moment, and then it is unknown whether the request ran. So such a
   * request opens a connection of its own. Turn this on for applications that close no idle connections: libfcgi and Go
   * do not, php-fpm does after `pm.max_requests`.
   *
   * @default {false}
   */
  reuseForAll?: boolean | undefined;
  /**
   * Whether requests share a connection if the application says FCGI_MPXS_CONNS=1 (FastCGI 4.1). It is asked once, on
   * the first connection to its address; if it says anything else, or nothing, requests do not share. This turns
   * `keepAlive` on.
   *
   * @default {false}
   */
  multiplexing?: boolean | undefined;
  /**
   * The most requests on a shared connection; fewer if the application's FCGI_MAX_REQS is lower.
   *
   * @default {32}
   */
  maxConcurrentRequests?: number | undefined;
}

/** Why a request was tried again. */
export interface FastCgiRetry {
  /**
   * - `connect`: no connection could be opened.
   * - `stale`: a connection that had had requests before was closed before anything was answered.
   * - `refused`: the application did not run the request (FastCGI 5.5), because it takes one at a time on a connection
   *   or is overloaded. If it is overloaded, the request goes to the next application of `failover` or `roundRobin`.
   */
  readonly reason: "connect" | "stale" | "refused";
  /** The error of the failed attempt. */
  readonly error: unknown;
  /** 1 for the first retry. */
  readonly attempt: number;
}

/** Options of a client. */
export interface FastCgiClientOptions extends FastCgiClientLimits {
  /**
   * Called for every retry. {@linkcode FastCgiRetry.reason} lists all kinds. A request is sent again only if it is
   * still available as a whole, and after `stale` only if it is idempotent (RFC 9110 9.2.2).
   *
   * @default {none}
   */
  onRetry?: ((retry: FastCgiRetry) => void) | undefined;
}

/** The defaults of {@linkcode FastCgiClientLimits}. */
export const CLIENT_DEFAULTS: Resolved<FastCgiClientLimits> = Object.freeze({
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
export type ResolvedClientOptions = Resolved<FastCgiClientOptions>;

/** @throws {RangeError | TypeError} If an option has a value it can't have. */
export function resolveClientOptions(options: FastCgiClientOptions): ResolvedClientOptions {
  const resolved = resolveOptions(CLIENT_DEFAULTS, options, ["maxConnectRetries", "maxIdle"]);
  return {
    ...resolved,
    keepAlive: resolved.keepAlive || resolved.multiplexing,
    onRetry: contained("onRetry", options.onRetry),
  };
}
