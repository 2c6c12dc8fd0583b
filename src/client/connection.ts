// One transport connection to an application and the requests on it: writes and reads at the same time, so that neither side can
// block the other. To keep in step with server/connection.ts.
//
// A connection with room for one request is given to the next only when nothing is left of the one before: not a byte of its
// request to be sent, not a byte behind its end. A shared one tells requests apart by their ids, and goes on.

import type { FastCgiClientResponse, IncomingResponse } from "../codec/incoming_response.ts";
import { RecordDecoder } from "../codec/record_decoder.ts";
import { ResponseDecoder } from "../codec/response_decoder.ts";
import { composeStages, type Stage } from "../codec/stage.ts";
import { FCGI_NULL_REQUEST_ID, MAX_REQUEST_ID, ProtocolStatus, RecordType } from "../protocol/constants.ts";
import { FastCgiError, protocolError } from "../protocol/errors.ts";
import { decodeNameValuePairs, encodeNameValuePairs } from "../protocol/name_value_pairs.ts";
import { type FastCgiRecord, NO_CONTENT } from "../protocol/record.ts";
import type { ByteChannel } from "../transport/byte_channel.ts";
import type { FastCgiConnection } from "../transport/connection.ts";
import { Deadline } from "../transport/deadline.ts";
import { RecordWriter } from "../transport/record_writer.ts";
import { channelOf } from "../transport/stream_channel.ts";
import { Exchange, type ExchangeHost } from "./exchange.ts";
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

/** A connection of a {@linkcode FastCgiClient}. */
export class ClientConnection {
  /** Requests that may be on it at once; more than one only where the application multiplexes. */
  capacity = 1;
  readonly #connection: FastCgiConnection;
  readonly #options: ResolvedClientOptions;
  readonly #owner: ClientConnectionOwner;
  readonly #records = new RecordDecoder({ splitStreams: true });
  readonly #decoder: ResponseDecoder;
  readonly #stages: Stage<Uint8Array, FastCgiClientResponse>;
  readonly #channel: ByteChannel;
  readonly #writer: RecordWriter;
  readonly #exchanges = new Map<number, Exchange>();
  /** What its exchanges get of it. */
  readonly #host: ExchangeHost;
  /** The timeout of the only exchange; without one the idle timeout, or that of FCGI_GET_VALUES. */
  readonly #silence: Deadline;
  readonly #stall: Deadline;
  #values: { resolve(values: Map<string, string>): void; reject(reason: unknown): void } | null = null;
  /** Whether FCGI_GET_VALUES was sent. Answers may come when nobody waits for them any more. */
  #hasAsked = false;
  /** An exchange that is over, on a connection that is not known to be clean yet. */
  #completed: Exchange | null = null;
  /** Counts up: with a constant id a stale response could not be told from the one that is due. */
  #lastId = 0;
  #requests = 0;
  #heard = false;
  /** Pieces that a response had no room for: nothing is read while there are any. */
  #pauses = 0;
  /** Takes no more requests, and is closed when none is left. */
  #retired = false;
  #writeError: unknown;
  #closed = false;
  #closeReason: unknown;

