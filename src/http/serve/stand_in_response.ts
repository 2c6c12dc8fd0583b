// Does the work of the runtime's class of Responses behind FastResponse where nothing leads to that class: when a program
// has replaced the global class before this library looked at it. A native Request holds the body, because it has the
// same members for it.

import { optionsOf } from "../../base/unexpected.ts";
import { isNullBodyStatus, isReasonPhrase } from "../shared/header_rules.ts";

const REDIRECT_STATUSES: readonly number[] = [301, 302, 303, 307, 308];
const TYPE = "content-type";

class StandIn {
  static readonly name: string = "Response";
  readonly statusText: string;
  readonly headers: Headers;
  #status: number;
  #type: ResponseType = "default";
  #holder: Request;

  constructor(body: BodyInit | null = null, init: ResponseInit | null = {}) {
    const { status = 200, statusText = "", headers } = optionsOf(init ?? {}, "init");
    this.#status = unsignedShort(status);
    if (this.#status < 200 || this.#status > 599) {
      throw new RangeError(`Cannot make a Response: expected a status from 200 to 599, got ${status}`);
    }
    this.statusText = String(statusText);
    // Stryker disable next-line ConditionalExpression,StringLiteral: a shortcut, for no text is a reason phrase as well
    if (this.statusText !== "" && !isReasonPhrase(this.statusText)) {
      throw new TypeError(`Cannot make a Response: ${JSON.stringify(this.statusText)} is no reason phrase`);
    }
    if (body !== null && isNullBodyStatus(this.#status)) {
      throw new TypeError(`Cannot make a Response: status ${this.#status} has no body`);
    }
    this.headers = new Headers(headers);
    const holding: RequestInit & { duplex: "half" } = { method: "POST", body, duplex: "half" };
    this.#holder = new Request("http://localhost/", holding);
    const type = this.#holder.headers.get(TYPE);
    if (type !== null && !this.headers.has(TYPE)) this.headers.set(TYPE, type);
  }

  /** Every Response is an instance, of whatever class: which class is the runtime's is not known. */
  static [Symbol.hasInstance](value: unknown): boolean {
    return Object.prototype.toString.call(value) === "[object Response]";
  }

  static json(): never {
    throw new TypeError("Cannot make a Response: its data is not JSON");
  }

  static redirect(url: string | URL, given = 302): StandIn {
    const location = new URL(url).href;
    const status = unsignedShort(given);
    if (!REDIRECT_STATUSES.includes(status)) {
      throw new RangeError(`Cannot redirect: expected one of ${REDIRECT_STATUSES.join(", ")}, got ${given}`);
    }
    return new StandIn(null, { status, headers: { location } });
  }

  static error(): StandIn {
    const response = new StandIn();
    response.#type = "error";
    response.#status = 0;
    return response;
  }

  get [Symbol.toStringTag](): string {
    return "Response";
  }

  get status(): number {
    return this.#status;
  }

  get ok(): boolean {
    return this.#status >= 200 && this.#status < 300;
  }

  get type(): ResponseType {
    return this.#type;
  }

  get url(): string {
    return "";
  }

  get redirected(): boolean {
    return false;
  }

  get body(): ReadableStream<Uint8Array> | null {
    return this.#holder.body;
  }

  get bodyUsed(): boolean {
    return this.#holder.bodyUsed;
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    return this.#holder.arrayBuffer();
  }

  blob(): Promise<Blob> {
    return this.#typed().blob();
  }

  async bytes(): Promise<Uint8Array> {
    // Requests of Node 20 have no bytes().
    return new Uint8Array(await this.#holder.arrayBuffer());
  }

  formData(): Promise<FormData> {
    return this.#typed().formData();
  }

  json(): Promise<unknown> {
    return this.#holder.json();
  }

  text(): Promise<string> {
    return this.#holder.text();
  }

  clone(): StandIn {
    const { statusText, headers } = this;
    const response = new StandIn(null, { statusText, headers });
    response.#status = this.#status;
    response.#type = this.#type;
    response.#holder = this.#holder.clone();
    return response;
  }

  /** The holder, with the type that the headers have by now. */
  #typed(): Request {
    const type = this.headers.get(TYPE);
    // Stryker disable next-line ConditionalExpression: the text "null" is no type either
    if (type === null) this.#holder.headers.delete(TYPE);
    else this.#holder.headers.set(TYPE, type);
    return this.#holder;
  }
}

/** Converts a status as Fetch does, to an unsigned short of Web IDL: an integer of 16 bits. */
function unsignedShort(status: unknown): number {
  return Number(status) & 0xffff;
}

/** Has what this library uses of the runtime's class. */
export const StandInResponse: typeof Response = StandIn as unknown as typeof Response;
