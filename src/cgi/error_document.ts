import { encodeByteString } from "../protocol/byte_string.ts";

/** A status that this library answers with by itself. */
export type ErrorStatus = 400 | 408 | 411 | 413 | 431 | 500 | 501 | 503;

const REASONS: Readonly<Record<ErrorStatus, string>> = {
  400: "Bad Request",
  408: "Request Timeout",
  411: "Length Required",
  413: "Content Too Large",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
};

/** A CGI response that says only its status: an HTTP client learns nothing about the application's error. */
export function errorDocument(status: ErrorStatus): Uint8Array<ArrayBuffer> {
  const reason = REASONS[status];
  const retry = status === 503 ? "Retry-After: 1\r\n" : "";
  return encodeByteString(
    `Status: ${status} ${reason}\r\n${retry}Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${reason.length + 1}\r\n\r\n${reason}\n`,
  );
}
