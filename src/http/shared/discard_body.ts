import { type ByteReader, cancelSource } from "../../codec/byte_source.ts";
import { FastCgiError } from "../../protocol/errors.ts";
import { bodyOf } from "./fetch_objects.ts";

/**
 * Reads a body that is not needed and drops it, so that the application can finish and its connection can be kept. A
 * body longer than `maxDrainBytes` is cancelled instead. Never rejects, because the caller does not wait.
 */
export async function discardBody(body: ByteReader, maxDrainBytes: number): Promise<void> {
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await body.read();
      if (done) return;
      length += value?.length ?? 0;
      if (length > maxDrainBytes) break;
    }
  } catch {
    return;
  }
  const message = `Cannot drop the response's body: it is longer than ${maxDrainBytes} bytes`;
  await cancelSource(body, new FastCgiError("limit", message, { limit: "maxDrainBytes" }));
}

/** Cancels the body of a response, of any class, that will not be read. Never throws and does not wait. */
export function dropResponse(response: Response, reason: string): void {
  try {
    const body = bodyOf(response);
    if (body !== null) void cancelSource(body, reason);
  } catch {
    // A body that is not a stream needs no cancelling.
  }
}
