// The request that `fetch` is called with. Making a native Request costs more than all the rest of a small exchange, so
// none is made of a URL and a plain init. Everything else goes through a native Request, so that Fetch's own rules and
// errors hold.

import { unexpected } from "../../base/unexpected.ts";
import { encodeUtf8 } from "../../protocol/byte_string.ts";
import { asNativeHeaders, asNativeRequest, asNativeSignal, isRequest } from "../shared/fetch_objects.ts";
import { plainFields } from "../shared/plain_fields.ts";
import { type FastCgiFetchInit, OWN_INIT } from "./client_options.ts";
import type { FetchWatch } from "./fetch_watch.ts";
import type { HttpRequestHead } from "./request_to_params.ts";

/** A request to send. */
export interface OutgoingRequest extends HttpRequestHead {
  readonly signal: AbortSignal | undefined;
  /** The body, as bytes if they are at hand. */
  readonly body: ReadableStream<Uint8Array> | Uint8Array | null;
  readonly bodyUsed: boolean;
  /** Returns the Request, for hooks. A Request that is made only for them has no body, which is being sent already. */
  native(): Request;
  /** Hears of its end, if the program wants to know. */
  watch?: FetchWatch;
}

/** Methods that Fetch neither forbids nor converts. */
const PLAIN_METHODS: ReadonlySet<string> = new Set(["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]);

/** The options that a plain init may have. */
const PLAIN_INIT: ReadonlySet<string> = new Set([...OWN_INIT, "body", "headers", "method", "signal"]);

/**
 * The request that `fetch(input, init)` asks for.
 *
 * @throws {TypeError} If Fetch can't make a Request of it.
 */
export function outgoingRequest(input: Request | URL | string, init: FastCgiFetchInit): OutgoingRequest {
  return (isRequest(input) ? null : plainRequest(input, init)) ?? asOutgoing(requestOf(input, init));
}

/** A class, because an object literal with getters takes twenty times as long to make. */
class RequestAsItIs implements OutgoingRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  readonly signal: AbortSignal;
  readonly native: () => Request;
  readonly #request: Request;

  constructor(request: Request) {
    this.method = request.method;
    this.url = request.url;
    this.headers = request.headers;
    this.signal = request.signal;
    this.native = () => request;
    this.#request = request;
  }

  /** Not read before it is sent: a Request that `script` has cloned meanwhile has another stream. */
  get body(): ReadableStream<Uint8Array> | null {
    return this.#request.body;
  }

  /** Asks only if there is a body: some lazy Requests of other libraries build themselves for it. */
  get bodyUsed(): boolean {
    return this.body !== null && this.#request.bodyUsed;
  }
}

/** Sends `request` as it is. It must be of the runtime's own class or one that extends it. */
export function asOutgoing(request: Request): OutgoingRequest {
  return new RequestAsItIs(request);
}

/** The head of `request`, which may be of any class. Its body is not touched. */
export function asOutgoingHead(request: Request): OutgoingRequest {
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

/** Returns `input` itself if `init` has no options for Fetch, because making a new Request takes time. */
export function requestOf(input: Request | URL | string, init: FastCgiFetchInit): Request {
  if (!isRequest(input)) return new Request(urlOf(input), nativeInit(init));
  const isPlain = Object.keys(init).every((name) => OWN_INIT.has(name));
  if (isPlain) return input instanceof Request ? input : asNativeRequest(input);
  // `new Request` reads internal state that only the native class has, and does not find it in a class that only looks
  // like it.
  const isNative = Object.getPrototypeOf(input) === Request.prototype;
  return new Request(isNative ? input : asNativeRequest(input), nativeInit(init));
}

/**
 * The URL that `input` is, or has as its text.
 *
 * @throws {TypeError} If it is none.
 */
function urlOf(input: URL | string): URL {
  try {
    return new URL(input);
  } catch (cause) {
    const { message } = unexpected("Cannot send the request: expected input to be a Request or an absolute URL", input);
    throw new TypeError(message, { cause });
  }
}

/** Converts the signal: Fetch accepts one of the runtime's own class only. */
function nativeInit(init: FastCgiFetchInit): FastCgiFetchInit {
  return init.signal ? { ...init, signal: asNativeSignal(init.signal) } : init;
}

/** The request; null if only a native Request can tell what it is, or that it is invalid. */
function plainRequest(input: URL | string, init: FastCgiFetchInit): OutgoingRequest | null {
  for (const name in init) if (!PLAIN_INIT.has(name)) return null;
  const { method = "GET", body = null, signal = null } = init;
  const isPlain =
    PLAIN_METHODS.has(method) &&
    (signal === null || signal instanceof AbortSignal) &&
    (body === null || (isPlainBody(body) && method !== "GET" && method !== "HEAD"));
  if (!isPlain) return null;
  const url = urlOf(input);
  if (url.username !== "" || url.password !== "") return null;
  const fields = plainFields(init.headers);
  // Stryker disable next-line ConditionalExpression: a shortcut, for Headers list the same fields
  const headers = fields === null ? new Headers(init.headers) : new Map(fields);
  if (typeof body === "string" && !headers.has("content-type")) {
    headers.set("content-type", "text/plain;charset=UTF-8");
  }
  let native: Request | null = null;
  return {
    method,
    url,
    headers,
    signal: signal ?? undefined,
    body: typeof body === "string" ? encodeUtf8(body) : body,
    bodyUsed: false,
    native() {
      native ??= new Request(url, { method, headers: headers instanceof Map ? [...headers] : headers, signal });
      return native;
    },
  };
}

function isPlainBody(body: unknown): body is Uint8Array<ArrayBuffer> | string {
  if (typeof body === "string") return true;
  // The native class refuses bytes whose buffer was transferred, which look as if there were none.
  return body instanceof Uint8Array && body.buffer.byteLength > 0;
}
