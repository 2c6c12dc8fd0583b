// Reads a body whole, below its stream: each piece is copied or decoded when it comes, and the memory that the runtime has
// read it into can be freed at once.

import { WholeBytes } from "../../base/whole_bytes.ts";
import { WholeText } from "../../base/whole_text.ts";
import type { ByteQueue } from "../../codec/byte_queue.ts";

/** Reads a body as text. */
export async function textOf(queue: ByteQueue): Promise<string> {
  const text = new WholeText();
  await queue.takeInto(text);
  return text.take();
}

/** Reads a body as bytes, in a buffer that nothing else uses. */
export async function bytesOf(queue: ByteQueue): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new WholeBytes(queue.expectedBytes);
  await queue.takeInto(bytes);
  return bytes.take();
}
