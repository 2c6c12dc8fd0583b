// The exchanges on one connection: which requests it takes, how each begins, and how each ends. The mirror of
// server/exchanges.ts.
//
// A connection is used in one of two ways, which differ in how an exchange ends:
//
// - Exclusive: one request after the other. The next request begins only when the one before has been sent completely
//   and nothing came after its end. An error of a request ends the connection.
// - Shared: requests side by side, told apart by their ids. An error of a request ends only that request.

import { SmallMap } from "../base/small_map.ts";
import { readerOf } from "../codec/byte_source.ts";
import type { IncomingResponse, IncomingResponseHooks } from "../codec/incoming_response.ts";
import { abortRequest } from "../codec/records.ts";
import type { RequestSenderOptions } from "../codec/request_sender.ts";
import { MAX_REQUEST_ID, ProtocolStatus } from "../protocol/constants.ts";
import { FastCgiError } from "../protocol/errors.ts";
import type { EndRequestBody } from "../protocol/record.ts";
import type { RecordWriter } from "../transport/record_writer.ts";
import { Exchange, type ExchangeHost, type ResponseTimeLimit, type SilenceDeadline } from "./exchange.ts";
import type { ResolvedClientOptions } from "./options.ts";
import type { ClientRequest } from "./request.ts";
import { TimedReader } from "./timed_reader.ts";

/** The part of a connection that its {@linkcode Exchanges} use. */
export interface ExchangesHost {
  readonly writer: RecordWriter;
  readonly options: ResolvedClientOptions;
  /** Whether the connection is not read because a response has no room. Silence is then not the application's fault. */
  readonly isPaused: boolean;
  /** Feeds the response from now on. */
  expect(requestId: number, hooks: IncomingResponseHooks, response: IncomingResponse): void;
  /** Makes the connection accept no further request. */
  finish(): void;
  /** Ends all exchanges on the connection, and then the connection. */
  giveUp(reason: unknown): void;
  /** Called when there is room for another exchange. */
  onRoom(): void;
  /** Called when nothing waits for the application any more, although the connection may not be used again yet. */
  onIdle(): void;
  /**
   * Called when the application refused a request because it takes one at a time (FastCGI 5.5), whatever it said
   * before.
   */
  onCantMultiplex(): void;
}

/** How requests use a connection. */
type Use = "exclusive" | "shared";

/**
 * The reason of an exchange that ended normally. One object for all, because an error with its stack costs more than
 * many a request.
 */
export const FINISHED: FastCgiError = /* @__PURE__ */ new FastCgiError("connectionClosed", "The exchange is over");

/** The exchanges on one connection. */
export class Exchanges implements ExchangeHost {
  readonly writer: RecordWriter;
  readonly options: ResolvedClientOptions;
  readonly sending: RequestSenderOptions;
  readonly #host: ExchangesHost;
  /** Lent to the exchange in exclusive use, because a timer for each request would cost more. */
  readonly #deadline: SilenceDeadline;
  readonly #byId = new SmallMap<number, Exchange>();
  #use: Use = "exclusive";
  #maxRequests = 1;
  /** In exclusive use: an exchange that has its FCGI_END_REQUEST, until it is known whether anything follows. */
  #ended: Exchange | null = null;
  /** Counts up, because with a constant id a late response of an earlier request looks like the expected one. */
  #lastId = 0;
  #begun = 0;
  #completed = 0;

  constructor(host: ExchangesHost, deadline: SilenceDeadline) {
    this.writer = host.writer;
    this.options = host.options;
    const { keepAlive, requestBodyTimeout } = host.options;
    this.sending = {
      keepConn: keepAlive,
      read: (source, name) => new TimedReader(readerOf(source), requestBodyTimeout, name),
    };
    this.#host = host;
    this.#deadline = deadline;
  }

  /** The number of exchanges that are not over. */
  get active(): number {
    return this.#byId.size;
  }

  /** The number of exchanges that have begun. */
  get begun(): number {
    return this.#begun;
  }

  /** The number of exchanges that the application has ended. */
  get completed(): number {
    return this.#completed;
  }

  /** The most exchanges at once. */
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

  /**
   * Whether no exchange waits for anything. An exchange that has ended may still wait for the rest of the last record's
   * padding.
   */
  get isDone(): boolean {
    return this.#byId.size === 0 || this.#ended !== null;
  }

  /** Lets up to `maxRequests` requests share the connection from now on. */
  share(maxRequests: number): void {
    this.#use = "shared";
    this.#maxRequests = maxRequests;
  }

  /** Takes one request at a time from now on. Requests that share the connection already go on. */
  stopSharing(): void {
    // Stryker disable next-line StringLiteral: only "shared" is asked for
    this.#use = "exclusive";
    this.#maxRequests = 1;
  }

