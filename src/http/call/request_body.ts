// Prepares a request's body before the application gets the request.
//
// php-fpm runs a script as soon as it has the variables and the part of the body that came before the connection ended.
// So a client that leaves in the middle of an upload would leave half a file behind. And a script that waits for a slow
// upload occupies a worker. So the whole body is collected first, in memory and beyond that in a spool, as nginx and
// lighttpd do. No connection is opened before that.
//
// A FastCGI application is told the body's length before the body, and php-fpm loses or cuts the body, or waits for
// ever, if the length is wrong. So a body that is collected is counted, and a body that is streamed is checked while it
// is sent.

import { orAbort, withController } from "../../base/abort.ts";
import { Deadline } from "../../base/deadline.ts";
import { GrowingBytes } from "../../base/growing_bytes.ts";
import { messageOf } from "../../base/message_of.ts";
import { unexpected } from "../../base/unexpected.ts";
import { parseLength } from "../../cgi/params.ts";
import { type ByteReader, type ByteSource, cancelSource, chunkOf } from "../../codec/byte_source.ts";
import { encodeUtf8 } from "../../protocol/byte_string.ts";
import { FastCgiError } from "../../protocol/errors.ts";
import { NO_CONTENT } from "../../protocol/record.ts";
import type { FastCgiHttpClientOptions } from "./client_options.ts";
import type { OutgoingRequest } from "./outgoing_request.ts";
import type { HeaderFields } from "./request_to_params.ts";
import type { OpenSpool, Spool } from "./spool.ts";

type RequestBuffering = NonNullable<FastCgiHttpClientOptions["requestBuffering"]>;

const REQUEST_BUFFERING: readonly string[] = ["collect", "measure", "stream"] satisfies RequestBuffering[];

/** @throws {TypeError} If `value` is not one of them. */
export function checkRequestBuffering(value: unknown): asserts value is RequestBuffering {
  if (REQUEST_BUFFERING.includes(value as string)) return;
  const expected = REQUEST_BUFFERING.map((name) => JSON.stringify(name)).join(", ");
  throw unexpected(`Cannot use requestBuffering: expected one of ${expected}`, value);
}

/** A request body that is ready to be sent. */
export interface PreparedBody {
  /** Bytes in the body; null if there is none; `"unknown"` if it is sent without a length. */
  length: number | null | "unknown";
  source: ByteSource;
  /**
   * Deletes what was kept of the body outside memory, as soon as nothing reads it. Call this on every path. Never
   * rejects.
   */
  dispose?: () => Promise<void>;
}

/** How a body is prepared, and how much of it may be kept. */
export interface PrepareBodyOptions {
  /** When the body is sent. */
  requestBuffering: RequestBuffering;
  /**
   * What the body was made of, if that is complete ({@linkcode wholeBodyOf}). It is sent instead of the body's stream,
   * and not copied.
   */
  whole?: Uint8Array | Blob | null | undefined;
  /** The most bytes kept in memory. */
  maxBufferedRequestBytes: number;
  /** The most bytes kept in all. */
  maxSpooledRequestBytes: number;
  /** The most milliseconds in which the body may give nothing. */
  requestBodyTimeout: number;
  /** Opens a spool. */
  openSpool?: OpenSpool | undefined;
}

/** The parts of a request that its body depends on. */
type BodyOwner = Omit<OutgoingRequest, "url" | "native">;

/**
 * The body of a request if it has none or its bytes are at hand; null if the body has to be prepared.
 *
 * @throws {FastCgiError} `lengthMismatch` if the body is not as long as the request's Content-Length says.
 */
export function bodyAtHand({ body, method, headers }: BodyOwner): PreparedBody | null {
  if (body === null) return { length: method === "GET" || method === "HEAD" ? null : 0, source: NO_CONTENT };
  if (!(body instanceof Uint8Array)) return null;
  const announced = announcedBy(headers);
  if (announced !== null && announced !== body.length) throw lengthMismatch(announced, String(body.length));
  return { length: body.length, source: body };
}

