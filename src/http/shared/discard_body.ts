import { FastCgiError } from "../../protocol/errors.ts";
import { type ByteReader, cancelSource } from "../../transport/byte_source.ts";
import { bodyOf } from "./fetch_objects.ts";

/**
 * Reads a body that nobody wants and drops it, so that the application comes to its end and its connection can be kept. One that is
 * longer than `maxDrainBytes` is cancelled instead. Never rejects: whatever happens, nobody waits for it.
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

/** Says that nobody will read the body of a response, of whatever class. Never throws, and is not waited for. */
export function dropResponse(response: Response, reason: string): void {
  try {
    const body = bodyOf(response);
    if (body !== null) void cancelSource(body, reason);
  } catch {
    // A body that is no stream holds nothing that could be given back.
  }
}
