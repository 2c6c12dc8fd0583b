// One transport connection of a web server: reads, feeds the decoder, and decides when and how it ends. exchanges.ts has
// the exchanges on it. The mirror of client/connection.ts, but for its input: a web server decides what it sends, so
// input may be left when there is nothing more to say, and a connection that is closed with unread input is reset.
//
// How it ends. When nothing is left to do, the connection is half-closed after everything that was written, and closed
// when the web server has ended its input. If it must end earlier, for any reason, it is given up (giveUp): the
// application is told at once, what was written is still sent, and after a response that has begun and not ended comes
// the break-off, so that no web server takes the response for complete. If the transport itself is gone, nothing more
// can be sent.

import { Deadline } from "../base/deadline.ts";
import type { FastCgiRequest, IncomingRequest } from "../codec/incoming_request.ts";
import { encodedRecordLength } from "../codec/record_encoder.ts";
import type { WrittenRecords } from "../codec/record_sink.ts";
import { RequestDecoder, type RequestDecoderOutlet } from "../codec/request_decoder.ts";
import { RequestWatch } from "../codec/request_watch.ts";
import type { StageController } from "../codec/stage.ts";
import { FastCgiError } from "../protocol/errors.ts";
import type { FastCgiRecord } from "../protocol/record.ts";
import type { ByteChannel, ByteChannelEvents } from "../transport/byte_channel.ts";
import type { FastCgiConnection } from "../transport/connection.ts";
import { fromStreams } from "../transport/from_streams.ts";
import { leaveToFlush } from "../transport/leave_to_flush.ts";
import { GOES_ON, type Phase } from "../transport/phase.ts";
import { Reading, type ReadingHost } from "../transport/reading.ts";
import { RecordWriter, type RecordWriterHost } from "../transport/record_writer.ts";
import { Exchanges, type ExchangesHost } from "./exchanges.ts";
import type { Input } from "./input.ts";
import type { ResolvedServerOptions } from "./options.ts";
import type { FastCgiHandler, FastCgiHandlerContext } from "./response.ts";
import { UnsentAnswers } from "./unsent_answers.ts";

/** The most dropped records that a connection reports, so that a web server can't fill a log with them. */
const MAX_REPORTED_DROPS = 10;

/**
 * Milliseconds without a request after which a connection is closed that has had `maxRequestsPerConnection`. If it were
 * closed right after a response, a request that a busy web server has just sent would be lost; after a pause hardly any
 * request is on its way.
 */
const PAUSE_BEFORE_CLOSE = 1000;

/** Callbacks of a {@linkcode ServerConnection} to its server. */
export interface ServerConnectionOwner {
  /** Called when the transport is closed. Handlers may still run. */
  onClose(connection: ServerConnection): void;
  /** Called when the transport is closed and every handler has settled. */
  onSettled(connection: ServerConnection): void;
}

/** What runs out. */
type TimeLimit = "input" | "stallTimeout" | "idleTimeout" | "pause" | "lingerTimeout";