  /**
   * Begins an exchange.
   *
   * @throws {unknown} The error of the request. Nothing was sent then.
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

  /** Called with FCGI_END_REQUEST. */
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
   * Called when bytes came and the complete records in them were handled.
   *
   * @param isClean Whether nothing is left that could disturb another request.
   */
  noteBytes(isClean: boolean): void {
    const ended = this.#ended;
    if (ended === null) {
      // A record that comes slowly is not silence. With several requests it is not known to which of them it belongs.
      if (this.#byId.size === 1) for (const exchange of this.#byId.values()) exchange.noteBytes();
    } else if (isClean) {
      this.#ended = null;
      this.#release(ended);
    } else {
      // After the end came a part of its padding, or the start of an unexpected record.
      ended.end(FINISHED);
      this.#host.onIdle();
    }
  }

  /**
   * Ends an exchange early. In exclusive use the connection is closed (FastCGI 5.4), which is the only abort that
   * php-fpm notices. In shared use FCGI_ABORT_REQUEST is sent, and further output of the request is dropped. Both come
   * after a complete request body.
   */
  abort(exchange: Exchange, reason: unknown): void {
    if (this.#isAlone) {
      this.#host.giveUp(reason);
    } else if (exchange.isLive) {
      exchange.giveUp(reason);
      // Output that will not be read must not stop the connection.
      exchange.response.stdoutQueue.drop();
      const { rest } = exchange;
      if (rest === null) this.#sendAbort(exchange);
      else void rest.then(() => this.#sendAbort(exchange));
    } else {
      // FCGI_ABORT_REQUEST was sent, and the application does not end the request: its id can't be used again.
      this.finish();
      this.#release(exchange);
    }
  }

  /** Called when the connection is not read any more: silence is not the application's fault. */
  pause(): void {
    for (const exchange of this.#byId.values()) exchange.pause();
    this.noteReads();
  }

  /** Notes how far the responses were read, for {@linkcode Exchanges.onStalled}. */
  noteReads(): void {
    for (const { response } of this.#byId.values()) response.stdoutQueue.noteReads();
  }

  /** Called when the connection is read again. */
  resume(): void {
    for (const exchange of this.#byId.values()) exchange.resume();
  }

  /** Called when the application was silent for too long, in exclusive use. */
  onTimeout(limit: ResponseTimeLimit): void {
    for (const exchange of this.#byId.values()) exchange.onTimeout(limit);
  }

  /**
   * Fails responses of which nothing was read since the last note, which was `stallTimeout` ago: they hold up the
   * application, and the other exchanges on the connection.
   */
  onStalled(): void {
    const { stallTimeout } = this.options;
    for (const exchange of this.#byId.values()) {
      const { response, requestId } = exchange;
      if (!response.stdoutQueue.isStuck) continue;
      const message = `Cannot keep the response: it was not read for ${stallTimeout} ms`;
      this.abort(exchange, new FastCgiError("timeout", message, { limit: "stallTimeout", requestId }));
    }
  }

  /** Stops sending, because the application reads no more of the requests. It may have answered. */
  stopSending(reason: unknown): void {
    for (const exchange of this.#byId.values()) exchange.stopSending(reason);
  }

  /**
   * Ends all exchanges, except that complete request bodies are sent to their end.
   *
   * @returns The exchanges that still send. None if nothing was sent yet: then nothing is sent any more.
   */
  giveUp(reason: unknown): readonly Exchange[] {
    const sending = this.#byId.values().filter(({ hasWholeBody }) => hasWholeBody);
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

  /**
   * Whether the connection has one exchange in exclusive use. A connection that is no longer shared may still have
   * several.
   */
  get #isAlone(): boolean {
    return !this.isShared && this.#byId.size === 1;
  }

  #nextId(): number {
    do {
      this.#lastId = (this.#lastId % MAX_REQUEST_ID) + 1;
    } while (this.#byId.has(this.#lastId));
    return this.#lastId;
  }

  #sendAbort(exchange: Exchange): void {
    const { requestId } = exchange;
    // The exchange may have ended.
    if (this.#byId.get(requestId) !== exchange) return;
    this.writer.write([abortRequest(requestId)]);
    exchange.awaitEnd();
  }

  #end(exchange: Exchange, reason: unknown): void {
    this.#byId.delete(exchange.requestId);
    exchange.end(reason);
  }

  /** Removes an exchange that is over. */
  #release(exchange: Exchange): void {
    // Stryker disable next-line ConditionalExpression: for an exchange that is over the rest does nothing
    if (this.#byId.get(exchange.requestId) !== exchange) return;
    const { sentWhole } = exchange;
    this.#end(exchange, FINISHED);
    // The rest of a request that was answered early would be read as the start of the next one.
    if (!sentWhole && this.#use === "exclusive") this.finish();
    this.#host.onRoom();
  }
}
