// A Request whose parts are made when they are asked for. Building a native one costs more than all the rest of a small
// exchange, and most handlers look at the method and the URL only.
//
// It has Request.prototype in its chain (`instanceof` holds), answers what costs nothing by itself, and hands everything
// else to a native Request that it builds on first need. The limit of it: functions that look for the native object inside,
// `new Request(request)` and `fetch(request)`, find it only on runtimes that keep it in symbol properties (Node 20). On
// the others they throw; `request.clone()` is native, and so is everything with `lazyRequest: false`.

import type { IncomingRequest } from "../codec/incoming_request.ts";
import { completeWith } from "./native_members.ts";
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

  /** What `new Request(request)` and `fetch(request)` quote where they find no native object inside. */
  toString(): string {
    return "[object Request] (built lazily: pass its clone() on, or serve with lazyRequest: false)";
  }

  get body(): ReadableStream<Uint8Array> | null {
    // What a native one was built with stays, also where stdin has turned out to be empty since.
    if (this.#native === null && !hasBody(this.#parts.method, this.#source)) return null;
    return LazyRequest.native(this).body;
  }
}

let completed = false;

/** A Request that builds itself when asked. */
export function lazyRequest(parts: RequestParts, source: IncomingRequest): Request {
  if (!completed) {
    completed = true;
    completeWith(LazyRequest.prototype, Request, LazyRequest.native, new Request("http://localhost/"));
  }
  return new LazyRequest(parts, source) as unknown as Request;
}
