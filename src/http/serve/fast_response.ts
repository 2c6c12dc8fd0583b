// A Response that keeps its body as it was given. A native Response makes a stream of the body and copies its bytes,
// which this library would read back at once: on Node.js that is half of what a small request costs. It is opt-in,
// because only this library reads it.

import { isNullBodyStatus, isReasonPhrase } from "../shared/header_rules.ts";
import { completeWith, copyHeaders } from "./native_members.ts";

/** What a {@linkcode FastResponse} was made of. */
interface HeldResponse {
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers;
  readonly body: string | Uint8Array | null;
}

class HeldBodyResponse {
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers;
  /** Null once the native Response has the body. */
  #held: { readonly body: string | Uint8Array | null } | null;
  #native: Response | null = null;

  constructor(body?: BodyInit | null, init: ResponseInit = {}) {
    const { status = 200, statusText = "" } = init;
    if (canHold(body) && isPlain(status, statusText) && (body == null || !isNullBodyStatus(status))) {
      this.status = status;
      this.statusText = statusText;
      this.headers = new Headers(init.headers);
      this.#held = { body: body ?? null };
      if (typeof body === "string" && !this.headers.has("content-type")) {
        this.headers.set("content-type", "text/plain;charset=UTF-8");
      }
      return;
    }
    // Everything else goes to the native Response, which also refuses what is invalid.
    this.#native = new Response(body, init);
    this.status = this.#native.status;
    this.statusText = this.#native.statusText;
    this.headers = this.#native.headers;
    this.#held = null;
  }

  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  /** What `response` holds; null if it is no FastResponse or its body has been taken. */
  static held(response: object): HeldResponse | null {
    if (!(#held in response) || response.#held === null) return null;
    const { status, statusText, headers } = response;
    return { status, statusText, headers, body: response.#held.body };
  }

  /** The native Response, built on first need. The headers may have changed since the last call. */
  static native(response: HeldBodyResponse): Response {
    const { status, statusText, headers } = response;
    if (response.#held !== null) {
      response.#native = new Response(response.#held.body as BodyInit | null, { status, statusText, headers });
      response.#held = null;
    }
    const native = response.#native!;
    if (native.headers !== headers) copyHeaders(headers, native.headers);
    return native;
  }
}

function canHold(body: BodyInit | null | undefined): body is string | Uint8Array<ArrayBuffer> | null | undefined {
  return body === null || body === undefined || typeof body === "string" || body instanceof Uint8Array;
}

function isPlain(status: number, statusText: string): boolean {
  return Number.isInteger(status) && status >= 200 && status <= 599 && isReasonPhrase(statusText);
}

/** What `response` holds; null if it is no {@linkcode FastResponse} or its body has been taken. */
export function heldResponse(response: Response): HeldResponse | null {
  return HeldBodyResponse.held(response);
}

/**
 * A `Response` for handlers of this library. It keeps a body of text or bytes as it is until it is sent, which costs
 * about half as much as a native Response on Node.js and saves two copies of a large body. Bytes are not copied: do not
 * change them before they are sent.
 *
 * `instanceof Response` holds, and it has all members of a Response. But `Bun.serve`, `Deno.serve` and other code that
 * needs the native object inside do not accept it. `FastResponse.json` and `FastResponse.redirect` make native
 * Responses.
 *
 * ```ts
 * import { FastResponse } from "fetchcgi";
 * import { serve } from "fetchcgi/node";
 *
 * await serve({ port: 9000, fetch: () => new FastResponse("Hello") });
 * ```
 */
export const FastResponse: typeof Response = /* @__PURE__ */ defineFastResponse();

function defineFastResponse(): typeof Response {
  const { native } = HeldBodyResponse;
  const natives = { forGetter: native, forSymbol: native, forMethod: native };
  completeWith(HeldBodyResponse.prototype, Response, natives, new Response());
  Object.setPrototypeOf(HeldBodyResponse, Response);
  return HeldBodyResponse as unknown as typeof Response;
}
