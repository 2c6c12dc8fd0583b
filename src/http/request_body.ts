// How long a request's body is. FastCGI applications are told before the body comes, and php-fpm loses, cuts or waits for ever
// where that is not the truth; Fetch tells nobody. So a length that is not known is found out first.

import { FastCgiError } from "../protocol/errors.ts";
import { parseLength } from "../protocol/params.ts";
import { NO_CONTENT } from "../protocol/record.ts";
import { type ByteSource, cancelSource, joinBytes } from "../transport/byte_source.ts";
import type { OutgoingRequest } from "./outgoing_request.ts";
import type { HeaderFields } from "./request_to_params.ts";
import type { OpenSpool, Spool } from "./spool.ts";

/** A request body that is ready to be sent. */
export interface MeasuredBody {
  /** Bytes in the body, null if there is none, `"unknown"` if it is sent without a length. */
  length: number | null | "unknown";
  source: ByteSource;
  /** Throws away what was kept of it outside memory. To be called on every path. */
  dispose?: () => Promise<void>;
}

/** What is done about a body of unknown length, and how much may be kept of it. */
export interface MeasureBodyOptions {
  /** `"stream"`: its length is not found out. */
  requestBuffering?: "measure" | "stream" | undefined;
  /** Bytes in the body, where its kind says so ({@linkcode lengthOfBodyInit}). */
  knownLength?: number | null | undefined;
  /** Bytes in memory. */
  maxBufferedRequestBytes: number;
  /** Bytes in all, where there is a spool. */
  maxSpooledRequestBytes: number;
  /** Opens a place outside memory. */
  openSpool?: OpenSpool | undefined;
}

const encoder = /* @__PURE__ */ new TextEncoder();

/** What a request's body needs to be measured. */
type BodyOwner = Omit<OutgoingRequest, "url" | "native">;

/** The body of a request that has none or has its bytes at hand; null where it has to be measured. */
export function bodyAtHand({ body, method, headers }: BodyOwner): MeasuredBody | null {
  if (body === null) return { length: method === "GET" || method === "HEAD" ? null : 0, source: NO_CONTENT };
  return body instanceof Uint8Array ? { length: announcedBy(headers) ?? body.length, source: body } : null;
}

/**
 * Finds out how long a request's body is: by its Content-Length, and else by reading it, into memory and beyond that into a
 * spool. What is too large for memory is not read where its kind knows its length.
 *
 * @throws {FastCgiError} `lengthRequired` if it is longer than may be kept, `spoolFailed` if the spool can't keep it.
 * @throws {TypeError} If the body was read already, or is not of bytes.
 * @throws {unknown} The reason of the request's signal, and whatever the body fails with.
 */
export async function measureBody(request: BodyOwner, options: MeasureBodyOptions): Promise<MeasuredBody> {
  const atHand = bodyAtHand(request);
  if (atHand !== null) return atHand;
  const { signal } = request;
  const body = request.body as ReadableStream<Uint8Array>;
  if (request.bodyUsed || body.locked) throw new TypeError("Cannot send the request: its body was read already");
  const announced = announcedLength(request.headers, options);
  if (announced !== null) return { length: announced, source: body };
  const reader = body.getReader();
  const keeper = new BodyKeeper(options);
  const onAbort = (): void => void cancelSource(reader, signal!.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      // A reader that was cancelled looks like one that came to its end.
      signal?.throwIfAborted();
      if (done) return keeper.finish();
      if (!(value instanceof Uint8Array)) throw new TypeError("Cannot send the request: its body is not of bytes");
      await keeper.add(value);
    }
  } catch (error) {
    void cancelSource(reader, error);
    await keeper.dispose();
    throw error;
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

/** What CONTENT_LENGTH can be said to be before the body was read; null if it has to be. */
function announcedLength(headers: HeaderFields, options: MeasureBodyOptions): MeasuredBody["length"] {
  const { requestBuffering, knownLength = null, maxBufferedRequestBytes } = options;
  const announced = announcedBy(headers);
  if (announced !== null) return announced;
  if (requestBuffering === "stream") return knownLength ?? "unknown";
  // A small body is better held: then it could be sent a second time.
  return knownLength !== null && knownLength > maxBufferedRequestBytes ? knownLength : null;
}

function announcedBy(headers: HeaderFields): number | null {
  return parseLength(headers.get("content-length") ?? undefined);
}

/** Bytes of a body as `fetch` takes it, or null where that is not known without reading it. */
export function lengthOfBodyInit(body: unknown): number | null {
  if (typeof body === "string" || body instanceof URLSearchParams) return encoder.encode(String(body)).length;
  if (body instanceof Blob) return body.size;
  return body instanceof ArrayBuffer || ArrayBuffer.isView(body) ? body.byteLength : null;
}

/** Keeps a body while it is counted: in memory as long as it is small. */
class BodyKeeper {
  readonly #options: MeasureBodyOptions;
  #pieces: Uint8Array[] = [];
  #spool: Spool | null = null;
  #length = 0;

  constructor(options: MeasureBodyOptions) {
    this.#options = options;
  }

  async add(piece: Uint8Array): Promise<void> {
    const { maxBufferedRequestBytes, maxSpooledRequestBytes, openSpool } = this.#options;
    this.#length += piece.length;
    this.#pieces.push(piece);
    if (this.#spool === null && this.#length <= maxBufferedRequestBytes) return;
    if (openSpool === undefined) throw tooLong("maxBufferedRequestBytes", maxBufferedRequestBytes);
    if (this.#length > maxSpooledRequestBytes) throw tooLong("maxSpooledRequestBytes", maxSpooledRequestBytes);
    try {
      this.#spool ??= await openSpool();
      for (const kept of this.#pieces.splice(0)) await this.#spool.write(kept);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new FastCgiError("spoolFailed", `Cannot keep the request body: ${reason}`, { cause });
    }
  }

  finish(): MeasuredBody {
    const source = this.#spool === null ? joinBytes(this.#pieces) : this.#spool.read();
    return { length: this.#length, source, dispose: () => this.dispose() };
  }

  async dispose(): Promise<void> {
    await this.#spool?.close();
  }
}

function tooLong(limit: "maxBufferedRequestBytes" | "maxSpooledRequestBytes", bytes: number): FastCgiError {
  const message = `Cannot send the request: its body has no Content-Length and more than ${bytes} bytes; give it a Content-Length header or raise ${limit}`;
  return new FastCgiError("lengthRequired", message, { limit });
}
