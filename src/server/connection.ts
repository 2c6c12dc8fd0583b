// One transport connection and its requests: reads, feeds the decoder, runs the handler for each request, writes what it answers.
// This is the one place that ends a request, so there is exactly one FCGI_END_REQUEST for each (FastCGI 3.3).
// To keep in step with client/connection.ts.

import type { FastCgiRequest, IncomingRequest } from "../codec/incoming_request.ts";
import { RecordDecoder } from "../codec/record_decoder.ts";
import { RequestDecoder, type RequestDecoderOutlet } from "../codec/request_decoder.ts";
import { encodeResponseEnd } from "../codec/response_encoder.ts";
import { composeStages, type Stage, type StageController } from "../codec/stage.ts";
import { Role } from "../protocol/constants.ts";
import { FastCgiError } from "../protocol/errors.ts";
import { type FastCgiRecord, NO_CONTENT } from "../protocol/record.ts";
import type { ByteChannel, ByteChannelEvents } from "../transport/byte_channel.ts";
import type { FastCgiConnection } from "../transport/connection.ts";
import { Deadline } from "../transport/deadline.ts";
import { RecordWriter } from "../transport/record_writer.ts";
import { channelOf } from "../transport/stream_channel.ts";
import type { ResolvedServerOptions } from "./options.ts";
import {
  type FastCgiHandler,
  type FastCgiHandlerContext,
  type FastCgiResponse,
  ResponseSender,
  type SendResult,
} from "./response.ts";

/** Beyond this many unsent replies nothing more is read: whoever sends management records without reading answers waits. */
const MAX_UNSENT_REPLIES = 1024;

/** A connection of a {@linkcode FastCgiServer}. */
export class ServerConnection implements ByteChannelEvents, StageController<FastCgiRequest>, RequestDecoderOutlet {
  readonly #channel: ByteChannel;
  readonly #handler: FastCgiHandler;
  readonly #context: FastCgiHandlerContext;
  readonly #options: ResolvedServerOptions;
  readonly #records = new RecordDecoder({ splitStreams: true });
  readonly #decoder: RequestDecoder;
  readonly #stages: Stage<Uint8Array, FastCgiRequest>;
  readonly #writer: RecordWriter;
  /** Read or idle timeout, by what the connection waits for. */
  readonly #silence: Deadline;
  /** Most params come at once, and most connections are closed by the web server: these are made when they are needed. */
  #paramsTimeout: Deadline | null = null;
  #linger: Deadline | null = null;
  /** What has to be over before more is read. Meanwhile silence is no fault of the web server. */
  #pauses = 0;
  /** Requests whose handler or response is not through. */
  #running = 0;
  #finish: (() => void) | null = null;
  /** Requests whose output failed under way. They stay active, and unanswered, until the connection is closed. */
  #truncated: Set<IncomingRequest> | null = null;
  #unsentReplies = 0;
  #begun = 0;
  /** Close as soon as no request is active. */
  #closing = false;
  /** A request ended before its input did. */
  #unreadInput = false;
  /** Everything was given to the writer, and nothing can be sent any more. */
  #halfClosed = false;
  #closed = false;

