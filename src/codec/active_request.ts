import type { Role } from "../protocol/constants.ts";
import { NO_CONTENT } from "../protocol/record.ts";
import type { IncomingRequest } from "./incoming_request.ts";
import type { RequestState } from "./request_state.ts";

/** How long a request may wait for its input, in milliseconds. */
export interface InputTimeouts {
  /** From the start of the request to the end of its params. */
  readonly paramsTimeout: number;
  /** From the last that came of its streams to the next. */
  readonly readTimeout: number;
}

/** In place of a time: behind the last look at the clock. It is looked at once for all that comes in one piece. */
export const SINCE_LAST_LOOK = -1;

/** A request that has begun and not ended, whether or not its params are complete. */
export class ActiveRequest {
  readonly requestId: number;
  readonly role: Role;
  readonly keepConn: boolean;
  state: RequestState = "params";
  /** What the application gets, once the params are complete. */
  request: IncomingRequest | null = null;
  /** Since when it waits for the input of its state. */
  waitsSince: number = SINCE_LAST_LOOK;
  /** The first `#paramsLength` bytes are what came of the params; behind them is room for more. */
  #params: Uint8Array = NO_CONTENT;
  #paramsLength = 0;

  constructor(requestId: number, role: Role, keepConn: boolean) {
    this.requestId = requestId;
    this.role = role;
    this.keepConn = keepConn;
  }

  /** Bytes that came of the params. */
  get paramsLength(): number {
    return this.#paramsLength;
  }

  /**
   * Adds a piece of the params. The first piece stays the view it is, because most params come in one record; more are copied, because
   * an object and a chunk kept for every byte would cost hundreds of bytes.
   */
  addParams(piece: Uint8Array): void {
    const length = this.#paramsLength;
    const needed = length + piece.length;
    this.#paramsLength = needed;
    if (length === 0) {
      this.#params = piece;
      return;
    }
    if (needed > this.#params.length) {
      const larger = new Uint8Array(Math.max(needed, 2 * length));
      larger.set(this.#params);
      this.#params = larger;
    }
    this.#params.set(piece, length);
  }

  /** All that came of the params. They are not kept any longer. */
  takeParams(): Uint8Array {
    const params = this.#params.subarray(0, this.#paramsLength);
    this.#params = NO_CONTENT;
    return params;
  }

  /** Whether it waits for input that will be read. */
  get awaitsInput(): boolean {
    return this.state !== "complete" && (this.request === null || this.request.awaitsInput);
  }

  /** The timeout that it waits by. */
  get timeout(): keyof InputTimeouts {
    return this.request === null ? "paramsTimeout" : "readTimeout";
  }
}