/**
 * Collects a request's body, or decides that it is streamed.
 *
 * @throws {FastCgiError} `lengthMismatch` if the body is not as long as its Content-Length says, `limit` if it is
 * longer than may be kept, `lengthRequired` if it could be streamed if it had a length, `timeout` if it gives nothing
 * for too long, `spoolFailed` if the spool can't keep it.
 * @throws {TypeError} If the body was read already, or is not of bytes.
 * @throws {unknown} The reason of the request's signal, or the error of the body.
 */
export async function prepareBody(request: BodyOwner, options: PrepareBodyOptions): Promise<PreparedBody> {
  const atHand = bodyAtHand(request);
  if (atHand !== null) return atHand;
  const body = request.body as ReadableStream<Uint8Array>;
  if (request.bodyUsed || body.locked) throw new TypeError("Cannot send the request: its body was read already");
  const announced = announcedBy(request.headers);
  const { whole = null } = options;
  if (whole !== null) {
    const length = whole instanceof Uint8Array ? whole.length : whole.size;
    if (announced !== null && announced !== length) throw lengthMismatch(announced, String(length));
    return { length, source: whole };
  }
  if (isStreamed(announced, options)) return { length: announced ?? "unknown", source: body };
  checkLimits(announced ?? 0, options);
  return withController(request.signal, (controller) => collect(body, announced, controller, options));
}

/** Whether a body is sent as it comes. */
function isStreamed(announced: number | null, options: PrepareBodyOptions): boolean {
  const { requestBuffering, maxBufferedRequestBytes, openSpool } = options;
  switch (requestBuffering) {
    case "collect":
      // A body that can't be kept is streamed instead of refused.
      // Stryker disable next-line ConditionalExpression: null > maxBufferedRequestBytes is false
      return announced !== null && announced > maxBufferedRequestBytes && openSpool === undefined;
    case "measure":
      return announced !== null;
    case "stream":
      return true;
  }
}

/** @throws {FastCgiError} If so many bytes of a body can't be kept. */
function checkLimits(length: number, options: PrepareBodyOptions): void {
  const { maxBufferedRequestBytes, maxSpooledRequestBytes, openSpool } = options;
  if (length > maxSpooledRequestBytes) {
    const message = `Cannot send the request: its body is longer than ${maxSpooledRequestBytes} bytes`;
    throw new FastCgiError("limit", message, { limit: "maxSpooledRequestBytes" });
  }
  if (openSpool !== undefined || length <= maxBufferedRequestBytes) return;
  const message = `Cannot send the request: its body has no Content-Length and more than ${maxBufferedRequestBytes} bytes; give it a Content-Length header or raise maxBufferedRequestBytes`;
  throw new FastCgiError("lengthRequired", message, { limit: "maxBufferedRequestBytes" });
}

async function collect(
  body: ReadableStream<Uint8Array>,
  announced: number | null,
  controller: AbortController,
  options: PrepareBodyOptions,
): Promise<PreparedBody> {
  const { signal } = controller;
  const { requestBodyTimeout } = options;
  const reader = body.getReader();
  const keeper = new BodyKeeper(announced, signal, options);
  const idle = new Deadline(() => {
    const message = `Cannot send the request: its body gave nothing for ${requestBodyTimeout} ms`;
    controller.abort(new FastCgiError("timeout", message, { limit: "requestBodyTimeout" }));
  });
  try {
    idle.restart(requestBodyTimeout);
    for (;;) {
      const { done, value } = await orAbort(reader.read(), signal);
      if (done) return await keeper.finish();
      const piece = chunkOf(value, "the request body");
      if (piece.length === 0) continue;
      // The time that the spool takes does not count as the source's.
      idle.stop();
      await keeper.add(piece);
      idle.restart(requestBodyTimeout);
    }
  } catch (error) {
    void cancelSource(reader, error);
    await orAbort(keeper.dispose(), signal).catch(() => {});
    throw error;
  } finally {
    idle.dispose();
  }
}

function announcedBy(headers: HeaderFields): number | null {
  return parseLength(headers.get("content-length") ?? undefined);
}

/** The content of a body that `fetch` is given; null if only reading the body shows its content. */
export function wholeBodyOf(body: unknown): Uint8Array | Blob | null {
  if (typeof body === "string" || body instanceof URLSearchParams) return encodeUtf8(String(body));
  if (body instanceof Blob) return body;
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  return ArrayBuffer.isView(body) ? new Uint8Array(body.buffer, body.byteOffset, body.byteLength) : null;
}

