import { FastCgiError } from "../protocol/errors.ts";
import { parseLength } from "../protocol/params.ts";
import { NO_CONTENT } from "../protocol/record.ts";
import type { ByteSource } from "../transport/byte_source.ts";

/** A request body whose length is known. */
export interface MeasuredBody {
  /** Bytes in the body, or null if there is none. */
  length: number | null;
  source: ByteSource;
}

/**
 * Finds out how long a request's body is: by its Content-Length, and else by reading it, up to `maxBufferedBytes`.
 *
 * @throws {FastCgiError} `lengthRequired` if it is longer than that.
 */
export async function measureBody(request: Request, maxBufferedBytes: number): Promise<MeasuredBody> {
  const { body, method } = request;
  if (body === null) return { length: method === "GET" || method === "HEAD" ? null : 0, source: NO_CONTENT };
  const announced = parseLength(request.headers.get("content-length") ?? undefined);
  if (announced !== null) return { length: announced, source: body };
  const source = await readUpTo(body, maxBufferedBytes);
  return { length: source.length, source };
}

async function readUpTo(body: ReadableStream<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const reader = body.getReader();
  const pieces: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > maxBytes) {
      const message = `Cannot send the request: its body has no Content-Length and more than ${maxBytes} bytes; give it a Content-Length header or raise maxBufferedRequestBytes`;
      const error = new FastCgiError("lengthRequired", message, { limit: "maxBufferedRequestBytes" });
      reader.cancel(error).catch(() => {});
      throw error;
    }
    pieces.push(value);
  }
  if (pieces.length === 1) return pieces[0]!;
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const piece of pieces) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return bytes;
}
