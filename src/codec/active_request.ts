import type { Role } from "../protocol/constants.ts";
import { NO_CONTENT } from "../protocol/record.ts";
import type { IncomingRequest } from "./incoming_request.ts";
import type { RequestState } from "./request_state.ts";

/** How long a request may wait for its input, in milliseconds. */
export interface InputTimeouts {
  /** From the start of the request to the end of its params. */
  readonly paramsTimeout: number;
  /** From one piece of its streams to the next. */
  readonly readTimeout: number;
}

/** Stands for a time after the clock was last read. The clock is read once for all records that come in one piece. */
export const SINCE_LAST_LOOK = -1;

/** A request that has begun and not ended, whether or not its params are complete. */
export class ActiveRequest {
  readonly requestId: number;
  readonly role: Role;
  readonly keepConn: boolean;
  state: RequestState = "params";
  /** The request that the application gets, once the params are complete. */
  request: IncomingRequest | null = null;
  /** The time since which the request waits for input. */
  waitsSince: number = SINCE_LAST_LOOK;
  /** The first `#paramsLength` bytes are the params so far; the rest is room for more. */
  #params: Uint8Array = NO_CONTENT;
  #paramsLength = 0;

  constructor(requestId: number, role: Role, keepConn: boolean) {
    this.requestId = requestId;
    this.role = role;
    this.keepConn = keepConn;
  }

  /** The number of bytes of the params so far. */
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

  /** Returns all bytes of the params, and drops them. */
  takeParams(): Uint8Array {
    const params = this.#params.subarray(0, this.#paramsLength);
    this.#params = NO_CONTENT;
    return params;
  }

  /** Whether the request waits for input that will be read. */
  get awaitsInput(): boolean {
    return this.state !== "complete" && (this.request === null || this.request.awaitsInput);
  }

  /** The timeout that applies to the request now. */
  get timeout(): keyof InputTimeouts {
    return this.request === null ? "paramsTimeout" : "readTimeout";
  }
}