  constructor(
    connection: FastCgiConnection,
    handler: FastCgiHandler,
    context: FastCgiHandlerContext,
    options: ResolvedServerOptions,
  ) {
    this.#channel = channelOf(connection);
    this.#handler = handler;
    this.#context = context;
    this.#options = options;
    this.#decoder = new RequestDecoder(this, options);
    this.#stages = composeStages(this.#records, this.#decoder);
    this.#writer = new RecordWriter(this.#channel, {
      writeTimeout: options.writeTimeout,
      isShared: () => this.#decoder.activeRequests > 1,
      onError: (error) => this.#fail(error),
    });
    this.#silence = new Deadline(() => this.#onSilence());
  }

  /** Runs until the connection is closed and every handler has settled. */
  run(): Promise<void> {
    return new Promise((resolve) => {
      this.#finish = resolve;
      this.#channel.start(this);
      this.#watch();
    });
  }

  /** Closes the connection once no request is active on it. */
  shutDown(): void {
    this.#closing = true;
    this.#closeIfDone();
  }

  /** Closes the connection at once. */
  abort(reason: FastCgiError): void {
    this.#close(reason);
  }

  /** Input came. */
  onData(piece: Uint8Array): void {
    if (this.#closed) return;
    try {
      const pause = this.#stages.transform(piece, this);
      if (pause !== undefined) void this.#pauseFor(pause);
    } catch (error) {
      this.onError(error);
    }
    this.#watch();
  }

  async #pauseFor(reason: Promise<void>): Promise<void> {
    this.#pauses++;
    this.#channel.pause();
    this.#paramsTimeout?.stop();
    this.#silence.stop();
    // Whoever is waited for may fail, and says so elsewhere.
    await reason.catch(() => {});
    this.#pauses--;
    if (this.#pauses > 0 || this.#closed) return;
    this.#channel.resume();
    this.#watch();
  }

  /** The web server sends no more. */
  onEnd(): void {
    if (this.#closed) return;
    try {
      this.#records.flush();
    } catch (error) {
      this.onError(error);
    }
    this.#close(left(this.#decoder));
  }

  /** The connection broke, or its input can't be understood. */
  onError(error: unknown): void {
    // A web server may stop sending a body, also inside a record, when it has its answer: nobody waits for the rest.
    if (this.#unreadInput && this.#decoder.activeRequests === 0 && !isFault(error)) this.#close(FINISHED);
    else this.#fail(error);
  }

  /** Starts the timeout for what the connection now waits for. */
  #watch(): void {
    if (this.#closed || this.#halfClosed || this.#pauses > 0) return;
    const { activeRequests, waitingForParams, expectsInput } = this.#decoder;
    if (waitingForParams === 0) this.#paramsTimeout?.stop();
    else this.#limitParams();
    if (activeRequests === 0) this.#silence.restart(this.#options.idleTimeout);
    else if (expectsInput) this.#silence.restart(this.#options.readTimeout);
    else this.#silence.stop();
  }

  #limitParams(): void {
    this.#paramsTimeout ??= new Deadline(() => this.#timeOut("paramsTimeout"));
    if (!this.#paramsTimeout.running) this.#paramsTimeout.restart(this.#options.paramsTimeout);
  }

  #onSilence(): void {
    if (this.#decoder.activeRequests > 0) this.#timeOut("readTimeout");
    // Somebody still takes the last response, slowly: that is for writeTimeout to judge.
    else if (this.#writer.pendingBytes > 0) this.#watch();
    else this.#close(new FastCgiError("timeout", "The connection was idle", { limit: "idleTimeout" }));
  }

  #timeOut(limit: "readTimeout" | "paramsTimeout"): void {
    const message = `Cannot read the request: it was not there after ${this.#options[limit]} ms`;
    this.#fail(new FastCgiError("timeout", message, { limit }));
  }

  /** A request came. */
  enqueue(incoming: FastCgiRequest): void {
    const request = incoming as IncomingRequest;
    if (this.#halfClosed) {
      // It crossed our close on the way, and can't be answered.
      this.#decoder.end(request.requestId);
      return;
    }
    this.#begun++;
    if (this.#begun >= this.#options.maxRequestsPerConnection) this.#closing = true;
    // Progress: what still waits for its params began later.
    this.#paramsTimeout?.stop();
    this.#running++;
    void this.#serve(request);
  }

  async #serve(request: IncomingRequest): Promise<void> {
    const sender = new ResponseSender(this.#writer, request.requestId, (error) =>
      this.#options.onError(error, request),
    );
    request.onAbort((reason) => sender.stop(reason));
    const result = await sender.send(() =>
      request.role === Role.Filter ? this.#filter(request) : this.#handler(request, this.#context),
    );
    this.#running--;
    if (!this.#closed) {
      if (result.outcome === "sent") this.#end(request, result);
      else this.#leaveUnanswered(request);
    }
    this.#finishIfDone();
  }

  /**
   * A Filter does not write before STDIN is complete (FastCGI 6.4). Unless it has to: one that writes while it reads more than may
   * wait unread would wait for itself.
   */
  async #filter(request: IncomingRequest): Promise<FastCgiResponse> {
    try {
      return await this.#handler(request, this.#context);
    } finally {
      await request.stdinQueue.whenDoneOrFull(this.#options.maxQueuedBytes);
    }
  }

  /** Ends a request (FastCGI 5.5). */
  #end(request: IncomingRequest, { unsent, sentStderr, appStatus }: SendResult): void {
    const { requestId, keepConn } = request;
    const stdout = unsent ?? NO_CONTENT;
    const pieces = encodeResponseEnd({ requestId, stdout, endsStderr: sentStderr, appStatus });
    if (!this.#decoder.end(requestId)) this.#unreadInput = true;
    // Others may have records that could leave with these.
    this.#writer.writePieces(pieces, this.#decoder.activeRequests === 0);
    // FastCGI 3.5, 5.1: without FCGI_KEEP_CONN closing is the application's part.
    if (!keepConn) this.#closing = true;
    this.#closeIfDone();
    this.#watch();
  }

  /**
   * A response that broke off must not look whole, and nothing in FastCGI says so that a web server would understand: the
   * connection is broken off without FCGI_END_REQUEST. Other requests on it come first; meanwhile an abort still gets its
   * answer.
   */
  #leaveUnanswered(request: IncomingRequest): void {
    this.#truncated ??= new Set();
    this.#truncated.add(request);
    // Nobody reads the rest of its input, and a full queue would stop the whole connection.
    const { requestId } = request;
    const reason = new FastCgiError("aborted", "Cannot read the request: its response broke off", { requestId });
    request.failStreams(reason);
    request.onAbort(() => {
      if (this.#truncated?.delete(request) && !this.#closed) this.#end(request, BROKEN_OFF);
    });
    this.#closeIfDone();
  }

  /** The decoder has an answer of its own. */
  reply(records: FastCgiRecord[], closeConnection: boolean): void {
    this.#unsentReplies++;
    const { taken } = this.#writer.write(...records);
    const sent = (): void => {
      this.#unsentReplies--;
    };
    taken.then(sent, sent);
    if (this.#unsentReplies > MAX_UNSENT_REPLIES) void this.#pauseFor(taken);
    if (closeConnection) {
      this.#closing = true;
      this.#unreadInput = true;
    }
    this.#closeIfDone();
  }

  /** Input was dropped or refused. */
  report(error: FastCgiError): void {
    this.#options.onError(error);
  }

  #closeIfDone(): void {
    if (this.#closed || this.#decoder.activeRequests > this.#brokenOff) return;
    if (this.#closing || this.#brokenOff > 0) void this.#closeGently();
  }

  get #brokenOff(): number {
    return this.#truncated?.size ?? 0;
  }

  /**
   * Half-closes after what was written. Where input is still under way it goes on being read and dropped for a while: a
   * socket that is closed with unread input is reset, and the response may be lost with it.
   */
  async #closeGently(): Promise<void> {
    if (this.#halfClosed) return;
    this.#halfClosed = true;
    this.#silence.stop();
    this.#paramsTimeout?.stop();
    await (this.#brokenOff > 0 ? this.#writer.breakOff() : this.#writer.close());
    if (this.#closed) return;
    if (!this.#unreadInput && !this.#decoder.expectsInput) {
      this.#close(FINISHED);
      return;
    }
    this.#linger = new Deadline(() => this.#close(FINISHED));
    this.#linger.restart(this.#options.lingerTimeout);
  }

  #fail(error: unknown): void {
    if (this.#closed) return;
    this.#options.onError(error);
    this.#close(
      error instanceof FastCgiError && error.code !== "protocol"
        ? error
        : new FastCgiError("connectionClosed", "Cannot finish the request: its connection failed", { cause: error }),
    );
  }

  #close(reason: FastCgiError): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#silence.dispose();
    this.#paramsTimeout?.dispose();
    this.#linger?.dispose();
    this.#decoder.abortAll(reason);
    this.#writer.fail(reason);
    this.#channel.close(reason);
    this.#finishIfDone();
  }

  #finishIfDone(): void {
    if (this.#closed && this.#running === 0) this.#finish?.();
  }
}

/** Whether the web server did something wrong, rather than leave. */
function isFault(error: unknown): boolean {
  return error instanceof FastCgiError && error.code !== "connectionClosed";
}

/** What is told to whoever answers requests on a connection that the web server has closed. */
function left({ activeRequests }: RequestDecoder): FastCgiError {
  if (activeRequests === 0) return FINISHED;
  return new FastCgiError("connectionClosed", "Cannot finish the request: the web server closed the connection");
}

/** What a request that broke off gets, if the web server aborts it before the connection is closed. */
const BROKEN_OFF: SendResult = { outcome: "sent", appStatus: 1, unsent: null, sentStderr: false };

/** Why a connection that is of no more use is closed. One for all, as an error with its stack costs more than many a request. */
const FINISHED: FastCgiError = /* @__PURE__ */ new FastCgiError("connectionClosed", "The connection is closed");
