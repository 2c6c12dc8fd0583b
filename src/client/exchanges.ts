// The exchanges on one connection: which requests it takes, how each begins, and how each ends. The mirror of server/exchanges.ts.
//
// A connection is used in one of two ways, which differ in how an exchange ends:
//
// - Exclusive: one request after the other. The next one comes only when nothing of the one before is left: not a byte of its request to be
//   sent, not a byte behind its end. What goes wrong with a request ends the connection.
// - Shared: requests side by side, told apart by their ids. What goes wrong with a request ends that request only.

import type { IncomingResponse, IncomingResponseHooks } from "../codec/incoming_response.ts";
import { abortRequest } from "../codec/records.ts";
import { MAX_REQUEST_ID, ProtocolStatus } from "../protocol/constants.ts";
import { FastCgiError } from "../protocol/errors.ts";
import type { EndRequestBody } from "../protocol/record.ts";
import type { RecordWriter } from "../transport/record_writer.ts";
import { Exchange, type ExchangeHost, type ResponseTimeLimit, type SilenceDeadline } from "./exchange.ts";
import type { ResolvedClientOptions } from "./options.ts";
import type { ClientRequest } from "./request.ts";

/** What {@linkcode Exchanges} need of their connection. */
export interface ExchangesHost {
  readonly writer: RecordWriter;
  readonly options: ResolvedClientOptions;
  /** Whether the connection is not read because a response has no room. Then its silence is not the application's. */
  readonly isPaused: boolean;
  /** Feeds the response from now on. */
  expect(requestId: number, hooks: IncomingResponseHooks, response: IncomingResponse): void;
  /** Lets the connection take no further request. */
  finish(): void;
  /** Ends all exchanges on the connection, and then the connection. */
  giveUp(reason: unknown): void;
  /** The place of an exchange is free. */
  onRoom(): void;
  /** Nothing waits for the application any more, though the connection may not be used again yet. */
  onIdle(): void;
  /** The application refused a request because it takes one at a time (FastCGI 5.5). */
  onCantMultiplex(): void;
}

/** How requests use a connection. */
type Use = "exclusive" | "shared";

/** Why an exchange ended that has had all it wanted. One for all: to make an error with its stack costs more than many a request. */
export const FINISHED: FastCgiError = /* @__PURE__ */ new FastCgiError("connectionClosed", "The exchange is over");

/** The exchanges on one connection. */
export class Exchanges implements ExchangeHost {
  readonly writer: RecordWriter;
  readonly options: ResolvedClientOptions;
  readonly #host: ExchangesHost;
  /** Lent to the exchange in exclusive use: a timer for each request costs more than one that goes on. */
  readonly #deadline: SilenceDeadline;
  readonly #byId = new Map<number, Exchange>();
  #use: Use = "exclusive";
  #maxRequests = 1;
  /** In exclusive use: an exchange that has its FCGI_END_REQUEST, while it is not known yet whether anything follows. */
  #ended: Exchange | null = null;
  /** Counts up: with a constant id a stale response could not be told from the one that is due. */
  #lastId = 0;
  #begun = 0;
  #completed = 0;

  constructor(host: ExchangesHost, deadline: SilenceDeadline) {
    this.writer = host.writer;
    this.options = host.options;
    this.#host = host;
    this.#deadline = deadline;
  }

  /** Exchanges that are not over. */
  get active(): number {
    return this.#byId.size;
  }

  /** Exchanges that have begun. */
  get begun(): number {
    return this.#begun;
  }

  /** Exchanges that the application has ended. */
  get completed(): number {
    return this.#completed;
  }

  /** Exchanges that there may be at once. */
  get maxRequests(): number {
    return this.#maxRequests;
  }

  /** Whether requests share the connection. */
  get isShared(): boolean {
    return this.#use === "shared";
  }

  /** Whether the connection is not read because a response has no room. */
  get isPaused(): boolean {
    return this.#host.isPaused;
  }

  /** Whether no exchange waits for anything. One that has ended may still wait for the rest of the last record's padding. */
  get isDone(): boolean {
    return this.#byId.size === 0 || this.#ended !== null;
  }

  /** From now on up to `maxRequests` requests share the connection. */
  share(maxRequests: number): void {
    this.#use = "shared";
    this.#maxRequests = maxRequests;
  }

  /** From now on the connection takes one request at a time. Those that share it already go on. */
  stopSharing(): void {
    this.#use = "exclusive";
    this.#maxRequests = 1;
  }

