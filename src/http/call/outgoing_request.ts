// What `fetch` was asked for. A native Request costs more than all the rest of a small exchange, so none is made of an URL and a
// plain init. Whatever is not plain goes through one, so that Fetch's own rules and errors hold.

import { asNativeHeaders, asNativeRequest, asNativeSignal, isRequest } from "../shared/fetch_objects.ts";
import { type FastCgiFetchInit, OWN_INIT } from "./client_options.ts";
import type { RequestHead } from "./request_to_params.ts";

/** A request that is to be sent. */
export interface OutgoingRequest extends RequestHead {
  readonly signal: AbortSignal | undefined;
  /** Bytes where they are at hand. */
  readonly body: ReadableStream<Uint8Array> | Uint8Array | null;
  readonly bodyUsed: boolean;
  /** The Request, for hooks. One that has to be made for them has no body: it is on its way already. */
  native(): Request;
}

/** Methods that are written as they are sent, and that Fetch does not forbid. */
const PLAIN_METHODS: ReadonlySet<string> = new Set(["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]);

/** What a plain init may have. */
const PLAIN_INIT: ReadonlySet<string> = new Set([...OWN_INIT, "body", "headers", "method", "signal"]);

const encoder = /* @__PURE__ */ new TextEncoder();

/**
 * What `fetch(input, init)` asks for.
 *
 * @throws {TypeError} If Fetch can't make a Request of it.
 */
export function outgoingRequest(input: Request | URL | string, init: FastCgiFetchInit): OutgoingRequest {
  return (isRequest(input) ? null : plainRequest(input, init)) ?? outgoing(requestOf(input, init));
}

/** `request` as it is, of the runtime's own class or one that extends it. */
export function outgoing(request: Request): OutgoingRequest {
  const { method, url, headers, signal, body } = request;
  // Asked where there is a body only: lazy Requests of others build themselves for it.
  const bodyUsed = body !== null && request.bodyUsed;
  return { method, url, headers, signal, body, bodyUsed, native: () => request };
}

/** The head of `request`, of whatever class, whose body stays where it is. */
export function outgoingHead(request: Request): OutgoingRequest {
  const { method, url, headers, signal } = request;
  return {
    method,
    url,
    headers: asNativeHeaders(headers),
    signal: signal ? asNativeSignal(signal) : undefined,
    body: null,
    bodyUsed: false,
    native: () => request,
  };
}

/** `input` itself where `init` asks nothing of Fetch: a new Request costs. */
export function requestOf(input: Request | URL | string, init: FastCgiFetchInit): Request {
  if (!isRequest(input)) return new Request(input, nativeInit(init));
  const isPlain = Object.keys(init).every((name) => OWN_INIT.has(name));
  if (isPlain) return input instanceof Request ? input : asNativeRequest(input);
  // `new Request` looks for what its own class keeps inside, and finds it in no other, also where that extends it by name.
  const isNative = Object.getPrototypeOf(input) === Request.prototype;
  return new Request(isNative ? input : asNativeRequest(input), nativeInit(init));
}

/** Fetch accepts a signal of the runtime's own class only. */
function nativeInit(init: FastCgiFetchInit): FastCgiFetchInit {
  return init.signal ? { ...init, signal: asNativeSignal(init.signal) } : init;
}

/** The request, or null where it takes a native one to say what it is, or that it is none. */
function plainRequest(input: URL | string, init: FastCgiFetchInit): OutgoingRequest | null {
  for (const name in init) if (!PLAIN_INIT.has(name)) return null;
  const { method = "GET", body = null, signal = null } = init;
  const isPlain =
    PLAIN_METHODS.has(method) &&
    (signal === null || signal instanceof AbortSignal) &&
    (body === null || (isPlainBody(body) && method !== "GET" && method !== "HEAD"));
  if (!isPlain) return null;
  const url = new URL(input);
  if (url.username !== "" || url.password !== "") return null;
  const headers = plainHeaders(init.headers) ?? new Headers(init.headers);
  if (typeof body === "string" && !headers.has("content-type")) {
    headers.set("content-type", "text/plain;charset=UTF-8");
  }
  let native: Request | null = null;
  return {
    method,
    url,
    headers,
    signal: signal ?? undefined,
    body: typeof body === "string" ? encoder.encode(body) : body,
    bodyUsed: false,
    native() {
      native ??= new Request(url, { method, headers: headers instanceof Map ? [...headers] : headers, signal });
      return native;
    },
  };
}

/** What needs no look: a name that is a token, and a value of visible ASCII with single blanks inside, if any. */
const PLAIN_NAME = /^[A-Za-z0-9-]+$/;
const PLAIN_VALUE = /^[!-~]+(?: [!-~]+)*$/;

/** The headers of an object that Headers would leave as they are, but for the case of their names; null for all else. */
function plainHeaders(init: FastCgiFetchInit["headers"]): Map<string, string> | null {
  const headers = new Map<string, string>();
  if (init === undefined) return headers;
  const prototype: unknown = Object.getPrototypeOf(init);
  if (prototype !== Object.prototype && prototype !== null) return null;
  for (const [name, value] of Object.entries(init as Record<string, unknown>)) {
    const lower = name.toLowerCase();
    if (typeof value !== "string" || !PLAIN_VALUE.test(value) || !PLAIN_NAME.test(name) || headers.has(lower))
      return null;
    headers.set(lower, value);
  }
  return headers;
}

function isPlainBody(body: unknown): body is Uint8Array<ArrayBuffer> | string {
  return typeof body === "string" || body instanceof Uint8Array;
}
