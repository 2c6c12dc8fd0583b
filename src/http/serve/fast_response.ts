// A Response that keeps its body as it was given. A native Response makes a stream of the body and copies its bytes,
// which this library would read back at once: on Node.js that is half of what a small request costs. It is opt-in,
// because functions that look for the native object inside find none: the class FastResponse for handlers, and
// `responseClass` of the client, whose answers are mostly read at once or passed on.

import { chunkOf } from "../../codec/byte_source.ts";
import { encodeUtf8 } from "../../protocol/byte_string.ts";
import { NO_CONTENT } from "../../protocol/record.ts";
import { isNullBodyStatus, isReasonPhrase } from "../shared/header_rules.ts";
import { type HeaderList, plainFields } from "../shared/plain_fields.ts";
import { completeWith, copyHeaders } from "./native_members.ts";
import { StandInResponse } from "./stand_in_response.ts";

/** What a {@linkcode FastResponse} was made of. */
interface HeldResponse {
  readonly status: number;
  readonly statusText: string;
  readonly headers: Iterable<readonly [name: string, value: string]>;
  readonly body: string | Uint8Array | null;
}

const utf8 = /* @__PURE__ */ new TextDecoder();

const TEXT = "text/plain;charset=UTF-8";
const JSON_TYPE = "application/json";

class HeldBodyResponse {
  static readonly name: string = "Response";
  readonly #status: number;
  readonly #statusText: string;
  /**
   * The header fields until a program reads `headers`: most programs never do, and Headers cost more than the rest of a
   * response.
   */
  #fields: HeaderList | null = null;
  #headers: Headers | null = null;
  /** Null once the native Response has the body, or the body was read. */
  #held: { readonly body: string | Uint8Array | null } | null = null;
  #native: Response | null = null;
  /** Whether the body was read before there was a native Response. */
  #isRead = false;

  constructor(body: BodyInit | null = null, init: ResponseInit | null = null) {
    complete();
    const { status = 200, statusText = "", headers } = init ?? {};
    const isPlain = headers !== null && typeof init === "object";
    if (!isPlain || !canHold(body, status, statusText)) {
      // Everything else goes to the native class, which also refuses what is invalid.
      this.#native = new (nativeResponse())(body, init as ResponseInit);
      this.#status = this.#native.status;
      this.#statusText = this.#native.statusText;
      this.#headers = this.#native.headers;
      return;
    }
    this.#status = status;
    this.#statusText = statusText;
    this.#fields = plainFields(headers);
    if (this.#fields === null) this.#headers = new Headers(headers);
    this.#held = { body: body as string | Uint8Array | null };
    if (typeof body === "string") this.#setDefaultType(TEXT);
  }

  /**
   * Native Responses are instances too: a program that has made this class the global one tests results of fetch() with
   * `instanceof Response`.
   */
  static [Symbol.hasInstance](this: unknown, value: unknown): boolean {
    // biome-ignore lint/complexity/noThisInStatic: a subclass asks for its own instances.
    return isInstance(this, value);
  }

  static json(data: unknown, init: ResponseInit | null = null): Response {
    const text: string | undefined = JSON.stringify(data);
    if (text === undefined) return nativeResponse().json(data, init as ResponseInit);
    const response = new HeldBodyResponse(encodeUtf8(text), init);
    response.#setDefaultType(JSON_TYPE);
    return response as unknown as Response;
  }

  static redirect(url: string | URL, status?: number): Response {
    return nativeResponse().redirect(url, status);
  }

  static error(): Response {
    return nativeResponse().error();
  }

  get status(): number {
    return this.#status;
  }

  get statusText(): string {
    return this.#statusText;
  }

  get ok(): boolean {
    // Stryker disable next-line ConditionalExpression: only on Bun is there one with a status below 200
    return this.#status >= 200 && this.#status < 300;
  }

  get headers(): Headers {
    this.#headers ??= new Headers(this.#fields!);
    return this.#headers;
  }

  get bodyUsed(): boolean {
    return this.#native?.bodyUsed ?? this.#isRead;
  }

  async text(): Promise<string> {
    const bytes = this.#takeBytes();
    return bytes === null ? HeldBodyResponse.native(this).text() : utf8.decode(bytes);
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    const bytes = this.#takeBytes();
    return bytes === null ? HeldBodyResponse.native(this).arrayBuffer() : new Uint8Array(bytes).buffer;
  }

  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(await this.arrayBuffer());
  }

