import type { Resolved } from "../base/resolve_options.ts";

/** Limits of a `ResponseDecoder`. Sizes are in bytes; `Infinity` turns a limit off. */
export interface ResponseDecoderOptions {
  /**
   * The most bytes in the FCGI_STDOUT stream of a request. Beyond, reading the stream fails with `limit`.
   *
   * @default {Infinity} (nothing is collected, so nothing grows)
   */
  maxStdoutBytes?: number | undefined;
  /**
   * The most bytes kept of the FCGI_STDERR stream of a request. The rest is read and dropped.
   *
   * @default {262144} (256 KiB, as rama-fastcgi)
   */
  maxStderrBytes?: number | undefined;
  /**
   * The most unread bytes of FCGI_STDOUT that a request may hold. Beyond, the whole connection is not read until the
   * program reads: FastCGI has no flow control for a single request.
   *
   * @default {262144} (256 KiB)
   */
  maxQueuedBytes?: number | undefined;
}

/** The defaults of {@linkcode ResponseDecoderOptions}. */
export const RESPONSE_DECODER_DEFAULTS: Resolved<ResponseDecoderOptions> = Object.freeze({
  maxStdoutBytes: Number.POSITIVE_INFINITY,
  maxStderrBytes: 256 * 1024,
  maxQueuedBytes: 256 * 1024,
});
