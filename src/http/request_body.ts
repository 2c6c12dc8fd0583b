import { FastCgiError } from "../protocol/errors.ts";
import { parseLength } from "../protocol/params.ts";
import { NO_CONTENT } from "../protocol/record.ts";
import { type ByteSource, cancelSource } from "../transport/byte_source.ts";

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
 * @throws {TypeError} If the body was read already, or is not of bytes.
 * @throws {unknown} The reason of the request's signal, and whatever the body fails with.
 */
export async function measureBody(request: Request, maxBufferedBytes: number): Promise<MeasuredBody> {
  const { body, method, signal } = request;
  if (body === null) return { length: method === "GET" || method === "HEAD" ? null : 0, source: NO_CONTENT };
  if (request.bodyUsed || body.locked) throw new TypeError("Cannot send the request: its body was read already");
  const announced = parseLength(request.headers.get("content-length") ?? undefined);
  if (announced !== null) return { length: announced, source: body };
  const reader = body.getReader();
  const onAbort = (): void => void cancelSource(reader, signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const source = await readUpTo(reader, maxBufferedBytes);
    // A reader that was cancelled looks like one that came to its end.
    signal.throwIfAborted();
    return { length: source.length, source };
  } catch (error) {
    void cancelSource(reader, error);
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

async function readUpTo(reader: ReadableStreamDefaultReader<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (!(value instanceof Uint8Array)) throw new TypeError("Cannot send the request: its body is not of bytes");
    length += value.length;
    if (length > maxBytes) {
      const message = `Cannot send the request: its body has no Content-Length and more than ${maxBytes} bytes; give it a Content-Length header or raise maxBufferedRequestBytes`;
      throw new FastCgiError("lengthRequired", message, { limit: "maxBufferedRequestBytes" });
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
