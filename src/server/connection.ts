// One transport connection and its requests: reads, feeds the decoder, has each request answered, and decides how it ends.
// This is the one place that ends a request, so there is exactly one FCGI_END_REQUEST for each (FastCGI 3.3).
// To keep in step with client/connection.ts.
//
// How it ends. With nothing left to do, it is half-closed behind what was written, and closed when the web server has sent all it will.
// Before that, whatever the reason, it is given up (giveUp): the application is told at once, what was written still leaves, and behind a
// response that has begun and not ended comes the break-off, so that no web server takes it for whole. Only where the transport itself is
// gone, nothing can be said any more.

import { Deadline } from "../base/deadline.ts";
import type { FastCgiRequest, IncomingRequest } from "../codec/incoming_request.ts";
import type { FastCgiResponse } from "../codec/outgoing_response.ts";
import { RecordDecoder } from "../codec/record_decoder.ts";
import { RequestDecoder, type RequestDecoderOutlet } from "../codec/request_decoder.ts";
import { composeStages, type Stage, type StageController } from "../codec/stage.ts";
import { FastCgiError } from "../protocol/errors.ts";
import type { FastCgiRecord } from "../protocol/record.ts";
import type { ByteChannel, ByteChannelEvents } from "../transport/byte_channel.ts";
import type { FastCgiConnection } from "../transport/connection.ts";
import { fromStreams } from "../transport/from_streams.ts";
import { leaveToFlush } from "../transport/leave_to_flush.ts";
import { RecordWriter } from "../transport/record_writer.ts";
import { Exchange, type ExchangeHost } from "./exchange.ts";
import type { ResolvedServerOptions } from "./options.ts";
import type { FastCgiHandler, FastCgiHandlerContext } from "./response.ts";

/** Beyond this many unsent replies nothing more is read: a web server that sends management records and reads no answers waits. */
const MAX_UNSENT_REPLIES = 1024;

/** Records that a connection reports as dropped. A web server that sends more of them does not fill a log. */
const MAX_REPORTED_DROPS = 10;

/**
 * Milliseconds without a request after which a connection is closed that has had `maxRequestsPerConnection`. One that is closed right behind
 * a response loses the request that a busy web server has sent meanwhile; behind a pause hardly any is under way.
 */
const PAUSE_BEFORE_CLOSE = 1000;

/** How far a connection has come. It only goes forward. */
type Phase =
  /** Takes requests. */
  | "open"
  /** Takes requests as well, and is closed as soon as none is active. */
  | "finishing"
  /** Everything was given to the writer. What comes is read and dropped. */
  | "lingering"
  | "closed";

/** What is to be made of the bytes that come. */
type Input =
  | "wanted"
  /** As before, but a request has ended before its input did, so some of it is of no use to anybody. */
  | "partly wanted"
  /** It can't be understood, and is dropped. */
  | "unreadable"
  /** None comes any more. */
  | "ended";

/** What runs out. */
type TimeLimit = "input" | "idleTimeout" | "pause" | "lingerTimeout";

