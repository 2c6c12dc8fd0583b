// What `fetch` returned, on its way to another client. `fetch` decodes a body, but leaves the header as it came (Fetch 4.6,
// "handle content codings"): sent on like that, a browser would decode what is decoded already, and get more bytes than
// Content-Length says. No member of a Response tells whether its body was decoded, and not every runtime decodes each coding.

import { type ByteReader, cancelSource, chunkOf, joinBytes, readerOf } from "../../codec/byte_source.ts";
import { streamOfSources } from "../../codec/stream_of.ts";
import { asNativeHeaders } from "./fetch_objects.ts";
import { checkStatus, type SentResponse, unreadBodyOf } from "./sendable_response.ts";

/** The first bytes that tell whether content is encoded. */
const START_LENGTH = 4;

/** Whether content begins as if it was encoded, by the name of the coding (RFC 9110 8.4.1). */
const CODINGS: ReadonlyMap<string, (start: Uint8Array) => boolean> = /* @__PURE__ */ new Map([
  // Nothing marks it, but every `fetch` decodes it.
  // Stryker disable next-line ArrowFunction: undefined is taken for false
  ["br", () => false],
  ["deflate", isZlib],
  ["gzip", isGzip],
  ["x-gzip", isGzip],
  ["zstd", isZstd],
]);

/** RFC 1950 2.2. */
function isZlib([method = 0, flags = 0]: Uint8Array): boolean {
  return (method & 0x0f) === 8 && (method * 256 + flags) % 31 === 0;
}

/** RFC 1952 2.3.1. */
function isGzip([first, second]: Uint8Array): boolean {
  return first === 0x1f && second === 0x8b;
}

/** RFC 8878 3.1.1. */
function isZstd([first, second, third, fourth]: Uint8Array): boolean {
  return first === 0x28 && second === 0xb5 && third === 0x2f && fourth === 0xfd;
}

/** What the response belongs to. */
export interface ResponseOwner {
  /** Aborts when the client has left. Read only where it is needed. */
  readonly signal: AbortSignal;
}

/**
 * What is sent of `response`: all of it, but for Content-Encoding and Content-Length if `fetch` returned it and has decoded
 * its body. Only where that is seen from the body, its first bytes are waited for.
 *
 * @throws {TypeError} If the response can't be sent.
 */
export function asDecoded(response: Response, owner?: ResponseOwner): SentResponse | Promise<SentResponse> {
  // A Response that a program made has no URL, and a program knows what it has made.
  if (!response.url) return response;
  const encoding = asNativeHeaders(response.headers).get("content-encoding");
  const isEncoded = encoding === null ? undefined : signOf(encoding);
  return isEncoded === undefined ? response : withoutCoding(response, isEncoded, owner?.signal);
}

/** How content begins that is encoded like this; undefined if it is not encoded, or in a way that no `fetch` decodes. */
function signOf(encoding: string): ((start: Uint8Array) => boolean) | undefined {
  const codings = encoding
    .toLowerCase()
    .split(",")
    .map((coding) => coding.trim())
    .filter((coding) => coding !== "" && coding !== "identity");
  const isKnown = codings.every((coding) => CODINGS.has(coding));
  // The last one was applied last.
  return isKnown ? CODINGS.get(codings.at(-1)!) : undefined;
}

async function withoutCoding(
  response: Response,
  isEncoded: (start: Uint8Array) => boolean,
  signal: AbortSignal | undefined,
): Promise<SentResponse> {
  checkStatus(response);
  const { status, statusText } = response;
  const headers = new Headers(asNativeHeaders(response.headers));
  const body = unreadBodyOf(response);
  let stream: ReadableStream<Uint8Array> | null = null;
  let isDecoded = true;
  if (body !== null) {
    const reader = readerOf(body);
    const start = await startOf(reader, signal);
    isDecoded = !isEncoded(start);
    stream = streamOfSources([start, reader]);
  }
  if (isDecoded) {
    headers.delete("content-encoding");
    headers.delete("content-length");
  }
  return { status, statusText, headers, body: stream, bodyUsed: false };
}

/** The first pieces of a body, joined: as many as are needed to see how it begins. */
async function startOf(reader: ByteReader, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  const cancel = (reason: unknown): void => void cancelSource(reader, reason);
  const onAbort = (): void => cancel(signal!.reason);
  signal?.addEventListener("abort", onAbort);
  try {
    for (let length = 0; length < START_LENGTH; ) {
      const { done, value } = await reader.read();
      if (done) break;
      const piece = chunkOf(value, "the response body");
      pieces.push(piece);
      length += piece.length;
    }
    return joinBytes(pieces);
  } catch (error) {
    cancel(error);
    throw error;
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}
