// What of a Response can be sent, whatever sends it: an application of FastCGI, or middleware of node:http.

import { parseLength } from "../../cgi/params.ts";
import type { ByteReader } from "../../codec/byte_source.ts";
import { bodyOf } from "./fetch_objects.ts";
import { isReasonPhrase } from "./header_rules.ts";

/** The parts of a Response that are sent. */
export interface SentResponse extends Pick<Response, "status" | "statusText" | "headers" | "bodyUsed"> {
  readonly body: unknown;
}

/**
 * Checks what comes before the headers.
 *
 * @throws {TypeError} If the status or the status text can't be sent.
 */
// Stryker disable next-line StringLiteral: any valid reason phrase gives the same
export function checkStatus({ status, statusText = "" }: Pick<Response, "status" | "statusText">): void {
  // Response.error() has the status 0, and only lighttpd relays a 1xx. Other classes of Response may have any status.
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw new TypeError(`Cannot send the response: its status is ${status}`);
  }
  // Bun accepts characters that end a line.
  if (!isReasonPhrase(statusText)) {
    throw new TypeError(`Cannot send the response: its statusText is ${JSON.stringify(statusText)}`);
  }
}

/**
 * The body; null if it has none.
 *
 * @throws {TypeError} If it was read already, or is being read: what is left of it would look like all of it.
 */
export function unreadBodyOf(response: SentResponse): ReadableStream<Uint8Array> | ByteReader | null {
  const body = bodyOf(response);
  if (response.bodyUsed || (body !== null && "locked" in body && body.locked)) {
    throw new TypeError("Cannot send the response: its body was read already");
  }
  return body;
}

/**
 * The length that a Content-Length announces; null if it is not sent: a 204 and a 205 have none (RFC 9110 8.6, 15.3.6), and behind
 * lighttpd and Caddy the HTTP client would get what is no number.
 */
export function lengthToSend(contentLength: string | null, status: number): number | null {
  return status === 204 || status === 205 ? null : parseLength(contentLength ?? undefined);
}

/** The body, for the message that it is not as long as Content-Length says. */
export function bodyName(headers: Headers): string {
  const encoding = headers.get("content-encoding");
  if (encoding === null) return "the response body";
  const hint =
    "fetch() decodes a body, so that a copy of its Response must have no content-encoding and no content-length";
  return `the response body (${encoding}; ${hint})`;
}
