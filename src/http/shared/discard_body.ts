import { type ByteReader, cancelSource } from "../../codec/byte_source.ts";
import { FastCgiError } from "../../protocol/errors.ts";
import { bodyOf } from "./fetch_objects.ts";

/**
 * Reads a body to its end and drops it. Rejects if it fails. A body longer than `maxDrainBytes` is cancelled.
 *
 * @param subject The start of the message if the body is too long, up to "is longer than".
 * @throws {FastCgiError} `limit` if it is.
 */
export async function readToEnd(body: ByteReader, maxDrainBytes: number, subject: string): Promise<void> {
  for (let length = 0; length <= maxDrainBytes; ) {
    const { done, value } = await body.read();
    if (done) return;
    length += value?.length ?? 0;
  }
  const message = `${subject} is longer than ${maxDrainBytes} bytes`;
  const error = new FastCgiError("limit", message, { limit: "maxDrainBytes" });
  await cancelSource(body, error);
  throw error;
}

/**
 * Drops a body that is not needed, so that the application can finish and its connection can be kept. Never rejects,
 * because the caller does not wait.
 */
export async function discardBody(body: ByteReader, maxDrainBytes: number): Promise<void> {
  await readToEnd(body, maxDrainBytes, "Cannot drop the response's body: it").catch(() => {});
}

/** Cancels the body of a response, of any class, that will not be read. Never throws and does not wait. */
export function dropResponse(response: Response, reason: string): void {
  try {
    void cancelSource(bodyOf(response), reason);
  } catch {
    // A body that is not a stream needs no cancelling.
  }
}
