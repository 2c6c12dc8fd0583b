// The Request that a handler gets. It is a native Request, so that `new Request(request)`, `fetch(request)`, `clone()`
// and all other code that looks inside it work.
//
// Its signal is made when it is first read, because most handlers never read it. Giving a Request a signal to follow
// costs 3 to 5 µs on Node 24 and 13 on Node 20, where a small exchange takes 30 to 45. Requests that a handler makes of
// this one follow an internal signal that no script can abort. But on Node and Bun they follow it by its "abort" event,
// and that event can be dispatched here. On other runtimes, such as Deno, the Request is given the signal from the
// start.
//
// It reads its body whole below the stream, if nothing has touched the stream (shared/whole_body.ts).

import type { ByteQueue } from "../../codec/byte_queue.ts";
import { readBelowStream } from "../shared/whole_body.ts";
import type { RequestParts } from "./params_to_request.ts";
import type { RequestOrigin, RequestSource } from "./request_source.ts";

/** A native Request that knows where it comes from. */
interface OriginRequest extends Request {
  /** Aborts the Requests that were or will be made of this one. */
  abortDerived(): void;
}

/** Whether the Request has a body. Fetch allows none for GET and HEAD; the handler finds it in `context.stdin`. */
export function hasBody(
  { method }: Pick<RequestParts, "method">,
  { stdinQueue, variables }: Pick<RequestSource, "stdinQueue" | "variables">,
): boolean {
  const canHave = method !== "GET" && method !== "HEAD" && variables.get("CONTENT_LENGTH") !== "0";
  return canHave && stdinQueue?.isEmpty !== true;
}

type OriginRequestClass = new (url: string, init: RequestInit, origin: RequestOrigin) => OriginRequest;

/** The class of Requests for one global `Request`. */
interface Made {
  readonly base: typeof Request;
  readonly OriginRequest: OriginRequestClass;
  /** Whether Requests made of its instances follow the "abort" event. */
  readonly followsEvents: boolean;
}

let made: Made | null = null;

/**
 * Makes a native Request of these parts.
 *
 * @param hasBody Whether `stdin` becomes its body. It must not have been read.
 */
export function nativeRequest(parts: RequestParts, origin: RequestOrigin, hasBody: boolean): Request {
  // A framework may have replaced the global class since the last call.
  if (made?.base !== Request) made = makeClass(Request);
  const { OriginRequest, followsEvents } = made;
  const init: RequestInit & { duplex?: "half" } = { method: parts.method };
  if (hasBody) {
    init.body = origin.stdin as ReadableStream<Uint8Array<ArrayBuffer>>;
    init.duplex = "half";
  }
  const isToldOfAbort = followsEvents && origin.onAbort !== undefined;
  if (!isToldOfAbort) init.signal = origin.signal;
  const request = new OriginRequest(parts.url(), init, origin);
  // Written into the Request's own Headers: Headers in `init` would be copied.
  parts.headers(request.headers);
  if (isToldOfAbort) origin.onAbort!(() => request.abortDerived());
  return request;
}

function makeClass(base: typeof Request): Made {
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
      // `super.clone()` alone would follow the internal signal, and on Node only if the Request was given a signal from
      // the start.
      return new base(super.clone(), { signal: this.signal });
    }

    // The first versions of Node.js 20 have no `bytes()`.
    // Stryker disable next-line BlockStatement: where the runtime has it, it is replaced below
    override async bytes(): Promise<Uint8Array<ArrayBuffer>> {
      return new Uint8Array(await this.arrayBuffer());
    }

    /** The body below its stream; null if the stream was touched, or is not the whole body. */
    static unread(request: OriginRequest): ByteQueue | null {
      const { body } = request;
      // Stryker disable next-line ConditionalExpression: a shortcut, for stdin is never null
      if (body === null || request.bodyUsed) return null;
      const { stdin, stdinQueue } = request.#origin;
      // The body of a Request that was cloned is a branch of the stream.
      if (body !== stdin || stdinQueue === undefined || stdinQueue.isUsed || stdinQueue.isLocked) return null;
      return stdinQueue;
    }

    abortDerived(): void {
      const { reason } = this.signal;
      const inner = super.signal;
      Object.defineProperties(inner, { aborted: { value: true }, reason: { value: reason } });
      inner.dispatchEvent(new Event("abort"));
    }
  }
  Object.defineProperty(OriginRequest.prototype, "constructor", { value: base, configurable: true, writable: true });
  readBelowStream(OriginRequest.prototype, OriginRequest.unread);
  return { base, OriginRequest, followsEvents: followsEvents(base, OriginRequest) };
}

/** Tries whether Requests made before and after the event are aborted. */
function followsEvents(base: typeof Request, OriginRequest: OriginRequestClass): boolean {
  // Stryker disable BlockStatement: undefined counts as false
  try {
    const controller = new AbortController();
    const request = new OriginRequest("http://localhost/", {}, { stdin: null!, signal: controller.signal });
    const before = new base(request);
    controller.abort();
    request.abortDerived();
    // Stryker disable next-line LogicalOperator: runtimes do both, or neither
    return before.signal.aborted && new base(request).signal.aborted;
  } catch {
    return false;
  }
}
