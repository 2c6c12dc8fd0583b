import type { Resolved } from "../base/resolve_options.ts";

/** Limits of a `RequestDecoder`. Sizes are in bytes; `Infinity` turns a limit off. */
export interface RequestDecoderOptions {
  /**
   * The most bytes in the FCGI_PARAMS stream of a request. A request that passes it is answered 431.
   *
   * @default {1048576} (1 MiB, as rama-fastcgi; nginx can't send more than 64 KiB)
   */
  maxParamsBytes?: number | undefined;
  /**
   * The most variables in a request. A request that passes it is answered 431.
   *
   * @default {2048} (Node's HTTP server stops at 2,000 headers)
   */
  maxParams?: number | undefined;
  /**
   * The most bytes in the FCGI_STDIN stream of a request. Beyond, reading the stream fails with `limit`.
   *
   * @default {Infinity}
   */
  maxStdinBytes?: number | undefined;
  /**
   * The most bytes in the FCGI_DATA stream of a request. Beyond, reading the stream fails with `limit`.
   *
   * @default {Infinity}
   */
  maxDataBytes?: number | undefined;
  /**
   * The most unread bytes of FCGI_STDIN and of FCGI_DATA that a request may hold. Beyond, the whole connection is not
   * read until the application has caught up: FastCGI has no flow control for a single request.
   *
   * @default {262144} (256 KiB)
   */
  maxQueuedBytes?: number | undefined;
  /**
   * The most bytes of content for requests that are over or were refused, counted since the last request began. A record
   * without content counts as 8, its header. Beyond, the connection is closed.
   *
   * @default {104857600} (100 MiB, as Go)
   */
  maxDrainBytes?: number | undefined;
  /**
   * The most requests that may be active at once on a connection. A further request is answered 503. This is also the
   * answer to FCGI_MAX_REQS, because HAProxy takes that for the limit of a connection.
   *
   * @default {128} (HTTP/2 servers allow 100 to 250 streams)
   */
  maxConcurrentRequests?: number | undefined;
  /**
   * Whether requests may share a connection (FastCGI 3.3). If not, a second request is refused with FCGI_CANT_MPX_CONN.
   *
   * @default {true}
   */
  multiplexing?: boolean | undefined;
  /**
   * Whether that refusal is sent. If not, the second request is dropped without an answer.
   *
   * @default {true}
   */
  respondCantMpxConn?: boolean | undefined;
  /**
   * Whether the body of FCGI_BEGIN_REQUEST must have exactly the eight bytes of FastCGI 5.1. If not, a longer body is
   * accepted, which a later version of the protocol might send.
   *
   * @default {false}
   */
  strictBeginBodySize?: boolean | undefined;
  /**
   * The answer to FCGI_MAX_CONNS.
   *
   * @default {1024}
   */
  maxConnections?: number | undefined;
}

/** The defaults of {@linkcode RequestDecoderOptions}. */
export const REQUEST_DECODER_DEFAULTS: Resolved<RequestDecoderOptions> = Object.freeze({
  maxParamsBytes: 1024 * 1024,
  maxParams: 2048,
  maxStdinBytes: Number.POSITIVE_INFINITY,
  maxDataBytes: Number.POSITIVE_INFINITY,
  maxQueuedBytes: 256 * 1024,
  maxDrainBytes: 100 * 1024 * 1024,
  maxConcurrentRequests: 128,
  multiplexing: true,
  respondCantMpxConn: true,
  strictBeginBodySize: false,
  maxConnections: 1024,
});