  constructor(connection: FastCgiConnection, options: ResolvedClientOptions, owner: ClientConnectionOwner) {
    this.#connection = connection;
    this.#options = options;
    this.#owner = owner;
    this.#decoder = new ResponseDecoder(
      {
        management: (record) => this.#management(record),
        report: (error) => this.#onStray(error),
      },
      options,
    );
    this.#stages = composeStages(this.#records, this.#decoder);
    this.#channel = channelOf(connection);
    this.#writer = new RecordWriter(this.#channel, {
      writeTimeout: options.writeTimeout,
      isShared: () => this.capacity > 1,
      onError: (error) => this.#onWriteError(error),
    });
    this.#host = {
      writer: this.#writer,
      options,
      isPaused: () => this.#pauses > 0,
      expect: (requestId, hooks) => this.#decoder.expect(requestId, hooks),
      abort: (exchange, reason) => this.#abort(exchange, reason),
      retire: () => this.retire(),
      complete: (exchange, { protocolStatus }) => this.#onComplete(exchange, protocolStatus),
    };
    this.#silence = new Deadline(() => this.#timeOut());
    this.#stall = new Deadline(() => this.#onStalled());
    // Whoever it was opened for may be gone, and then it is idle from the start.
    if (options.keepAlive) this.#silence.restart(options.idleTimeout);
    this.#channel.start({
      onData: (piece) => this.#onData(piece),
      // Not the stages' flush(): it would fail the response without saying that writing had failed before.
      onEnd: () => this.#fail("the application closed the connection before its end", this.#writeError),
      onError: (error) => this.#onBroken(error),
    });
  }

  /** Requests on it. */
  get active(): number {
    return this.#exchanges.size;
  }

  /** Whether it can take a request now. */
  get isFree(): boolean {
    return !this.#closed && !this.#retired && this.#exchanges.size < this.capacity;
  }

  /** Whether it has had requests. */
  get isKept(): boolean {
    return this.#requests > 0;
  }

  /** Whether requests share it. */
  get isShared(): boolean {
    return this.capacity > 1;
  }

  /** Whether it was kept without a request, and the application may have closed it without our knowing. */
  get mayBeStale(): boolean {
    return this.isKept && this.#exchanges.size === 0;
  }

  /** Whether anything has come since it was last idle. */
  get heard(): boolean {
    return this.#heard;
  }

  /** Whether nothing can be sent on it any more. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Why nothing can be sent on it any more. */
  get closeReason(): unknown {
    return this.#closeReason;
  }

  /** The peer's address: what tells backends apart. */
  get remoteAddress(): FastCgiConnection["remoteAddress"] {
    return this.#connection.remoteAddress;
  }

  /**
   * Sends a request. The response fails with whatever goes wrong from then on.
   *
   * @throws {unknown} What is wrong with the request, the reason of its signal, or why the connection is closed. Nothing was sent then,
   * and the connection is as it was.
   */
  send(request: ClientRequest): IncomingResponse {
    request.signal?.throwIfAborted();
    if (this.#closed) throw this.#closeReason;
    const requestId = this.#nextId();
    // A timer for each request costs more than one that goes on.
    const exchange = new Exchange(request, requestId, this.#host, this.capacity > 1 ? null : this.#silence);
    if (this.#exchanges.size === 0) this.#heard = false;
    this.#requests++;
    const { keepAlive, maxRequestsPerConnection } = this.#options;
    if (!keepAlive || this.#requests >= maxRequestsPerConnection) this.#retired = true;
    this.#silence.stop();
    this.#exchanges.set(requestId, exchange);
    exchange.start();
    return exchange.response;
  }

  /** Asks for the application's limits (FastCGI 4.1), on a connection that has no request. `timeout` is in milliseconds. */
  getValues(names: readonly string[], timeout: number): Promise<Map<string, string>> {
    const contentData = encodeNameValuePairs(names.map((name) => [name, ""]));
    return new Promise((resolve, reject) => {
      if (this.#closed) throw this.#closeReason;
      this.#values = { resolve, reject };
      this.#hasAsked = true;
      // libfcgi reads on before it answers, so an unpadded one alone would wait for ever; the encoder pads to eight.
      const paddingLength = -contentData.length & 7 || 8;
      const requestId = FCGI_NULL_REQUEST_ID;
      this.#writer.write({ type: RecordType.GetValues, requestId, contentData, paddingLength });
      this.#silence.restart(timeout);
    });
  }

  /** Takes no more requests; closes when none is left. */
  retire(): void {
    this.#retired = true;
    if (this.#exchanges.size === 0 || this.#completed !== null) this.close(NOT_USED);
  }

  /** Closes the connection at once. What is under way fails with `reason`. */
  close(reason: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closeReason = reason;
    this.#silence.dispose();
    this.#stall.dispose();
    this.#decoder.failAll(reason);
    for (const exchange of this.#exchanges.values()) exchange.end(reason);
    this.#exchanges.clear();
    this.#values?.reject(reason);
    this.#writer.fail(reason);
    this.#channel.close(reason);
    this.#owner.onClose(this);
  }

  #nextId(): number {
    do {
      this.#lastId = this.#lastId === MAX_REQUEST_ID ? 1 : this.#lastId + 1;
    } while (this.#exchanges.has(this.#lastId));
    return this.#lastId;
  }

  #onData(piece: Uint8Array): void {
    this.#heard = true;
    try {
      if (this.#exchanges.size === 0 && !this.#hasAsked) {
        throw protocolError("Cannot read a record: no request is under way");
      }
      const pause = this.#stages.transform(piece, NOTHING_COMES_OUT);
      if (pause !== undefined) void this.#waitForRoom(pause);
    } catch (error) {
      this.#onBroken(error);
      return;
    }
    if (this.#completed !== null) this.#releaseCompleted(this.#completed);
    // A record that comes slowly is no silence. On a shared connection nobody knows whose it will be.
    else if (this.#exchanges.size === 1) for (const exchange of this.#exchanges.values()) exchange.noteBytes();
  }

  #onBroken(error: unknown): void {
    if (error instanceof FastCgiError) this.close(error);
    else this.#fail(`the connection failed: ${error instanceof Error ? error.message : String(error)}`, error);
  }

  async #waitForRoom(pause: Promise<void>): Promise<void> {
    this.#pauses++;
    this.#channel.pause();
    for (const exchange of this.#exchanges.values()) exchange.pause();
    this.#stall.restart(this.#options.stallTimeout);
    await pause;
    this.#pauses--;
    if (this.#closed || this.#pauses > 0) return;
    this.#stall.stop();
    for (const exchange of this.#exchanges.values()) exchange.resume();
    this.#channel.resume();
  }

  /** Nobody reads a response: it holds up the application, and the others on the connection. */
  #onStalled(): void {
    const { stallTimeout, maxQueuedBytes } = this.#options;
    for (const exchange of [...this.#exchanges.values()]) {
      const { response, requestId } = exchange;
      if (response.stdoutQueue.cost < maxQueuedBytes) continue;
      const message = `Cannot read the response: nobody read it for ${stallTimeout} ms`;
      this.#abort(exchange, new FastCgiError("timeout", message, { limit: "stallTimeout", requestId }));
    }
  }

  /** FCGI_END_REQUEST came. */
  #onComplete(exchange: Exchange, protocolStatus: number): void {
    if (protocolStatus === ProtocolStatus.CantMpxConn) {
      this.capacity = 1;
      this.#owner.onCantMultiplex(this);
    }
    if (this.capacity === 1 && this.#exchanges.size === 1) this.#completed = exchange;
    else this.#release(exchange);
  }

  /** What came with the end of the response has been looked at: is there anything behind it? */
  #releaseCompleted(exchange: Exchange): void {
    if (this.#retired || this.#records.isBetweenRecords) {
      this.#completed = null;
      this.#release(exchange);
    } else {
      // Padding that was cut, or the start of something that nobody asked for.
      exchange.end(NOT_USED);
      this.#silence.restart(this.#options.idleTimeout);
    }
  }

  /** The exchange is over; its place is free. */
  #release(exchange: Exchange): void {
    if (!this.#exchanges.delete(exchange.requestId)) return;
    const { sentWhole } = exchange;
    exchange.end(NOT_USED);
    // The rest of a request that was answered early would be read as the start of the next.
    if (!sentWhole && this.capacity === 1) this.#retired = true;
    if (this.#retired && this.#exchanges.size === 0) {
      this.close(NOT_USED);
      return;
    }
    if (this.#exchanges.size === 0) this.#silence.restart(this.#options.idleTimeout);
    if (this.isFree) this.#owner.onFree(this);
  }

  /**
   * Nobody wants the response. On a connection of its own, closing says so (FastCGI 5.4), and is the only thing that php-fpm
   * understands; on a shared one FCGI_ABORT_REQUEST does, and what still comes is dropped.
   */
  #abort(exchange: Exchange, reason: unknown): void {
    const { requestId } = exchange;
    if (this.capacity === 1 && this.#exchanges.size === 1) {
      this.close(reason);
    } else if (exchange.isLive) {
      exchange.abort(reason);
      this.#writer.write({ type: RecordType.AbortRequest, requestId, contentData: NO_CONTENT });
    } else {
      // It was aborted, and the application does not say that it has ended: its id can't be used again.
      this.#retired = true;
      this.#release(exchange);
    }
  }

  /** Records for a request that is over. Go sends them behind an abort; where requests follow one another, none is to meet them. */
  #onStray(error: FastCgiError): void {
    if (this.capacity === 1) this.close(error);
  }

  /**
   * An application that has answered may close without reading the rest of the request. Its answer is still there to be read, so
   * the read side decides how the exchange ends.
   */
  #onWriteError(error: unknown): void {
    if (this.#closed) return;
    if (this.#exchanges.size === 0 || (error instanceof FastCgiError && error.code === "timeout")) {
      this.close(error);
      return;
    }
    this.#retired = true;
    this.#writeError = error;
    for (const exchange of this.#exchanges.values()) exchange.stopSending(error);
  }

  #management({ type, contentData }: FastCgiRecord): void {
    // Go sends a second, empty answer.
    if (this.#values === null) return;
    const { resolve, reject } = this.#values;
    if (type === RecordType.GetValuesResult) resolve(new Map(decodeNameValuePairs(contentData)));
    else reject(protocolError("Cannot get values: the application does not know FCGI_GET_VALUES"));
    this.#values = null;
    this.#silence.restart(this.#options.idleTimeout);
  }

  /** The transport has ended or failed. Each request learns what its own application wrote to stderr. */
  #fail(what: string, cause: unknown): void {
    const gone = (exchange?: Exchange): FastCgiError => {
      const { requestId, stderrText: stderr } = exchange?.response ?? {};
      return new FastCgiError("connectionClosed", `Cannot read the response: ${what}`, { requestId, stderr, cause });
    };
    for (const exchange of this.#exchanges.values()) exchange.response.fail(gone(exchange));
    this.close(gone());
  }

  #timeOut(): void {
    const [exchange] = this.#exchanges.values();
    if (exchange?.isLive) {
      exchange.timeOut();
      return;
    }
    if (this.#values === null) {
      const message = `The connection was idle for ${this.#options.idleTimeout} ms`;
      this.close(new FastCgiError("timeout", message, { limit: "idleTimeout" }));
      return;
    }
    const message = "Cannot get values: the application was silent for too long";
    this.close(new FastCgiError("timeout", message, { limit: "readTimeout" }));
  }
}

/** Responses are announced, so the stages give nothing out. */
const NOTHING_COMES_OUT = { enqueue(): void {} };

/** Why a connection that is of no more use is closed. One for all, as an error with its stack costs more than many a request. */
const NOT_USED: FastCgiError = /* @__PURE__ */ new FastCgiError("connectionClosed", "The exchange is over");
