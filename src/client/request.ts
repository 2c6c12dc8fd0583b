import { checkFunction, checkSignal } from "../base/unexpected.ts";
import { type FastCgiParams, paramOf } from "../cgi/params.ts";
import { type ByteSourceInit, isAtHand } from "../codec/byte_source.ts";
import type { FastCgiClientResponse } from "../codec/incoming_response.ts";
import { type FastCgiRequestParts, type SendableRequest, sendableRequest } from "../codec/request_sender.ts";
import type { NameValuePair } from "../protocol/name_value_pairs.ts";

/** The request of a web server (FastCGI 6). */
export interface FastCgiRequestInit extends FastCgiRequestParts {
  /**
   * As of every request. Bytes and a Blob are sent to their end once the application has the start of the request, even
   * if the request has failed by then: pass a copy of a buffer that you use again. A stream is cut.
   *
   * @default {nothing}
   */
  stdin?: ByteSourceInit | null | undefined;
  /** Cancels the exchange at any time: while connecting, sending or receiving. For complete bodies see `stdin`. */
  signal?: AbortSignal | null | undefined;
  /** Called with each piece of FCGI_STDERR, whether or not the response's `stderr` is read. */
  onStderr?: ((piece: Uint8Array, response: FastCgiClientResponse) => void) | undefined;
}

/** A request that can be sent. */
export interface ClientRequest extends SendableRequest {
  readonly signal: AbortSignal | undefined;
  readonly onStderr: FastCgiRequestInit["onStderr"];
}

/**
 * Checks a request that a program gave, except for its params.
 *
 * @param params The request's params if they can be read more than once; otherwise the result of
 * {@linkcode checkedParams}.
 * @throws {TypeError} If it has an invalid value.
 */
export function clientRequest(request: FastCgiRequestInit, params: Iterable<NameValuePair>): ClientRequest {
  const { signal, onStderr } = request;
  // Null means none, as for every callback that only watches.
  checkFunction(onStderr ?? undefined, "onStderr");
  checkSignal(signal, "Cannot send the request");
  return { ...sendableRequest(request, params), signal: signal ?? undefined, onStderr };
}

/** The variables by name; if a name comes twice, the last value counts. */
export function paramsOf({ params }: ClientRequest): FastCgiParams {
  return params instanceof Map ? params : new Map(params);
}

/** Methods that do no harm when they happen twice (RFC 9110 9.2.2). */
const IDEMPOTENT: ReadonlySet<string | undefined> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"]);

/** Whether running a request twice does no harm. */
export function isIdempotent({ params }: ClientRequest): boolean {
  return IDEMPOTENT.has(paramOf(params, "REQUEST_METHOD"));
}

/** Whether a request can be sent more than once: it is still available as a whole. */
export function isRepeatable({ stdin, data }: ClientRequest): boolean {
  return isAtHand(stdin) && isAtHand(data);
}
