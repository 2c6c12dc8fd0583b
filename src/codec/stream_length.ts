import { FastCgiError } from "../protocol/errors.ts";

/** How long a stream of a request must or may be. */
export interface StreamLength {
  /** For messages: the stream's name. */
  name: string;
  /** The request the stream belongs to. */
  requestId: number;
  /** The length the sender announced. A stream that is shorter or longer is an error (FastCGI 6.2, 6.4). */
  expectedBytes?: number | null;
  /** The most bytes the stream may have in all, and the option that says so. */
  maxBytes?: number;
  /** The option behind `maxBytes`. */
  limit?: string;
}

/** The error of a stream of which `received` bytes came, if these are too many; otherwise null. */
export function tooLong(rules: StreamLength, received: number): FastCgiError | null {
  const { name, requestId, expectedBytes = null, maxBytes = Number.POSITIVE_INFINITY, limit } = rules;
  if (received > maxBytes) {
    return new FastCgiError("limit", `Cannot read ${name}: more than ${maxBytes} bytes`, { requestId, limit });
  }
  return expectedBytes !== null && received > expectedBytes ? mismatch(rules, `at least ${received}`) : null;
}

/** The error of a stream that ends after `received` bytes, if it was announced to be longer; otherwise null. */
export function tooShort(rules: StreamLength, received: number): FastCgiError | null {
  return received < (rules.expectedBytes ?? 0) ? mismatch(rules, String(received)) : null;
}

function mismatch({ name, requestId, expectedBytes }: StreamLength, actual: string): FastCgiError {
  const message = `Cannot read ${name}: expected ${expectedBytes} bytes, got ${actual}`;
  return new FastCgiError("lengthMismatch", message, { requestId });
}