  /**
   * Begins an exchange.
   *
   * @throws {unknown} What is wrong with the request. Nothing was sent then.
   */
  begin(request: ClientRequest, response: IncomingResponse): void {
    const requestId = this.#nextId();
    const exchange = new Exchange(this, request, response, requestId, this.isShared ? null : this.#deadline);
    this.#begun++;
    this.#byId.set(requestId, exchange);
    if (!this.options.keepAlive || this.#begun >= this.options.maxRequestsPerConnection) this.finish();
    // The connection was idle until now.
    if (!this.isPaused) this.#deadline.stop();
    exchange.begin();
  }

  expect(requestId: number, hooks: IncomingResponseHooks, response: IncomingResponse): void {
    this.#host.expect(requestId, hooks, response);
  }

  finish(): void {
    this.#host.finish();
  }

  /** FCGI_END_REQUEST came. */
  complete(exchange: Exchange, { protocolStatus }: EndRequestBody): void {
    this.#completed++;
    if (protocolStatus === ProtocolStatus.CantMpxConn) {
      this.stopSharing();
      this.#host.onCantMultiplex();
    }
    if (this.#isAlone) this.#ended = exchange;
    else this.#release(exchange);
  }

  /**
   * Bytes came, and the whole records in them were handled.
   *
   * @param isClean Whether nothing is left that could get in the way of another request.
   */
  noteBytes(isClean: boolean): void {
    const ended = this.#ended;
    if (ended === null) {
      // A record that comes slowly is no silence. With several requests it is not known to which the record will belong.
      if (this.#byId.size === 1) for (const exchange of this.#byId.values()) exchange.noteBytes();
    } else if (isClean) {
      this.#ended = null;
      this.#release(ended);
    } else {
      // Behind the end came a part of its padding, or the start of a record that no request asked for.
      ended.end(FINISHED);
      this.#host.onIdle();
    }
  }

  /**
   * Ends an exchange early. In exclusive use, closing the connection says so (FastCGI 5.4), and php-fpm understands nothing else. In shared
   * use FCGI_ABORT_REQUEST says so, and what still comes of the response is dropped. Both come behind a request body that is whole.
   */
  abort(exchange: Exchange, reason: unknown): void {
    if (this.#isAlone) {
      this.#host.giveUp(reason);
    } else if (exchange.isLive) {
      exchange.giveUp(reason);
      // Output that will not be read must not stop the connection.
      exchange.response.stdoutQueue.cancel();
      const { rest } = exchange;
      if (rest === null) this.#sendAbort(exchange);
      else void rest.then(() => this.#sendAbort(exchange));
    } else {
      // FCGI_ABORT_REQUEST was sent, and the application does not end the request: its id can't be used again.
      this.finish();
      this.#release(exchange);
    }
  }

  /** The connection is not read any more: the silence is not the application's. */
  pause(): void {
    for (const exchange of this.#byId.values()) exchange.pause();
  }

  /** The connection is read again. */
  resume(): void {
    for (const exchange of this.#byId.values()) exchange.resume();
  }

  /** The application was silent for too long, in exclusive use. */
  onTimeout(limit: ResponseTimeLimit): void {
    for (const exchange of this.#byId.values()) exchange.onTimeout(limit);
  }

  /** Responses that were not read for `stallTimeout` hold up the application, and the other exchanges on the connection. */
  onStalled(): void {
    const { stallTimeout, maxQueuedBytes } = this.options;
    for (const exchange of [...this.#byId.values()]) {
      const { response, requestId } = exchange;
      if (response.stdoutQueue.cost < maxQueuedBytes) continue;
      const message = `Cannot keep the response: it was not read for ${stallTimeout} ms`;
      this.abort(exchange, new FastCgiError("timeout", message, { limit: "stallTimeout", requestId }));
    }
  }

  /** The application takes no more of the requests. It may have answered all the same. */
  stopSending(reason: unknown): void {
    for (const exchange of this.#byId.values()) exchange.stopSending(reason);
  }

  /**
   * Ends all exchanges, but for request bodies that are whole: those are sent to their end.
   *
   * @returns Those that still send. None if nothing has left yet: then nothing leaves any more.
   */
  giveUp(reason: unknown): readonly Exchange[] {
    const sending = [...this.#byId.values()].filter(({ hasWholeBody }) => hasWholeBody);
    if (this.isDone || !sending.some(({ hasLeft }) => hasLeft)) return [];
    for (const exchange of this.#byId.values()) {
      if (sending.includes(exchange)) exchange.giveUp(reason);
      else this.#end(exchange, reason);
    }
    return sending;
  }

  /** Ends all exchanges: the connection is closed. */
  endAll(reason: unknown): void {
    for (const exchange of this.#byId.values()) this.#end(exchange, reason);
  }

  /** Whether the one exchange has the connection for itself. A connection that is not shared any more may still have several. */
  get #isAlone(): boolean {
    return this.#use === "exclusive" && this.#byId.size === 1;
  }

  #nextId(): number {
    do {
      this.#lastId = this.#lastId === MAX_REQUEST_ID ? 1 : this.#lastId + 1;
    } while (this.#byId.has(this.#lastId));
    return this.#lastId;
  }

  #sendAbort(exchange: Exchange): void {
    const { requestId } = exchange;
    // It may have ended meanwhile.
    if (this.#byId.get(requestId) !== exchange) return;
    this.writer.write([abortRequest(requestId)]);
    exchange.awaitEnd();
  }

  #end(exchange: Exchange, reason: unknown): void {
    this.#byId.delete(exchange.requestId);
    exchange.end(reason);
  }

  /** The exchange is over; its place is free. */
  #release(exchange: Exchange): void {
    if (this.#byId.get(exchange.requestId) !== exchange) return;
    const { sentWhole } = exchange;
    this.#end(exchange, FINISHED);
    // The rest of a request that was answered early would be read as the start of the next.
    if (!sentWhole && this.#use === "exclusive") this.finish();
    this.#host.onRoom();
  }
}