  /** What `response` holds; null if it is no FastResponse or its body has been taken. */
  static held(response: object): HeldResponse | null {
    if (!(#held in response) || response.#held === null) return null;
    const headers = response.#headers ?? response.#fields!;
    return { status: response.#status, statusText: response.#statusText, headers, body: response.#held.body };
  }

  /** As {@linkcode HeldBodyResponse.held}, and the body counts as read from now on. */
  static take(response: object): HeldResponse | null {
    const held = HeldBodyResponse.held(response);
    // Fetch lets a body that is null be read again and again.
    if (held !== null && held.body !== null) (response as HeldBodyResponse).#noteRead();
    return held;
  }

  /** The native Response, built on first need, with the present headers. */
  static native(response: HeldBodyResponse): Response {
    if (response.#native === null) {
      const init = { status: response.#status, statusText: response.#statusText, headers: response.headers };
      // Of a body that was read, only that is left.
      const body = response.#held === null ? NO_CONTENT : response.#held.body;
      response.#native = new (nativeResponse())(body as BodyInit | null, init);
      if (response.#held === null) void response.#native.arrayBuffer();
      response.#held = null;
    }
    const native = response.#native;
    const { headers } = response;
    if (native.headers !== headers) copyHeaders(headers, native.headers);
    return native;
  }

  /** The body, which counts as read from now on; null if the native Response has it. */
  #takeBytes(): Uint8Array | null {
    if (this.#held === null) return null;
    const { body } = this.#held;
    // Fetch lets a body that is null be read again and again.
    if (body === null) return NO_CONTENT;
    this.#noteRead();
    return heldBytes(body);
  }

  #noteRead(): void {
    this.#held = null;
    this.#isRead = true;
  }

  #setDefaultType(type: string): void {
    if (this.#fields === null) {
      const { headers } = this;
      if (!headers.has("content-type")) headers.set("content-type", type);
      return;
    }
    if (this.#fields.some(([name]) => name === "content-type")) return;
    // Stryker disable next-line EqualityOperator: no field has this name
    const index = this.#fields.findIndex(([name]) => name > "content-type");
    this.#fields.splice(index < 0 ? this.#fields.length : index, 0, ["content-type", type]);
  }
}

function isInstance(asked: unknown, value: unknown): boolean {
  if (asked === HeldBodyResponse) return value instanceof nativeResponse();
  return Function.prototype[Symbol.hasInstance].call(asked, value);
}

function canHold(body: unknown, status: number, statusText: string): boolean {
  if (!(Number.isInteger(status) && status >= 200 && status <= 599)) return false;
  // Stryker disable next-line ConditionalExpression,StringLiteral: a shortcut, for no text is a reason phrase as well
  if (statusText !== "" && !(typeof statusText === "string" && isReasonPhrase(statusText))) return false;
  if (body === null) return true;
  if (isNullBodyStatus(status)) return false;
  if (typeof body === "string") return true;
  if (!(body instanceof Uint8Array && body.buffer instanceof ArrayBuffer)) return false;
  // The native class refuses bytes whose buffer was transferred, which look as if there were none, or can change its size.
  // Stryker disable next-line BooleanLiteral: only old runtimes don't have it
  const { byteLength, resizable = false } = body.buffer as ArrayBuffer & { readonly resizable?: boolean };
  return byteLength > 0 && !resizable;
}

/**
 * The bytes of a held body.
 *
 * @throws {TypeError} If their buffer was transferred after the response was made.
 */
export function heldBytes(body: string | Uint8Array): Uint8Array {
  return typeof body === "string" ? encodeUtf8(body) : chunkOf(body, "the response body");
}

/** What `response` holds; null if it is no {@linkcode FastResponse} or its body has been taken. */
export function heldResponse(response: Response): HeldResponse | null {
  return HeldBodyResponse.held(response);
}

/** As {@linkcode heldResponse}, and the body counts as read from now on. */
export function takeHeldResponse(response: Response): HeldResponse | null {
  return HeldBodyResponse.take(response);
}

/**
 * A `Response` for handlers of this library. It keeps a body of text or bytes, and its header, as they were given until
 * they are sent. On Node.js a small response then costs about half as much as a native one, and a large one saves two
 * copies. Bytes are not copied: do not change them before they are sent. As a native Response, it can be sent once.
 *
 * `instanceof Response` holds, and it has all members of a Response. But `Bun.serve`, `Deno.serve` and other code that
 * needs the native object inside do not accept it. `FastResponse.redirect`, `FastResponse.error` and `clone()` make
 * native Responses.
 *
 * ```ts
 * import { FastResponse } from "fetchcgi";
 * import { serve } from "fetchcgi/node";
 *
 * await serve({ port: 9000, fetch: () => new FastResponse("Hello") });
 * ```
 *
 * A framework that uses the global class, such as Hono, makes FastResponses after `globalThis.Response = FastResponse`;
 * results of `fetch()` are still instances of `Response` then. A program that also passes Responses to `Bun.serve` or
 * `Deno.serve` must not replace the global class.
 */
export const FastResponse: typeof Response = HeldBodyResponse as unknown as typeof Response;

let native: typeof Response | null = null;

/**
 * The runtime's own class, even where the program replaces the global one. The global class is looked at only when the
 * runtime's is needed: on Node.js the first look loads the HTTP client, which took a third of the time of importing this
 * library. It is looked at each time, because another may be the global class for a while only, such as that of a test
 * environment. A class that derives from the last one found stands for it and is passed over; so is
 * {@linkcode FastResponse}. If the global class was FastResponse from the start, the runtime's can't be found, and a
 * class of this library does its work until it is the global one again.
 */
export function nativeResponse(): typeof Response {
  const given = globalThis.Response;
  // Stryker disable next-line ConditionalExpression: a shortcut, for the class found last is passed over below
  if (given !== native && isClass(given) && !isOf(given, HeldBodyResponse) && !(native && isOf(given, native))) {
    native = given;
  }
  return native ?? StandInResponse;
}

function isClass(given: unknown): given is typeof Response {
  return typeof given === "function" && typeof given.prototype === "object" && given.prototype !== null;
}

/** Whether the instances of `given` are instances of `base`, which holds for a Proxy of that class, too. */
function isOf({ prototype }: { prototype: object }, base: { prototype: object }): boolean {
  return prototype === base.prototype || Object.prototype.isPrototypeOf.call(base.prototype, prototype);
}

/** The class whose members were added last. */
let completed: typeof Response | null = null;

/**
 * Adds the other members of a Response to the class. This is not done at import, because a program may never use the
 * class.
 */
function complete(): void {
  const base = nativeResponse();
  // Stryker disable next-line ConditionalExpression: done again it adds the same members
  if (completed === base) return;
  const { native } = HeldBodyResponse;
  const natives = { forGetter: native, forSymbol: native, forMethod: native };
  completeWith(HeldBodyResponse.prototype, base, natives, new base());
  Object.setPrototypeOf(HeldBodyResponse, base);
  // Last: if this failed, the next FastResponse tries again.
  completed = base;
}