/** Bytes that are written to the spool at once, because pieces may be single bytes. */
const SPOOL_WRITE_BYTES = 64 * 1024;

/** Keeps a body while it is collected: in memory as long as it is small. */
class BodyKeeper {
  readonly #announced: number | null;
  readonly #signal: AbortSignal;
  readonly #options: PrepareBodyOptions;
  readonly #held = new GrowingBytes();
  #spool: Spool | null = null;
  #length = 0;
  /** Readers of the spool that have neither reached its end nor been cancelled. */
  #readers = 0;
  #isDisposed = false;

  /** @param signal Ends the wait for the spool. */
  constructor(announced: number | null, signal: AbortSignal, options: PrepareBodyOptions) {
    this.#announced = announced;
    this.#signal = signal;
    this.#options = options;
  }

  async add(piece: Uint8Array): Promise<void> {
    this.#length += piece.length;
    if (this.#announced !== null && this.#length > this.#announced) {
      throw lengthMismatch(this.#announced, `at least ${this.#length}`);
    }
    checkLimits(this.#length, this.#options);
    this.#held.add(piece);
    if (this.#length <= this.#options.maxBufferedRequestBytes) return;
    // Stryker disable next-line EqualityOperator: with > the same bytes are written one piece later
    if (this.#spool === null || this.#held.length >= SPOOL_WRITE_BYTES) await this.#spoolHeld();
  }

  async finish(): Promise<PreparedBody> {
    // Stryker disable next-line ConditionalExpression: length < null is false
    if (this.#announced !== null && this.#length < this.#announced) {
      throw lengthMismatch(this.#announced, String(this.#length));
    }
    const length = this.#length;
    if (this.#spool === null) return { length, source: this.#held.bytes };
    await this.#spoolHeld();
    const spool = this.#spool;
    // Like a Blob, it can be read again if the request is sent again.
    const source = { size: length, stream: () => this.#read(spool) };
    return { length, source, dispose: () => this.dispose() };
  }

  /**
   * Closes the spool when nothing reads it: a body that is being sent is sent to its end, even if the response has
   * failed. Never rejects, because a spool that can't be closed is not used again.
   */
  async dispose(): Promise<void> {
    this.#isDisposed = true;
    if (this.#readers > 0) return;
    try {
      // Stryker disable next-line OptionalChaining: an error here is dropped
      await this.#spool?.close();
    } catch {
      // Nothing else is left to do with the spool.
    }
  }

  /** Reads what was kept. If the spool fails meanwhile, the error says so. */
  #read(spool: Spool): ByteReader {
    const reader = spool.read();
    let isOver = false;
    this.#readers++;
    const end = (): void => {
      if (isOver) return;
      isOver = true;
      this.#readers--;
      if (this.#isDisposed) void this.dispose();
    };
    return {
      async read() {
        try {
          const result = await reader.read();
          if (result.done) end();
          return result;
        } catch (cause) {
          end();
          throw spoolFailed(cause);
        }
      },
      // Not the spool's own cancel(), which may close it: the request may be sent again.
      cancel: async () => end(),
    };
  }

  async #spoolHeld(): Promise<void> {
    try {
      this.#spool ??= await orAbort(this.#options.openSpool!(), this.#signal, (spool) => spool.close());
      /* v8 ignore else -- V8 loses the count behind a conditional await: a body that was spooled to its last byte takes it */
      if (this.#held.length > 0) await orAbort(this.#spool.write(this.#held.take()), this.#signal);
    } catch (cause) {
      // If the signal has aborted, the spool has not failed.
      this.#signal.throwIfAborted();
      throw spoolFailed(cause);
    }
  }
}

function spoolFailed(cause: unknown): FastCgiError {
  return new FastCgiError("spoolFailed", `Cannot keep the request body: ${messageOf(cause)}`, { cause });
}

function lengthMismatch(expected: number, actual: string): FastCgiError {
  return new FastCgiError("lengthMismatch", `Cannot send the request body: expected ${expected} bytes, got ${actual}`);
}
