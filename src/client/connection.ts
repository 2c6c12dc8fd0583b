// One transport connection to an application and the requests on it: writes and reads at the same time, so that neither side can
// block the other. To keep in step with server/connection.ts.
//
// How it ends. A client that has what it wants, or wants nothing any more, closes at once (FastCGI 5.4). But php-fpm runs a script as soon as it
// has the variables, and takes a body that was cut for a whole one. So a request body that is whole is sent to its end, whatever becomes of
// the response: the connection lingers meanwhile, and what comes is dropped. Then it is half-closed, and closed when the application has
// ended or had LINGER_TIME to do so. A body that waits for its source is cut: to wait for the source could take for ever.

import { Deadline } from "../base/deadline.ts";
import type { FastCgiClientResponse, IncomingResponse, IncomingResponseHooks } from "../codec/incoming_response.ts";
import { RecordDecoder } from "../codec/record_decoder.ts";
import { abortRequest } from "../codec/records.ts";
import { ResponseDecoder, type ResponseDecoderOutlet } from "../codec/response_decoder.ts";
import { composeStages, type Stage } from "../codec/stage.ts";
import { FCGI_NULL_REQUEST_ID, MAX_REQUEST_ID, ProtocolStatus, RecordType } from "../protocol/constants.ts";
import { FastCgiError, protocolError } from "../protocol/errors.ts";
import { decodeNameValuePairs, encodeNameValuePairs } from "../protocol/name_value_pairs.ts";
import type { EndRequestBody, FastCgiRecord } from "../protocol/record.ts";
import type { ByteChannel, ByteChannelEvents } from "../transport/byte_channel.ts";
import type { FastCgiConnection } from "../transport/connection.ts";
import { fromStreams } from "../transport/from_streams.ts";
import { RecordWriter } from "../transport/record_writer.ts";
import { Exchange, type ExchangeHost, type ResponseTimeLimit } from "./exchange.ts";
import type { ResolvedClientOptions } from "./options.ts";
import type { ClientRequest } from "./request.ts";

/** What a {@linkcode ClientConnection} tells its pool. */
export interface ClientConnectionOwner {
  /** There is room for another request. */
  onFree(connection: ClientConnection): void;
  /** Nothing can be sent on it any more. */
  onClose(connection: ClientConnection): void;
  /** The application refused a request because it takes one at a time (FastCGI 5.5), whatever it said before. */
  onCantMultiplex(connection: ClientConnection): void;
}

/** How far a connection has come. It only goes forward. */
type Phase =
  /** Takes requests, as many as its use allows. */
  | "open"
  /** Takes no request, and is closed as soon as none is left. */
  | "finishing"
  /** No response is wanted any more. Request bodies that are whole are sent to their end. What comes is read and dropped. */
  | "lingering"
  | "closed";

/** How requests use a connection. */
type Use =
  /**
   * One after the other. The next one comes only when nothing is left of the one before: not a byte of its request to be sent, not a byte
   * behind its end. What goes wrong with a request ends the connection.
   */
  | "exclusive"
  /** Side by side, told apart by their ids. What goes wrong with a request ends that request, and the connection goes on. */
  | "shared";

/**
 * Milliseconds that the application has behind the end of a request body whose response is not wanted. Output that is not read when a TCP
 * socket is closed resets the connection, and what is still on the way to the application is lost with it.
 */
const LINGER_TIME = 1000;

/** What runs out. */
type TimeLimit = ResponseTimeLimit | "idleTimeout" | "stallTimeout" | "values" | "linger";

/** Who waits for the answer to FCGI_GET_VALUES. */
interface ValuesWait {
  resolve(values: Map<string, string>): void;
  reject(reason: unknown): void;
}

