// Requests and Responses come in several classes: those of undici, node-fetch and @whatwg-node on npm, of frameworks
// that replace a global class, of another realm. An object that has the members of one is accepted as one. Its parts
// are converted to the runtime's own classes here, so that the rest of the library sees one kind and Fetch's own checks
// hold for all.

import { type ByteReader, byteSourceOf } from "../../codec/byte_source.ts";
import { streamOfSources } from "../../codec/stream_of.ts";

/** Whether `value` has the members of a Response that this library reads. */
export function isResponse(value: unknown): value is Response {
  // Stryker disable next-line ConditionalExpression: a shortcut, for the runtime's own has these members
  if (value instanceof Response) return true;
  return isObject(value) && typeof value.status === "number" && isHeaders(value.headers) && "body" in value;
}

/** Whether `value` has the members of a Request that this library reads. */
export function isRequest(value: unknown): value is Request {
  // Stryker disable next-line ConditionalExpression: a shortcut, for the runtime's own has these members
  if (value instanceof Request) return true;
  return (
    isObject(value) && typeof value.url === "string" && typeof value.method === "string" && isHeaders(value.headers)
  );
}

function isObject(value: unknown): value is Record<PropertyKey, unknown> {
  return typeof value === "object" && value !== null;
}

function isHeaders(value: unknown): value is Headers {
  return isObject(value) && typeof value.get === "function" && typeof value[Symbol.iterator] === "function";
}

/** How other classes of Headers return cookies one by one, although iterating over them joins all cookies. */
interface OtherHeaders extends Iterable<[name: string, value: string | readonly string[]]> {
  getSetCookie?(): readonly string[];
  /** Of node-fetch. */
  raw?(): Record<string, readonly string[] | undefined>;
}

/**
 * Converts headers to the runtime's own class: names in lower case, values checked, one line for each cookie.
 *
 * @throws {TypeError} If HTTP cannot carry a name or a value.
 */
export function asNativeHeaders(headers: Headers): Headers {
  if (Object.getPrototypeOf(headers) === Headers.prototype) return headers;
  const native = new Headers();
  const other = headers as unknown as OtherHeaders;
  const cookies = other.getSetCookie?.() ?? other.raw?.()["set-cookie"];
  for (const [name, value] of other) {
    if (cookies !== undefined && name.toLowerCase() === "set-cookie") continue;
    for (const one of Array.isArray(value) ? value : [value]) native.append(name, one);
  }
  for (const cookie of cookies ?? []) native.append("set-cookie", cookie);
  return native;
}

/** The members that are used of a stream of another class. */
interface OtherStream {
  getReader?(): ByteReader;
  /** Of Node's streams, such as the bodies of node-fetch. */
  [Symbol.asyncIterator]?(): AsyncIterator<Uint8Array>;
}

/**
 * The body of a Request or Response of any class; null if it has none.
 *
 * @throws {TypeError} If the body is not a stream.
 */
export function bodyOf({ body }: { readonly body: unknown }): ReadableStream<Uint8Array> | ByteReader | null {
  if (body === null || body === undefined) return null;
  // Stryker disable next-line ConditionalExpression: a shortcut, for it is returned below as well
  if (body instanceof ReadableStream) return body;
  const other = body as OtherStream;
  if (typeof other.getReader === "function" || typeof other[Symbol.asyncIterator] === "function") {
    // Stryker disable next-line StringLiteral: the name is for an error that a stream never causes
    return byteSourceOf(other as AsyncIterable<Uint8Array>, "the body") as ReadableStream<Uint8Array> | ByteReader;
  }
  throw new TypeError(`Cannot read the body: expected a stream, got ${typeof body}`);
}

/** Converts a stream to the runtime's own class. The stream is not touched before the result is read. */
export function asNativeStream(stream: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  return stream instanceof ReadableStream ? stream : streamOfSources([stream]);
}

/** Converts a signal to the runtime's own class. */
export function asNativeSignal(signal: AbortSignal): AbortSignal {
  if (signal instanceof AbortSignal) return signal;
  const other = signal as AbortSignal;
  const controller = new AbortController();
  const abort = (): void => controller.abort(other.reason);
  if (other.aborted) abort();
  else {
    // Stryker disable next-line ObjectLiteral,BooleanLiteral: a signal aborts once
    other.addEventListener("abort", abort, { once: true });
  }
  return controller.signal;
}

/**
 * Converts a Request of another class to the runtime's own. Its body is not touched before the result's body is read.
 *
 * @throws {TypeError} If its body was read already, or Fetch refuses one of its parts.
 */
export function asNativeRequest(request: Request): Request {
  const { url, method, headers, signal, bodyUsed } = request;
  const init: RequestInit & { duplex?: "half" } = { method, headers: asNativeHeaders(headers) };
  if (signal) init.signal = asNativeSignal(signal);
  const body = bodyOf(request);
  if (body !== null) {
    if (bodyUsed) throw new TypeError("Cannot send the request: its body was read already");
    // Stryker disable next-line ConditionalExpression: a stream of this stream gives the same bytes
    init.body = body instanceof ReadableStream ? body : streamOfSources([body]);
    init.duplex = "half";
  }
  return new Request(url, init);
}
