import { kindOf } from "../base/kind_of.ts";
import { type FastCgiParams, paramOf } from "../cgi/params.ts";
import { type ByteSourceInit, isAtHand } from "../codec/byte_source.ts";
import type { FastCgiClientResponse } from "../codec/incoming_response.ts";
import { type SendableRequest, sendableRequest } from "../codec/request_sender.ts";
import type { Role } from "../protocol/constants.ts";
import type { NameValuePair } from "../protocol/name_value_pairs.ts";

/** What a web server asks (FastCGI 6). */
export interface FastCgiRequestInit {
  /**
   * What is wanted of the application.
   *
   * @default {Role.Responder}
   */
  role?: Role;
  /**
   * The variables: pairs, or a Map. Names and values are byte strings, one character per byte; `utf8ToByteString` makes them of text.
   * Other values, such as numbers, are refused with a TypeError that names the variable: `String(8080)`.
   */
  params: Iterable<NameValuePair>;
  /**
   * The request body: text, bytes, a Blob, a stream and more. Not sent to an Authorizer. If the params have a CONTENT_LENGTH, it must
   * be that long: php-fpm hangs or cuts otherwise, so anything else fails the request.
   *
   * Bytes and a Blob are sent to their end once the application has the start of the request, also where the request has failed meanwhile:
   * give a copy of a buffer that is used again. A stream is cut.
   *
   * @default {nothing}
   */
  stdin?: ByteSourceInit | null;
  /**
   * The file for a Filter, as long as FCGI_DATA_LENGTH says if the params have it.
   *
   * @default {nothing}
   */
  data?: ByteSourceInit | null;
  /** Cancels the exchange at any point: while connecting, sending or receiving. What `stdin` says holds for it. */
  signal?: AbortSignal | null;
  /** Told of each piece of FCGI_STDERR, whether or not anybody reads the response's `stderr`. */
  onStderr?: (piece: Uint8Array, response: FastCgiClientResponse) => void;
}

/** A request that can be sent. */
export interface ClientRequest extends SendableRequest {
  readonly signal: AbortSignal | undefined;
  readonly onStderr: FastCgiRequestInit["onStderr"];
}

/**
 * A request as a program gave it, checked but for its params.
 *
 * @param params Those of the request, if they can be read more than once; else what {@linkcode checkedParams} makes of them.
 * @throws {TypeError} If it has a value that it can't have.
 */
export function clientRequest(request: FastCgiRequestInit, params: Iterable<NameValuePair>): ClientRequest {
  const { signal, onStderr } = request;
  if (onStderr !== undefined && typeof onStderr !== "function") {
    throw new TypeError(`Cannot send the request: expected onStderr to be a function, got ${kindOf(onStderr)}`);
  }
  if (signal && typeof signal.throwIfAborted !== "function") {
    throw new TypeError(`Cannot send the request: expected signal to be an AbortSignal, got ${kindOf(signal)}`);
  }
  return { ...sendableRequest(request, params), signal: signal ?? undefined, onStderr };
}

/** The variables by name; the last one counts. */
export function paramsOf({ params }: ClientRequest): FastCgiParams {
  return params instanceof Map ? params : new Map(params);
}

/** Methods that do no harm when they happen twice (RFC 9110 9.2.2). */
const IDEMPOTENT: ReadonlySet<string | undefined> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"]);

/** Whether running a request twice does no harm. */
export function isIdempotent({ params }: ClientRequest): boolean {
  return IDEMPOTENT.has(paramOf(params, "REQUEST_METHOD"));
}

/** Whether a request can be sent more than once: all of it is still there. */
export function isRepeatable({ stdin, data }: ClientRequest): boolean {
  return isAtHand(stdin) && isAtHand(data);
}