/** A connection of a {@linkcode FastCgiClient}. */
export class ClientConnection implements ByteChannelEvents, ResponseDecoderOutlet, ExchangeHost {
  readonly writer: RecordWriter;
  readonly options: ResolvedClientOptions;
  /** The connection as the connector gave it. */
  readonly transport: FastCgiConnection;
  readonly #owner: ClientConnectionOwner;
  readonly #channel: ByteChannel;
  readonly #records = new RecordDecoder({ splitStreams: true });
  readonly #decoder: ResponseDecoder;
  readonly #stages: Stage<Uint8Array, FastCgiClientResponse>;
  readonly #exchanges = new Map<number, Exchange>();
  /** Lent to the exchange in exclusive use: a timer for each request costs more than one that goes on. */
  readonly #deadline: Deadline<TimeLimit>;
  #phase: Phase = "open";
  #closeReason: unknown;
  #use: Use = "exclusive";
  #maxRequests = 1;
  #values: ValuesWait | null = null;
  /** Whether FCGI_GET_VALUES was sent. Answers may come when nobody waits for them any more. */
  #hasAsked = false;
  /** In exclusive use: an exchange that has its FCGI_END_REQUEST, while it is not known yet whether anything follows. */
  #ended: Exchange | null = null;
  /** Counts up: with a constant id a stale response could not be told from the one that is due. */
  #lastId = 0;
  #requests = 0;
  #completed = 0;
  /** Whether anything has come since the connection was last without a request. */
  #heard = false;
  /** Pieces that a response had no room for. Nothing is read while there are any. */
  #pauses = 0;
  #writeError: unknown;