/** A connection of a {@linkcode FastCgiServer}. */
export class ServerConnection
  implements ByteChannelEvents, StageController<IncomingRequest>, RequestDecoderOutlet, ExchangeHost
{
  readonly writer: RecordWriter;
  readonly #channel: ByteChannel;
  readonly #handler: FastCgiHandler;
  readonly #context: FastCgiHandlerContext;
  readonly #options: ResolvedServerOptions;
  readonly #onClosed: (connection: ServerConnection) => void;
  readonly #decoder: RequestDecoder;
  readonly #stages: Stage<Uint8Array, IncomingRequest>;
  readonly #deadline: Deadline<TimeLimit>;
  #phase: Phase = "open";
  #input: Input = "wanted";
  /** What has to be over before more is read, and since when. Meanwhile silence is no fault of the web server. */
  #pauses = 0;
  #pausedSince = 0;
  /** Requests whose handler or response is not through. */
  #running = 0;
  #onSettled: (() => void) | null = null;
  /** Responses that are sent piece by piece. Made when it is needed: most are whole at once. */
  #streaming: Set<Exchange> | null = null;
  /** Requests whose response failed behind its beginning. They stay active, and unanswered, until the connection is closed. */
  #truncated: Set<IncomingRequest> | null = null;
  #unsentReplies = 0;
  #begun = 0;
  #drops = 0;

  /** @param onClosed Told when the transport is closed; handlers may still run then. */
  constructor(
    connection: FastCgiConnection,
    handler: FastCgiHandler,
    context: FastCgiHandlerContext,
    options: ResolvedServerOptions,
    onClosed: (connection: ServerConnection) => void,
  ) {
    this.#channel = fromStreams(connection);
    this.#handler = handler;
    this.#context = context;
    this.#options = options;
    this.#onClosed = onClosed;
    this.#decoder = new RequestDecoder(this, options);
    this.#stages = composeStages(new RecordDecoder({ splitStreams: true }), this.#decoder);
    this.writer = new RecordWriter(this.#channel, {
      writeTimeout: options.writeTimeout,
      isShared: () => this.#decoder.activeRequests > 1,
      onError: (error) => this.onError(error),
      onTimeout: (error) => this.#onWriteTimeout(error),
    });
    this.#deadline = new Deadline((limit) => this.#onTimeout(limit));
  }

  /** Runs until the connection is closed and every handler has settled. */
  run(): Promise<void> {
    return new Promise((resolve) => {
      this.#onSettled = resolve;
      this.#channel.start(this);
      this.#watch();
    });
  }

  /** The requests whose handler or response is not through. */
  get requests(): readonly FastCgiRequest[] {
    return this.#decoder.requests.filter((request) => this.#truncated?.has(request) !== true);
  }

  /** Closes the connection once no request is active on it. */
  shutDown(): void {
    this.#finish();
    this.#closeIfDone();
  }

  /** Input came. */
  onData(piece: Uint8Array): void {
    if (this.#isClosed || this.#input === "unreadable") return;
    try {
      const pause = this.#stages.transform(piece, this);
      if (pause !== undefined) void this.#pauseFor(pause);
    } catch (error) {
      this.#onFault(error);
    }
    this.#watch();
  }

  async #pauseFor(reason: Promise<void>): Promise<void> {
    if (this.#pauses === 0) this.#pausedSince = performance.now();
    this.#pauses++;
    this.#channel.pause();
    if (this.#canSend) this.#deadline.stop();
    // What is waited for may fail, and says so elsewhere.
    await reason.catch(() => {});
    this.#pauses--;
    if (this.#pauses > 0 || this.#isClosed) return;
    this.#decoder.forgive(performance.now() - this.#pausedSince);
    this.#channel.resume();
    this.#watch();
  }

  /** The web server sends no more, so it wants no answer either: it has no other way to say that its client has left. */
  onEnd(): void {
    if (this.#isClosed) return;
    this.#input = "ended";
    this.giveUp(
      this.#decoder.activeRequests === 0 ? FINISHED : connectionClosed("the web server closed the connection"),
    );
  }

  /**
   * The transport is gone. That is how a web server leaves whose client has left: the requests are aborted, and there is nothing to report.
   */
  onError(cause: unknown): void {
    const isIdle = this.#decoder.activeRequests === 0;
    const reason = isIdle ? FINISHED : connectionClosed("its connection failed", cause);
    if (this.#isClosed) this.writer.fail(reason);
    else this.close(reason, true);
  }

  /** The input can't be understood, or passes a limit of the connection. */
  #onFault(error: unknown): void {
    const requestId = error instanceof FastCgiError ? error.requestId : undefined;
    this.#options.onError(
      error,
      this.#decoder.requests.find((request) => request.requestId === requestId),
    );
    this.#input = "unreadable";
    this.giveUp(connectionClosed("its connection failed", error));
  }

  #onWriteTimeout(error: FastCgiError): void {
    if (this.#isGivenUp) return;
    const { requests } = this;
    for (const request of requests) this.#options.onError(error, request);
    if (requests.length === 0) this.#options.onError(error);
    this.giveUp(error);
    // The web server has had its time.
    this.close(error);
  }

  /** Starts the timeout for what the connection now waits for. */
  #watch(): void {
    if (!this.#canSend || this.#pauses > 0) return;
    const { activeRequests, expectsInput } = this.#decoder;
    const { idleTimeout, maxRequestsPerConnection } = this.#options;
    if (activeRequests > 0) {
      if (!expectsInput) {
        this.#deadline.stop();
        return;
      }
      const now = performance.now();
      this.#deadline.restart(this.#decoder.inputDue(now, this.#options) - now, "input");
    } else if (this.#begun < maxRequestsPerConnection) {
      this.#deadline.restart(idleTimeout, "idleTimeout");
    } else {
      this.#deadline.restart(Math.min(PAUSE_BEFORE_CLOSE, idleTimeout), "pause");
    }
  }

  #onTimeout(limit: TimeLimit): void {
    switch (limit) {
      case "input":
        this.#decoder.timeOutInput(performance.now(), this.#options);
        this.#watch();
        return;
      case "idleTimeout":
        // The web server still takes the last response, slowly: that is for writeTimeout to judge.
        if (this.writer.pendingBytes > 0) this.#watch();
        else this.close(FINISHED);
        return;
      case "pause":
        this.shutDown();
        return;
      case "lingerTimeout":
        this.close(FINISHED);
    }
  }

  /** A request came. */
  enqueue(request: IncomingRequest): void {
    if (!this.#canSend) {
      // It crossed our close on the way, and can't be answered.
      this.#decoder.end(request.requestId);
      return;
    }
    this.#begun++;
    this.#running++;
    void this.#serve(request);
  }

  async #serve(request: IncomingRequest): Promise<void> {
    const exchange = new Exchange(this, request);
    const isEnded = await exchange.run();
    this.#running--;
    if (!isEnded) {
      if (this.#canSend) this.#leaveUnanswered(exchange);
      else this.#decoder.end(request.requestId);
    }
    this.#settleIfDone();
  }

  get maxQueuedBytes(): number {
    return this.#options.maxQueuedBytes;
  }

  answer(request: IncomingRequest): FastCgiResponse | Promise<FastCgiResponse> {
    return this.#handler(request, this.#context);
  }

  onStreaming(exchange: Exchange): void {
    this.#streaming ??= new Set();
    this.#streaming.add(exchange);
  }

  /** The request is over (FastCGI 5.5): whether its FCGI_END_REQUEST can still be sent. */
  onEnding(exchange: Exchange): boolean {
    this.#streaming?.delete(exchange);
    const wasRead = this.#decoder.end(exchange.request.requestId);
    if (!this.#canSend) return false;
    if (!wasRead) this.#input = "partly wanted";
    return true;
  }

  onEnded({ request }: Exchange): void {
    // FastCGI 3.5, 5.1: without FCGI_KEEP_CONN closing is the application's part.
    if (!request.keepConn) this.#finish();
    this.#closeIfDone();
    this.#watch();
  }

  /**
   * A response that broke off must not look whole, and nothing in FastCGI says so that a web server would understand: the
   * connection is broken off without FCGI_END_REQUEST. Other requests on it come first; meanwhile an abort still gets its
   * answer.
   */
  #leaveUnanswered(exchange: Exchange): void {
    const { request } = exchange;
    this.#truncated ??= new Set();
    this.#truncated.add(request);
    // The rest of its input is not read any more, and a full queue would stop the whole connection.
    const { requestId } = request;
    const reason = new FastCgiError("aborted", "Cannot read the request: its response broke off", { requestId });
    request.failStreams(reason);
    request.onAbort(() => {
      if (this.#truncated?.delete(request)) exchange.endFailed();
    });
    this.#closeIfDone();
  }

  /** The decoder has an answer of its own. */
  reply(records: FastCgiRecord[], closeConnection: boolean): void {
    this.#unsentReplies++;
    const { taken } = this.writer.write(records);
    const sent = (): void => {
      this.#unsentReplies--;
    };
    taken.then(sent, sent);
    if (this.#unsentReplies > MAX_UNSENT_REPLIES) void this.#pauseFor(taken);
    if (closeConnection && this.#canSend) {
      this.#finish();
      this.#input = "partly wanted";
    }
    this.#closeIfDone();
  }

  /** Input was dropped or refused. */
  report(error: FastCgiError, request?: FastCgiRequest): void {
    if (error.code !== "protocol" || ++this.#drops <= MAX_REPORTED_DROPS) this.#options.onError(error, request);
  }

  onFailure(error: unknown, request: IncomingRequest): void {
    this.#options.onError(error, request);
  }

  get #isClosed(): boolean {
    return this.#phase === "closed";
  }

  get #canSend(): boolean {
    return this.#phase === "open" || this.#phase === "finishing";
  }

  /** Whether what is left to be sent has a time limit of its own. */
  get #isGivenUp(): boolean {
    return this.#phase === "lingering" && this.#deadline.isRunning;
  }

  get #brokenOff(): number {
    return this.#truncated?.size ?? 0;
  }

  /** Whether a response has begun that has no end. */
  get #isMidResponse(): boolean {
    for (const { hasBegun } of this.#streaming ?? []) if (hasBegun) return true;
    return false;
  }

  /** Begins to close, behind the requests that are active. */
  #finish(): void {
    if (this.#phase === "open") this.#phase = "finishing";
  }

  #closeIfDone(): void {
    if (!this.#canSend || this.#decoder.activeRequests > this.#brokenOff) return;
    if (this.#phase === "open" && this.#brokenOff === 0) return;
    this.#deadline.stop();
    void this.#endOutput(this.#brokenOff > 0, FINISHED);
  }

  /**
   * Ends the connection before its requests are done. The application is told at once. The web server gets what was written so far, and
   * behind a response that has begun the break-off, if it takes that within `lingerTimeout`.
   */
  giveUp(reason: FastCgiError): void {
    if (this.#isClosed) return;
    const breaksOff = this.#isMidResponse;
    if (this.#input === "wanted" && this.#decoder.expectsInput) this.#input = "partly wanted";
    this.#phase = "lingering";
    this.#decoder.abortAll(reason);
    if (!breaksOff && this.writer.pendingBytes === 0) {
      this.close(reason);
      return;
    }
    this.#deadline.restart(this.#options.lingerTimeout, "lingerTimeout");
    void this.#endOutput(breaksOff, reason);
  }

  /**
   * Half-closes behind what was written. Where input is still under way, it goes on being read and dropped for a while: a socket that is
   * closed with unread input is reset, and the response may be lost with it.
   */
  async #endOutput(breaksOff: boolean, reason: FastCgiError): Promise<void> {
    this.#phase = "lingering";
    await (breaksOff ? this.writer.breakOff() : this.writer.close());
    if (this.#isClosed) return;
    if (!this.#mayGetInput) this.close(reason);
    else if (!this.#deadline.isRunning) this.#deadline.restart(this.#options.lingerTimeout, "lingerTimeout");
  }

  get #mayGetInput(): boolean {
    return this.#input === "partly wanted" || (this.#input === "wanted" && this.#decoder.expectsInput);
  }

  /**
   * Closes the connection at once, but for what was to leave before it and has not been taken yet.
   *
   * @param isBroken Whether the transport is gone, so that nothing can leave any more.
   */
  close(reason: FastCgiError, isBroken: boolean = false): void {
    if (this.#isClosed) return;
    this.#phase = "closed";
    this.#deadline.dispose();
    this.#decoder.abortAll(reason);
    if (this.writer.isFlushing && !isBroken) {
      leaveToFlush(this.#channel, this.writer, reason);
    } else {
      this.writer.fail(reason);
      this.#channel.close(reason);
    }
    this.#onClosed(this);
    this.#settleIfDone();
  }

  #settleIfDone(): void {
    if (this.#isClosed && this.#running === 0) this.#onSettled?.();
  }
}

function connectionClosed(what: string, cause?: unknown): FastCgiError {
  return new FastCgiError("connectionClosed", `Cannot finish the request: ${what}`, { cause });
}

/** Why a connection that is of no more use is closed. One for all, as an error with its stack costs more than many a request. */
const FINISHED: FastCgiError = /* @__PURE__ */ new FastCgiError("connectionClosed", "The connection is closed");
