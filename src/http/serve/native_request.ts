// The Request that a handler gets: a native one, so that `new Request(request)`, `fetch(request)`, `clone()` and whatever else looks
// into it find what they look for.
//
// Its signal is made when it is asked for. A Request that is given a signal to follow costs 3 to 5 µs more on Node 24, and 13 on Node 20,
// where a small exchange takes 30 to 45; most handlers ask for none. Requests that a handler makes of this one follow a signal inside it
// that no script can abort. But Node and Bun let them follow it by its "abort" event, and an event can be sent to it. Where they do
// not, as on Deno, the signal is given to the Request from the start.

import type { RequestParts } from "./params_to_request.ts";
import type { RequestOrigin, RequestSource } from "./request_source.ts";

/** A Request that knows its origin. */
interface OriginRequest extends Request {
  /** Aborts the Requests that were, or will be, made of this one. */
  abortDerived(): void;
}

/** Fetch knows no body on GET and HEAD; the handler finds one in `context.stdin`. */
export function hasBody({ method }: RequestParts, { stdinQueue, params }: RequestSource): boolean {
  const canHave = method !== "GET" && method !== "HEAD" && params.get("CONTENT_LENGTH") !== "0";
  return canHave && stdinQueue?.isEmpty !== true;
}

type OriginRequestClass = new (url: string, init: RequestInit, origin: RequestOrigin) => OriginRequest;

/** The class, and what it was made for. */
interface Made {
  readonly base: typeof Request;
  readonly OriginRequest: OriginRequestClass;
  /** Whether Requests made of its instances follow the "abort" event. */
  readonly followsEvents: boolean;
}

let made: Made | null = null;

/**
 * A native Request of these parts.
 *
 * @param hasBody Whether `stdin` is its body. It must not have been read.
 */
export function nativeRequest(parts: RequestParts, origin: RequestOrigin, hasBody: boolean): Request {
  // A framework may replace the global class meanwhile.
  if (made?.base !== Request) made = make(Request);
  const { OriginRequest, followsEvents } = made;
  const init: RequestInit & { duplex?: "half" } = { method: parts.method };
  if (hasBody) {
    init.body = origin.stdin as ReadableStream<Uint8Array<ArrayBuffer>>;
    init.duplex = "half";
  }
  const isToldOfAbort = followsEvents && origin.onAbort !== undefined;
  if (!isToldOfAbort) init.signal = origin.signal;
  const request = new OriginRequest(parts.url(), init, origin);
  // Into those that are there: Headers in `init` would be copied.
  parts.headers(request.headers);
  if (isToldOfAbort) origin.onAbort!(() => request.abortDerived());
  return request;
}

function make(base: typeof Request): Made {
  class OriginRequest extends base {
    readonly #origin: RequestOrigin;

    constructor(url: string, init: RequestInit, origin: RequestOrigin) {
      super(url, init);
      this.#origin = origin;
    }

    override get signal(): AbortSignal {
      return this.#origin.signal;
    }

    override clone(): Request {
      // A clone alone would follow the signal inside, on Node only where it was followed from the start.
      return new base(super.clone(), { signal: this.signal });
    }

    abortDerived(): void {
      const { reason } = this.signal;
      const inner = super.signal;
      Object.defineProperties(inner, { aborted: { value: true }, reason: { value: reason } });
      inner.dispatchEvent(new Event("abort"));
    }
  }
  Object.defineProperty(OriginRequest.prototype, "constructor", { value: base, configurable: true, writable: true });
  return { base, OriginRequest, followsEvents: followsEvents(base, OriginRequest) };
}

/** Tries it, with Requests before and after the event. */
function followsEvents(base: typeof Request, OriginRequest: OriginRequestClass): boolean {
  try {
    const controller = new AbortController();
    const request = new OriginRequest("http://localhost/", {}, { stdin: null!, signal: controller.signal });
    const before = new base(request);
    controller.abort();
    request.abortDerived();
    return before.signal.aborted && new base(request).signal.aborted;
  } catch {
    return false;
  }
}