  constructor(transport: FastCgiConnection, options: ResolvedClientOptions, owner: ClientConnectionOwner) {
    this.transport = transport;
    this.options = options;
    this.#owner = owner;
    this.#channel = fromStreams(transport);
    this.#decoder = new ResponseDecoder(this, options);
    this.#stages = composeStages(this.#records, this.#decoder);
    this.writer = new RecordWriter(this.#channel, {
      writeTimeout: options.writeTimeout,
      isShared: () => this.isShared,
      onError: (error) => this.#onWriteError(error),
    });
    this.#deadline = new Deadline((limit) => this.#onTimeout(limit));
    // The request that it was opened for may be gone. Then it is idle from the start.
    if (options.keepAlive) this.#deadline.restart(options.idleTimeout, "idleTimeout");
    this.#channel.start(this);
  }

  /** Requests on it. */
  get active(): number {
    return this.#exchanges.size;
  }

  /** Requests that may be on it at once. */
  get maxRequests(): number {
    return this.#maxRequests;
  }

  /** Whether it can take a request now. */
  get isFree(): boolean {
    return this.#phase === "open" && this.#exchanges.size < this.#maxRequests;
  }

  /** Whether it takes requests, now or when there is room again. */
  get isOpen(): boolean {
    return this.#phase === "open";
  }

  /** Whether requests share it. */
  get isShared(): boolean {
    return this.#use === "shared";
  }

  /** Requests that it has had. */
  get requests(): number {
    return this.#requests;
  }

  /** Those of them that the application has ended. */
  get completed(): number {
    return this.#completed;
  }

  /** Whether it was kept without a request, so that the application may have closed it without our knowing. */
  get isKept(): boolean {
    return this.#requests > 0 && this.#exchanges.size === 0;
  }

  /** Whether anything has come since it was last without a request. */
  get hasHeard(): boolean {
    return this.#heard;
  }

  /** Whether nothing can be sent on it any more. */
  get isClosed(): boolean {
    return this.#phase === "lingering" || this.#phase === "closed";
  }

  /** Why nothing can be sent on it any more. */
  get closeReason(): unknown {
    return this.#closeReason;
  }

  /** From now on up to `maxRequests` requests share it. */
  share(maxRequests: number): void {
    this.#use = "shared";
    this.#maxRequests = maxRequests;
  }

  /** From now on it takes one request at a time. Those that share it already go on. */
  stopSharing(): void {
    this.#use = "exclusive";
    this.#maxRequests = 1;
  }

  /**
   * Sends a request. `response` gets what the application answers, and fails with whatever goes wrong from then on.
   *
   * @throws {unknown} What is wrong with the request, the reason of its signal, or why the connection is closed. Nothing was sent then,
   * and the connection is as it was.
   */
  send(request: ClientRequest, response: IncomingResponse): void {
    request.signal?.throwIfAborted();
    if (this.isClosed) throw this.#closeReason;
    const requestId = this.#nextId();
    const exchange = new Exchange(request, response, requestId, this, this.isShared ? null : this.#deadline);
    if (this.#exchanges.size === 0) this.#heard = false;
    this.#requests++;
    const { keepAlive, maxRequestsPerConnection } = this.options;
    if (!keepAlive || this.#requests >= maxRequestsPerConnection) this.#finish();
    // It was idle until now.
    if (!this.isPaused) this.#deadline.stop();
    this.#exchanges.set(requestId, exchange);
    exchange.start();
  }

  /** Asks for the application's limits (FastCGI 4.1), on a connection that has no request. `timeout` is in milliseconds. */
  getValues(names: readonly string[], timeout: number): Promise<Map<string, string>> {
    const contentData = encodeNameValuePairs(names.map((name) => [name, ""]));
    return new Promise((resolve, reject) => {
      if (this.isClosed) throw this.#closeReason;
      this.#values = { resolve, reject };
      this.#hasAsked = true;
      // libfcgi reads on before it answers, so an unpadded one alone would wait for ever; the encoder pads to eight.
      const paddingLength = -contentData.length & 7 || 8;
      const requestId = FCGI_NULL_REQUEST_ID;
      this.writer.write([{ type: RecordType.GetValues, requestId, contentData, paddingLength }]);
      this.#deadline.restart(timeout, "values");
    });
  }

  /** Takes no more requests; closes when none is left. */
  retire(): void {
    this.#finish();
    if (this.#exchanges.size === 0 || this.#ended !== null) this.close(NOT_USED);
  }

  /** Ends what is under way with `reason`, and closes the connection: at once, or behind request bodies that are whole. */
  giveUp(reason: unknown): void {
    if (this.isClosed) return;
    const exchanges = [...this.#exchanges.values()];
    const unsent = new Set(exchanges.filter(({ hasWholeBody }) => hasWholeBody));
    // What has not left yet, never leaves.
    if (this.#ended !== null || this.writer.hasFailed || ![...unsent].some(({ hasLeft }) => hasLeft)) {
      this.close(reason);
      return;
    }
    this.#phase = "lingering";
    this.#closeReason = reason;
    for (const exchange of exchanges) {
      if (unsent.has(exchange)) exchange.giveUp(reason);
      else this.#exchanges.delete(exchange.requestId);
    }
    this.#deadline.stop();
    this.#decoder.failAll(reason);
    for (const exchange of exchanges) if (!unsent.has(exchange)) exchange.end(reason);
    void this.#sendRest([...unsent]);
  }

  /** The writer's timeout is the limit: an application that takes nothing for so long is left with what it has. */
  async #sendRest(exchanges: readonly Exchange[]): Promise<void> {
    const isTaken = this.writer.pendingBytes === 0 && exchanges.every(({ sentWhole }) => sentWhole);
    await Promise.all(exchanges.map(({ rest }) => rest));
    // Also where all is taken: the transport may hold some of it, and a plain close would drop that.
    await this.writer.close();
    if (this.#phase !== "lingering") return;
    if (isTaken) this.close(this.#closeReason);
    else this.#deadline.restart(LINGER_TIME, "linger");
  }

  /** Closes the connection at once. What is under way fails with `reason`. */
  close(reason: unknown): void {
    this.#close(reason);
  }

  /** @param errorFor What a response fails with, if not with `reason`. */
  #close(reason: unknown, errorFor?: (response: IncomingResponse) => unknown): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    this.#closeReason = reason;
    this.#deadline.dispose();
    this.#decoder.failAll(reason, errorFor);
    for (const exchange of this.#exchanges.values()) exchange.end(reason);
    this.#exchanges.clear();
    this.#values?.reject(reason);
    this.writer.fail(reason);
    try {
      this.#channel.close(reason);
    } finally {
      this.#owner.onClose(this);
    }
  }

  #finish(): void {
    if (this.#phase === "open") this.#phase = "finishing";
  }

  #nextId(): number {
    do {
      this.#lastId = this.#lastId === MAX_REQUEST_ID ? 1 : this.#lastId + 1;
    } while (this.#exchanges.has(this.#lastId));
    return this.#lastId;
  }

  /** Output came. */
  onData(piece: Uint8Array): void {
    if (this.isClosed) return;
    this.#heard = true;
    try {
      if (this.#exchanges.size === 0 && !this.#hasAsked) {
        throw protocolError("Cannot read a record: no request is under way");
      }
      const pause = this.#stages.transform(piece, NOTHING_COMES_OUT);
      if (pause !== undefined) void this.#pauseFor(pause);
    } catch (error) {
      this.onError(error);
      return;
    }
    if (this.#ended !== null) this.#releaseEnded(this.#ended);
    // A record that comes slowly is no silence. On a connection with several requests it is not known whose it will be.
    else if (this.#exchanges.size === 1) for (const exchange of this.#exchanges.values()) exchange.noteBytes();
  }

  /** The application sends no more. Not the stages' flush(): it would fail the response without saying that writing had failed before. */
  onEnd(): void {
    this.#fail("the application closed the connection before its end", this.#writeError);
  }

  /** The connection broke, or its output can't be understood. */
  onError(error: unknown): void {
    if (error instanceof FastCgiError) this.giveUp(error);
    else this.#fail(`the connection failed: ${error instanceof Error ? error.message : String(error)}`, error);
  }

  async #pauseFor(reason: Promise<void>): Promise<void> {
    this.#pauses++;
    this.#channel.pause();
    for (const exchange of this.#exchanges.values()) exchange.pause();
    this.#deadline.restart(this.options.stallTimeout, "stallTimeout");
    await reason;
    this.#pauses--;
    if (this.#phase === "closed" || this.isPaused) return;
    this.#channel.resume();
    if (this.#phase === "lingering") return;
    this.#deadline.stop();
    if (this.#exchanges.size === 0) this.#becomeIdle();
    for (const exchange of this.#exchanges.values()) exchange.resume();
  }

  get isPaused(): boolean {
    return this.#pauses > 0;
  }

  expect(requestId: number, hooks: IncomingResponseHooks, response: IncomingResponse): void {
    this.#decoder.expect(requestId, hooks, response);
  }

  /**
   * Ends an exchange early. On a connection of its own, closing says so (FastCGI 5.4), and is the only thing that php-fpm understands;
   * on a shared one FCGI_ABORT_REQUEST does, and what still comes is dropped. Both come behind a request body that is whole.
   */
  abort(exchange: Exchange, reason: unknown): void {
    if (this.#isAlone) {
      this.giveUp(reason);
    } else if (exchange.isLive) {
      exchange.giveUp(reason);
      // What nobody will read must not hold the connection back.
      exchange.response.stdoutQueue.cancel();
      const { rest } = exchange;
      if (rest === null) this.#sendAbort(exchange);
      else void rest.then(() => this.#sendAbort(exchange));
    } else {
      // It was aborted, and the application does not say that it has ended: its id can't be used again.
      this.#finish();
      this.#release(exchange);
    }
  }

  #sendAbort(exchange: Exchange): void {
    const { requestId } = exchange;
    // It may have ended meanwhile, or be on a connection that is closed behind it.
    if (this.isClosed || this.#exchanges.get(requestId) !== exchange) return;
    this.writer.write([abortRequest(requestId)]);
    exchange.awaitEnd();
  }

  /** FCGI_END_REQUEST came. */
  complete(exchange: Exchange, { protocolStatus }: EndRequestBody): void {
    this.#completed++;
    if (protocolStatus === ProtocolStatus.CantMpxConn) {
      this.stopSharing();
      this.#owner.onCantMultiplex(this);
    }
    if (this.#isAlone) this.#ended = exchange;
    else this.#release(exchange);
  }

  /** Whether the one exchange on it has the connection for itself. One that is not shared any more may still have several. */
  get #isAlone(): boolean {
    return this.#use === "exclusive" && this.#exchanges.size === 1;
  }

  /** What came with the end of the response has been looked at: is there anything behind it? */
  #releaseEnded(exchange: Exchange): void {
    if (this.#phase === "finishing" || this.#records.isBetweenRecords) {
      this.#ended = null;
      this.#release(exchange);
    } else {
      // Padding that was cut, or the start of something that nobody asked for.
      exchange.end(NOT_USED);
      this.#becomeIdle();
    }
  }

  /** The exchange is over; its place is free. */
  #release(exchange: Exchange): void {
    if (!this.#exchanges.delete(exchange.requestId)) return;
    const { sentWhole } = exchange;
    exchange.end(NOT_USED);
    // The rest of a request that was answered early would be read as the start of the next.
    if (!sentWhole && this.#use === "exclusive") this.#finish();
    if (this.#exchanges.size === 0) {
      if (this.#phase === "finishing") {
        this.close(NOT_USED);
        return;
      }
      this.#becomeIdle();
    }
    if (this.isFree) this.#owner.onFree(this);
  }

  #becomeIdle(): void {
    this.#deadline.restart(this.options.idleTimeout, "idleTimeout");
  }

  /** An answer to FCGI_GET_VALUES. */
  management({ type, contentData }: FastCgiRecord): void {
    // Go sends a second, empty answer.
    if (this.#values === null) return;
    const { resolve, reject } = this.#values;
    if (type === RecordType.GetValuesResult) resolve(new Map(decodeNameValuePairs(contentData)));
    else reject(protocolError("Cannot get values: the application does not know FCGI_GET_VALUES"));
    this.#values = null;
    this.#becomeIdle();
  }

  /** Records for a request that is over. Go sends them behind an abort; where requests follow one another, none is to meet them. */
  report(error: FastCgiError): void {
    if (this.#use === "exclusive") this.giveUp(error);
  }

  /**
   * An application that has answered may close without reading the rest of the request. Its answer is still there to be read, so
   * the read side decides how the exchange ends.
   */
  #onWriteError(error: unknown): void {
    if (this.isClosed) {
      this.close(error);
      return;
    }
    if (this.#exchanges.size === 0 || (error instanceof FastCgiError && error.code === "timeout")) {
      this.close(error);
      return;
    }
    this.#finish();
    this.#writeError = error;
    for (const exchange of this.#exchanges.values()) exchange.stopSending(error);
  }

  /** The transport has ended or failed. Each request learns what its own application wrote to stderr. */
  #fail(what: string, cause: unknown): void {
    const gone = (response?: IncomingResponse): FastCgiError => {
      const { requestId, stderrText: stderr } = response ?? {};
      return new FastCgiError("connectionClosed", `Cannot read the response: ${what}`, { requestId, stderr, cause });
    };
    this.#close(gone(), gone);
  }

  #onTimeout(limit: TimeLimit): void {
    switch (limit) {
      case "headerTimeout":
      case "readTimeout":
        for (const exchange of this.#exchanges.values()) exchange.onTimeout(limit);
        return;
      case "stallTimeout":
        this.#onStalled();
        return;
      case "linger":
        this.close(this.#closeReason);
        return;
      case "idleTimeout": {
        const message = `The connection was idle for ${this.options.idleTimeout} ms`;
        this.close(new FastCgiError("timeout", message, { limit }));
        return;
      }
      case "values": {
        const message = "Cannot get values: the application was silent for too long";
        this.close(new FastCgiError("timeout", message, { limit: "readTimeout" }));
      }
    }
  }

  /** A response is not read: it holds up the application, and the others on the connection. */
  #onStalled(): void {
    const { stallTimeout, maxQueuedBytes } = this.options;
    for (const exchange of [...this.#exchanges.values()]) {
      const { response, requestId } = exchange;
      if (response.stdoutQueue.cost < maxQueuedBytes) continue;
      const message = `Cannot keep the response: it was not read for ${stallTimeout} ms`;
      this.abort(exchange, new FastCgiError("timeout", message, { limit: "stallTimeout", requestId }));
    }
  }
}

/** Responses are announced, so the stages give nothing out. */
const NOTHING_COMES_OUT = { enqueue(): void {} };

/** Why a connection that is of no more use is closed. One for all, as an error with its stack costs more than many a request. */
const NOT_USED: FastCgiError = /* @__PURE__ */ new FastCgiError("connectionClosed", "The exchange is over");
