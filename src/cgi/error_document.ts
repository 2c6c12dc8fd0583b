import { encodeByteString } from "../protocol/byte_string.ts";
import { reasonPhrase } from "./reason_phrase.ts";

/** A status that this library answers with by itself. */
export type ErrorStatus = 400 | 408 | 411 | 413 | 431 | 500 | 501 | 503;

/** A CGI response that says only its status: an HTTP client learns nothing about the application's error. */
export function errorDocument(status: ErrorStatus): Uint8Array<ArrayBuffer> {
  const reason = reasonPhrase(status);
  const retry = status === 503 ? "Retry-After: 1\r\n" : "";
  return encodeByteString(
    `Status: ${status} ${reason}\r\n${retry}Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${reason.length + 1}\r\n\r\n${reason}\n`,
  );
}
