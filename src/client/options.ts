import { resolveOptions } from "../codec/resolve_options.ts";
import { RESPONSE_DECODER_DEFAULTS, type ResponseDecoderOptions } from "../codec/response_decoder.ts";

/** Limits, timeouts and habits of a client. Sizes are in bytes, timeouts in milliseconds; `Infinity` turns one off. */
export interface FastCgiClientOptions extends ResponseDecoderOptions {
  /**
   * Time to open a connection.
   *
   * @default {10000} (10 s)
   */
  connectTimeout?: number;
  /**
   * Silence allowed while a response is awaited or arrives, counted from the end of the request.
   *
   * @default {30000} (30 s, as rama-fastcgi)
   */
  readTimeout?: number;
  /**
   * Time that one write may take.
   *
   * @default {30000} (30 s, as rama-fastcgi)
   */
  writeTimeout?: number;
  /**
   * Whether connections are kept for later requests (FCGI_KEEP_CONN, FastCGI 5.1). Off because an idle connection keeps a php-fpm
   * worker from all other work.
   *
   * @default {false}
   */
  keepAlive?: boolean;
  /**
   * Time that a kept connection may be idle before it is closed.
   *
   * @default {10000} (10 s)
   */
  idleTimeout?: number;
}

/** The defaults of {@linkcode FastCgiClientOptions}. */
export const CLIENT_DEFAULTS: Required<FastCgiClientOptions> = Object.freeze({
  ...RESPONSE_DECODER_DEFAULTS,
  connectTimeout: 10_000,
  readTimeout: 30_000,
  writeTimeout: 30_000,
  keepAlive: false,
  idleTimeout: 10_000,
});

/** @throws {RangeError | TypeError} If an option has a value it can't have. */
export function resolveClientOptions(options: FastCgiClientOptions): Required<FastCgiClientOptions> {
  return resolveOptions(CLIENT_DEFAULTS, options);
}
