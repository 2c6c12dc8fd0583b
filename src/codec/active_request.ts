import { GrowingBytes } from "../base/growing_bytes.ts";
import type { Role } from "../protocol/constants.ts";
import type { IncomingRequest } from "./incoming_request.ts";
import type { RequestState } from "./request_state.ts";
import type { RequestWatch } from "./request_watch.ts";

/** How long a request may wait for its input, in milliseconds. */
export interface InputTimeouts {
  /** From the start of the request to the end of its params. */
  readonly paramsTimeout: number;
  /** From one piece of its streams to the next. */
  readonly readTimeout: number;
}

/** Stands for a time after the clock was last read. The clock is read once for all records that come in one piece. */
// Stryker disable next-line UnaryOperator: a server's clock has passed 1 ms before a request comes
export const SINCE_LAST_LOOK = -1;

/** A request that has begun and not ended, whether or not its params are complete. */
export class ActiveRequest {
  readonly requestId: number;
  readonly role: Role;
  readonly keepConn: boolean;
  /** Hears of its end, if the program wants to know. */
  readonly watch: RequestWatch | null;
  state: RequestState = "params";
  /** The request that the application gets, once the params are complete. */
  request: IncomingRequest | null = null;
  /** The time since which the request waits for input. */
  waitsSince: number = SINCE_LAST_LOOK;
  /** The params so far. Most params come in one record, of which nothing is copied. */
  readonly params: GrowingBytes = new GrowingBytes();

  constructor(requestId: number, role: Role, keepConn: boolean, watch: RequestWatch | null) {
    this.requestId = requestId;
    this.role = role;
    this.keepConn = keepConn;
    this.watch = watch;
  }

  /** Whether the request waits for input that will be read. */
  get awaitsInput(): boolean {
    // Stryker disable next-line ConditionalExpression,StringLiteral: a shortcut, for all streams of a complete request have ended
    return this.state !== "complete" && (this.request === null || this.request.awaitsInput);
  }

  /** The timeout that applies to the request now. */
  get timeout(): keyof InputTimeouts {
    return this.request === null ? "paramsTimeout" : "readTimeout";
  }
}