/** A connection of a {@linkcode FastCgiServer}. */
export class ServerConnection
  implements
    ByteChannelEvents,
    ReadingHost,
    RecordWriterHost,
    StageController<IncomingRequest>,
    RequestDecoderOutlet,
    ExchangesHost
{
  readonly writer: RecordWriter;
  readonly options: ResolvedServerOptions;
  readonly #owner: ServerConnectionOwner;
  readonly #channel: ByteChannel;
  readonly #reading: Reading;
  readonly #unsentAnswers: UnsentAnswers;
  readonly #decoder: RequestDecoder;
  readonly #deadline: Deadline<TimeLimit>;
  readonly #exchanges: Exchanges;
  #phase: Phase = "open";
  #input: Input = "wanted";
  #onSettled: (() => void) | null = null;
  /** Requests that came in the piece of input that is being decoded; null if there are none. */
  #arrived: IncomingRequest[] | null = null;
  #drops = 0;

  constructor(
    transport: FastCgiConnection,
    handler: FastCgiHandler,
    context: FastCgiHandlerContext,
    options: ResolvedServerOptions,
    owner: ServerConnectionOwner,
  ) {
    this.options = options;
    this.#owner = owner;
    this.#channel = fromStreams(transport);
    this.#reading = new Reading(this.#channel, this);
    this.#unsentAnswers = new UnsentAnswers(this.#reading);
    this.#decoder = new RequestDecoder(this, options);
    this.writer = new RecordWriter(this.#channel, this);
    this.#deadline = new Deadline((limit) => this.#onTimeout(limit));
    this.#exchanges = new Exchanges(this, handler, context);
  }

  /** Runs until the connection is closed and every handler has settled. */
  run(): Promise<void> {
    return new Promise((resolve) => {
      this.#onSettled = resolve;
      this.#channel.start(this);
      this.#watch();
    });
  }

  /** The requests whose handler or response has not settled. */
  get requests(): readonly FastCgiRequest[] {
    return this.#decoder.requests.filter((request) => !this.#exchanges.hasBrokenOff(request));
  }

  get isShared(): boolean {
    return this.#decoder.activeRequests > 1;
  }

  /** Whether there is no request on it. */
  get isIdle(): boolean {
    return this.#decoder.activeRequests === 0;
  }

  /** The number of requests whose handler or response has not settled. */
  get running(): number {
    return this.#exchanges.running;
  }

  /** The number of requests whose variables are still to come. */
  get waiting(): number {
    return this.canSend ? this.#decoder.incompleteRequests : 0;
  }

  /** Closes the connection once no request is active on it. */
  finish(): void {
    if (this.#phase === "open") this.#phase = "finishing";
    this.onRoom();
  }

  /** Called with input. */
  onData(piece: Uint8Array, isSole: boolean = false): void {
    if (this.#isClosed || this.#input === "unreadable") return;
    let fault: { readonly error: unknown } | null = null;
    try {
      this.#reading.take(piece, isSole);
    } catch (error) {
      fault = { error };
    }
    if (this.#arrived !== null) this.#beginArrived(this.#arrived);
    if (fault !== null) this.#onFault(fault.error);
    this.#watch();
  }

  onRecord(record: FastCgiRecord): void | Promise<void> {
    return this.#decoder.transform(record, this);
  }

  get keptBytes(): number {
    return this.#decoder.keptBytes;
  }

  onPause(): void {
    if (!this.canSend) return;
    this.#decoder.noteReads();
    this.#deadline.restart(this.options.stallTimeout, "stallTimeout");
  }

  onResume(pausedFor: number): void {
    this.#decoder.forgive(pausedFor);
    this.#watch();
  }

  /**
   * Called when the web server has ended its input. It then wants no answer either: it has no other way to say that its
   * client has left.
   */
  onEnd(): void {
    if (this.#isClosed) return;
    this.#input = "ended";
    this.giveUp(
      this.#decoder.activeRequests === 0 ? FINISHED : connectionClosed("the web server closed the connection"),
    );
  }

  /**
   * Called when the transport is gone. A web server whose client has left closes the connection, so the requests are
   * aborted and no error is reported.
   */
  onError(cause: unknown): void {
    const isIdle = this.#decoder.activeRequests === 0;
    const reason = isIdle ? FINISHED : connectionClosed("its connection failed", cause);
    if (this.#isClosed) this.writer.fail(reason);
    else this.close(reason, true);
  }

  /** Called when the input can't be understood, or passes a limit of the connection. */
  #onFault(error: unknown): void {
    // An error of the engine, such as that memory is short, has none.
    const { requestId } = error as Partial<FastCgiError>;
    this.options.onError(
      error,
      this.#decoder.requests.find((request) => request.requestId === requestId),
    );
    this.#input = "unreadable";
    this.giveUp(connectionClosed("its connection failed", error));
  }

  onWriteError(error: unknown): void {
    this.onError(error);
  }

  onWriteTimeout(error: FastCgiError): void {
    // After giveUp() the rest of the output has a time limit of its own.
    if (this.#phase === "lingering" && this.#deadline.isRunning) return;
    const { requests } = this;
    for (const request of requests) this.options.onError(error, request);
    if (requests.length === 0) this.options.onError(error);
    this.giveUp(error);
    // The web server has had enough time.
    this.close(error);
  }

  /** Starts the timeout for what the connection now waits for. */
  #watch(): void {
    if (!this.canSend || this.#reading.isPaused) return;
    const { activeRequests, expectsInput } = this.#decoder;
    const { idleTimeout, maxRequestsPerConnection } = this.options;
    if (activeRequests > 0) {
      if (!expectsInput) {
        this.#deadline.stop();
        return;
      }
      const now = performance.now();
      this.#deadline.restart(this.#decoder.inputDue(now, this.options) - now, "input");
    } else if (this.#exchanges.begun < maxRequestsPerConnection) {
      this.#deadline.restart(idleTimeout, "idleTimeout");
    } else {
      this.#deadline.restart(Math.min(PAUSE_BEFORE_CLOSE, idleTimeout), "pause");
    }
  }

  #onTimeout(limit: TimeLimit): void {
    switch (limit) {
      case "input":
        this.#decoder.timeOutInput(performance.now(), this.options);
        this.#watch();
        return;
      case "stallTimeout":
        this.#decoder.failStuck(this.options.stallTimeout);
        this.onPause();
        return;
      case "idleTimeout":
        // The web server still reads the last response, slowly: writeTimeout decides about that.
        if (this.writer.pendingBytes > 0) this.#watch();
        else this.close(FINISHED);
        return;
      case "pause":
        this.finish();
        return;
      case "lingerTimeout":
        this.close(FINISHED);
    }
  }

  /** Called with a request. */
  enqueue(request: IncomingRequest): void {
    this.#arrived ??= [];
    this.#arrived.push(request);
  }

  /**
   * Begins the requests of a piece of input once all of it was decoded: a request may be answered at once, and the end
   * of its input has often come with it. A fault in the input behind a request does not keep it from its answer, if the
   * handler returns that and no promise: the fault is acted on right afterwards, and aborts what still runs. FastCGI
   * can't announce the end of a connection, so requests that come while it is finishing are answered, too.
   */
  #beginArrived(arrived: readonly IncomingRequest[]): void {
    this.#arrived = null;
    for (const request of arrived) {
      if (this.canSend) {
        this.#exchanges.begin(request);
        continue;
      }
      // The web server sent it while this connection was being closed. It can't be answered.
      request.abort(connectionClosed("its connection was being closed"));
      this.#decoder.end(request.requestId);
    }
  }

  release({ requestId }: IncomingRequest): void {
    if (!this.#decoder.end(requestId) && this.canSend) this.#input = "partly wanted";
  }

  onRoom(): void {
    this.#closeIfDone();
    this.#watch();
  }

  onSettled(): void {
    if (!this.#isClosed || this.#exchanges.running > 0) return;
    this.#owner.onSettled(this);
    this.#onSettled?.();
  }

  /** Called when the decoder itself answers. */
  reply(records: FastCgiRecord[], closeConnection: boolean): void {
    const length = records.reduce((bytes, record) => bytes + encodedRecordLength(record), 0);
    this.onAnswer(this.writer.write(records), length);
    if (closeConnection && this.canSend) {
      this.#input = "partly wanted";
      this.finish();
    } else {
      this.#closeIfDone();
    }
  }

  onAnswer(written: WrittenRecords, bytes: number): void {
    this.#unsentAnswers.add(written, bytes);
  }

  /** Called when input was dropped or refused. */
  report(error: FastCgiError, request?: FastCgiRequest): void {
    if (error.code !== "protocol" || ++this.#drops <= MAX_REPORTED_DROPS) this.options.onError(error, request);
  }

  watch(): RequestWatch | null {
    const { onRequestEnd } = this.options;
    return onRequestEnd === null ? null : new RequestWatch(onRequestEnd);
  }

  get #isClosed(): boolean {
    return this.#phase === "closed";
  }

  /** Whether responses can be sent. */
  get canSend(): boolean {
    return GOES_ON[this.#phase];
  }

  #closeIfDone(): void {
    const { brokenOff } = this.#exchanges;
    if (!this.canSend || this.#decoder.activeRequests > brokenOff) return;
    if (this.#phase === "open" && brokenOff === 0) return;
    this.#deadline.stop();
    void this.#endOutput(brokenOff > 0, FINISHED);
  }

  /**
   * Ends the connection before its requests are over. The application is told at once. The web server gets what was
   * written so far, and after a response that has begun the break-off, if it reads that within `lingerTimeout`.
   */
  giveUp(reason: FastCgiError): void {
    if (this.#isClosed) return;
    const breaksOff = this.#exchanges.isMidResponse;
    if (this.#input === "wanted" && this.#decoder.expectsInput) this.#input = "partly wanted";
    this.#phase = "lingering";
    this.#decoder.abortAll(reason);
    if (!breaksOff && this.writer.pendingBytes === 0) {
      this.close(reason);
      return;
    }
    this.#deadline.restart(this.options.lingerTimeout, "lingerTimeout");
    void this.#endOutput(breaksOff, reason);
  }

  /**
   * Half-closes after everything that was written. If input is still coming, it is read and dropped for a while: a
   * socket that is closed with unread input is reset, and the response may be lost with it.
   */
  async #endOutput(breaksOff: boolean, reason: FastCgiError): Promise<void> {
    this.#phase = "lingering";
    await (breaksOff ? this.writer.breakOff() : this.writer.close());
    if (this.#isClosed) return;
    const isInputComing = this.#input === "partly wanted" || (this.#input === "wanted" && this.#decoder.expectsInput);
    if (!isInputComing) this.close(reason);
    else if (!this.#deadline.isRunning) this.#deadline.restart(this.options.lingerTimeout, "lingerTimeout");
  }

  /**
   * Closes the connection at once, except for output that must still be sent.
   *
   * @param isBroken Whether the transport is gone, so that nothing can be sent.
   */
  close(reason: FastCgiError, isBroken: boolean = false): void {
    if (this.#isClosed) return;
    this.#phase = "closed";
    this.#reading.end();
    this.#deadline.dispose();
    this.#decoder.abortAll(reason);
    if (this.writer.isFlushing && !isBroken) {
      leaveToFlush(this.#channel, this.writer, reason);
    } else {
      this.writer.fail(reason);
      this.#channel.close(reason);
    }
    this.#owner.onClose(this);
    this.onSettled();
  }
}

function connectionClosed(what: string, cause?: unknown): FastCgiError {
  return new FastCgiError("connectionClosed", `Cannot finish the request: ${what}`, { cause });
}

/**
 * The reason for closing a connection that is not needed any more. One object for all, because an error with its stack
 * costs more than many a request.
 */
const FINISHED: FastCgiError = /* @__PURE__ */ new FastCgiError("connectionClosed", "The connection is closed");
