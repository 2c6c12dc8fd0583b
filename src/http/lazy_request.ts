// A Request whose parts are made when they are asked for. Building a native one costs more than all the rest of a small
// exchange, and most handlers look at the method and the URL only.
//
// It has Request.prototype in its chain (`instanceof` holds), answers what costs nothing by itself, and hands everything
// else to a native Request that it builds on first need. The limit of it: functions that look for the native object inside,
// `new Request(request)` and `fetch(request)`, find it only on runtimes that keep it in symbol properties (Node 20). On
// the others they throw; `request.clone()` is native, and so is everything with `lazyRequest: false`.

import type { IncomingRequest } from "../codec/incoming_request.ts";
import type { RequestParts } from "./params_to_request.ts";

/** Builds the native Request. */
export function nativeRequest(parts: RequestParts, source: IncomingRequest): Request {
  const { method } = parts;
  const init: RequestInit & { duplex?: "half" } = { method, headers: parts.headers(), signal: source.signal };
  if (hasBody(method, source)) {
    init.body = source.stdin;
    init.duplex = "half";
  }
  return new Request(parts.url(), init);
}

/** Fetch knows no body on GET and HEAD; the handler finds one in `context.stdin`. */
function hasBody(method: string, { stdinQueue, params }: IncomingRequest): boolean {
  return method !== "GET" && method !== "HEAD" && params.get("CONTENT_LENGTH") !== "0" && !stdinQueue.isEmpty;
}

class LazyRequest {
  readonly #parts: RequestParts;
  readonly #source: IncomingRequest;
  #native: Request | null = null;
  #url: string | null = null;
  #headers: Headers | null = null;

  constructor(parts: RequestParts, source: IncomingRequest) {
    this.#parts = parts;
    this.#source = source;
  }

  /** The native Request of `request`, built on first need. */
  static native(request: LazyRequest): Request {
    request.#native ??= nativeRequest(
      { method: request.method, url: () => request.url, headers: () => request.headers },
      request.#source,
    );
    return request.#native;
  }

  get method(): string {
    return this.#parts.method;
  }

  get url(): string {
    this.#url ??= this.#parts.url();
    return this.#url;
  }

  get headers(): Headers {
    // The headers of a Request are the same object every time, and a native one makes its own.
    if (this.#native !== null) return this.#native.headers;
    this.#headers ??= this.#parts.headers();
    return this.#headers;
  }

  get signal(): AbortSignal {
    return this.#source.signal;
  }

  get body(): ReadableStream<Uint8Array> | null {
    // What a native one was built with stays, also where stdin has turned out to be empty since.
    if (this.#native === null && !hasBody(this.#parts.method, this.#source)) return null;
    return LazyRequest.native(this).body;
  }
}

/** Lets every other member of Request, and what a runtime hides in symbols, be found on the native object. */
function complete(prototype: object, sample: Request): void {
  Object.setPrototypeOf(prototype, Request.prototype);
  Object.defineProperty(prototype, "constructor", { value: Request, configurable: true, writable: true });
  // In a Worker, Request has the members of a body from a class below it.
  for (let level = Request.prototype; level !== Object.prototype; level = Object.getPrototypeOf(level)) {
    for (const name of Object.getOwnPropertyNames(level)) {
      if (!Object.hasOwn(prototype, name)) delegate(prototype, name, Object.getOwnPropertyDescriptor(level, name)!);
    }
  }
  for (const symbol of Object.getOwnPropertySymbols(sample)) {
    Object.defineProperty(prototype, symbol, { get: delegateGetter(symbol), configurable: true });
  }
}

function delegate(prototype: object, name: string, { value }: PropertyDescriptor): void {
  Object.defineProperty(
    prototype,
    name,
    typeof value === "function"
      ? { value: delegateMethod(name), configurable: true, writable: true }
      : { get: delegateGetter(name), configurable: true },
  );
}

function delegateGetter(name: string | symbol): (this: LazyRequest) => unknown {
  return function () {
    return Reflect.get(LazyRequest.native(this), name);
  };
}

function delegateMethod(name: string): (this: LazyRequest, ...args: unknown[]) => unknown {
  return function (...args) {
    const native = LazyRequest.native(this);
    return Reflect.apply(Reflect.get(native, name), native, args);
  };
}

let completed = false;

/** A Request that builds itself when asked. */
export function lazyRequest(parts: RequestParts, source: IncomingRequest): Request {
  if (!completed) {
    completed = true;
    complete(LazyRequest.prototype, new Request("http://localhost/"));
  }
  return new LazyRequest(parts, source) as unknown as Request;
}
