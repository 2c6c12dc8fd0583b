// One transport connection to an application: writes and reads at the same time, so that neither side can block the
// other, and decides when and how it ends. exchanges.ts has the exchanges on it. The mirror of server/connection.ts.
//
// How it ends. When nothing is left to do, the connection is closed at once (FastCGI 5.4). If it must end earlier, for
// any reason, it is given up (giveUp): its responses fail at once, and complete request bodies are still sent to their
// end, because php-fpm runs a script as soon as it has the variables and can't tell a part of a body from all of it.
// Output in that time is read and dropped. Then the connection is half-closed, and closed when the application has
// closed it or LINGER_TIME is over. A body that waits for its source breaks off, because the wait could take for ever.
// If the transport itself is gone, the connection is closed at once.

import { Deadline } from "../base/deadline.ts";
import { messageOf } from "../base/message_of.ts";
import type { IncomingResponse, IncomingResponseHooks } from "../codec/incoming_response.ts";
import { ResponseDecoder, type ResponseDecoderOutlet } from "../codec/response_decoder.ts";
import { FastCgiError, protocolError } from "../protocol/errors.ts";
import type { FastCgiRecord } from "../protocol/record.ts";
import type { ByteChannel, ByteChannelEvents } from "../transport/byte_channel.ts";
import type { FastCgiConnection } from "../transport/connection.ts";
import { fromStreams } from "../transport/from_streams.ts";
import { GOES_ON, type Phase } from "../transport/phase.ts";
import { Reading, type ReadingHost } from "../transport/reading.ts";
import { RecordWriter, type RecordWriterHost } from "../transport/record_writer.ts";
import type { Exchange, ResponseTimeLimit } from "./exchange.ts";
import { Exchanges, type ExchangesHost, FINISHED } from "./exchanges.ts";
import type { ResolvedClientOptions } from "./options.ts";
import type { ClientRequest } from "./request.ts";
import { ValuesQuestion } from "./values.ts";

/** Callbacks of a {@linkcode ClientConnection} to its pool. */
export interface ClientConnectionOwner {
  /** Called when there is room for another request. */
  onFree(connection: ClientConnection): void;
  /** Called when the transport is closed. */
  onClose(connection: ClientConnection): void;
  /** Called when the application refused a request because it takes one at a time (FastCGI 5.5). */
  onCantMultiplex(connection: ClientConnection): void;
}

/**
 * Milliseconds that the application has after the end of a request body whose response is not needed. If output is
 * unread when a TCP socket is closed, the connection is reset, and bytes on their way to the application are lost.
 */
const LINGER_TIME = 1000;

/** What the deadline of a connection may be for. */
type TimeLimit = ResponseTimeLimit | "idleTimeout" | "stallTimeout" | "lingerTime" | "values";

/** A connection of a {@linkcode FastCgiClient}. */
export class ClientConnection
  implements ByteChannelEvents, ReadingHost, RecordWriterHost, ResponseDecoderOutlet, ExchangesHost
{
  readonly writer: RecordWriter;
  readonly options: ResolvedClientOptions;
  /** The connection as the connector gave it. */
  readonly transport: FastCgiConnection;
  readonly #owner: ClientConnectionOwner;
  readonly #channel: ByteChannel;
  readonly #reading: Reading;
  readonly #decoder: ResponseDecoder;
  readonly #deadline: Deadline<TimeLimit>;
  /** The requests on the connection: how many, and whether they share it. */
  readonly exchanges: Exchanges;
  #phase: Phase = "open";
  #closeReason: unknown;
  #question: ValuesQuestion | null = null;
  /** Whether any output has come since the connection was last idle. */
  #heard = false;
  #writeError: unknown;

  constructor(transport: FastCgiConnection, options: ResolvedClientOptions, owner: ClientConnectionOwner) {
    this.transport = transport;
    this.options = options;
    this.#owner = owner;
    this.#channel = fromStreams(transport);
    this.#reading = new Reading(this.#channel, this);
    this.#decoder = new ResponseDecoder(this, options);
    this.writer = new RecordWriter(this.#channel, this);
    this.#deadline = new Deadline((limit) => this.#onTimeout(limit));
    this.exchanges = new Exchanges(this, this.#deadline);
    // The request for which it was opened may be gone. Then the connection is idle from the start.
    if (options.keepAlive) this.onIdle();
    this.#channel.start(this);
  }

  /**
   * Whether the connection takes requests, now or when there is room again. Unlike a server, a client chooses when
   * requests begin, so none begins while the connection is finishing.
   */
  get isOpen(): boolean {
    return this.#phase === "open";
  }

  /** Whether the connection can take a request now. */
  get isFree(): boolean {
    return this.isOpen && this.exchanges.active < this.exchanges.maxRequests;
  }

  /** Whether the connection was kept and is idle, so that the application may have closed it unnoticed. */
  get isKept(): boolean {
    return this.exchanges.begun > 0 && this.exchanges.active === 0;
  }

  /** Whether any output has come since the connection was last idle. */
  get hasHeard(): boolean {
    return this.#heard;
  }

  get isPaused(): boolean {
    return this.#reading.isPaused;
  }

  get isShared(): boolean {
    return this.exchanges.isShared;
  }

  /** Whether no request can be sent on the connection any more. */
  get isClosed(): boolean {
    return !GOES_ON[this.#phase];
  }

  /** Why no request can be sent on the connection any more. */
  get closeReason(): unknown {
    return this.#closeReason;
  }

  /**
   * Begins a request. `response` gets the application's answer, or fails with any error from then on.
   *
   * @throws {unknown} The error of the request, the reason of its signal, or why the connection is closed. Nothing was
   * sent then, and the connection is unchanged.
   */
  begin(request: ClientRequest, response: IncomingResponse): void {
    request.signal?.throwIfAborted();
    if (this.isClosed) throw this.#closeReason;
    const wasIdle = this.exchanges.active === 0;
    this.exchanges.begin(request, response);
    if (wasIdle) this.#heard = false;
  }

  /** Asks for the application's limits (FastCGI 4.1), on an idle connection. `timeout` is in milliseconds. */
  async getValues(names: readonly string[], timeout: number): Promise<Map<string, string>> {
    if (this.isClosed) throw this.#closeReason;
    this.#question = new ValuesQuestion(names);
    this.writer.write([this.#question.record]);
    this.#deadline.restart(timeout, "values");
    return this.#question.answer;
  }

  /** Accepts no more requests, and closes when none is left. */
  finish(): void {
    if (this.#phase === "open") this.#phase = "finishing";
    if (this.#phase === "finishing" && this.exchanges.isDone) this.close(FINISHED);
  }

  /** Ends all requests with `reason`, and closes the connection: at once, or after complete request bodies. */
  giveUp(reason: unknown): void {
    if (this.isClosed) return;
    const sending = this.writer.hasFailed ? [] : this.exchanges.giveUp(reason);
    if (sending.length === 0) {
      this.close(reason);
      return;
    }
    this.#phase = "lingering";
    this.#closeReason = reason;
    this.#deadline.stop();
    this.#decoder.failAll(reason);
    void this.#endOutput(sending);
  }

  /** Half-closes the connection after the bodies. If the application reads nothing for `writeTimeout`, writing fails. */
  async #endOutput(sending: readonly Exchange[]): Promise<void> {
    const isTaken = this.writer.pendingBytes === 0 && sending.every(({ sentWhole }) => sentWhole);
    await Promise.all(sending.map(({ rest }) => rest));
    // Also if all is taken: the transport may still hold some of it, and closing would drop that.
    await this.writer.close();
    if (this.#phase !== "lingering") return;
    if (isTaken) this.close(this.#closeReason);
    else this.#deadline.restart(LINGER_TIME, "lingerTime");
  }

  /**
   * Closes the connection at once. All requests fail with `reason`.
   *
   * @param errorFor Returns the error of each response, if that is not `reason`.
   */
  close(reason: unknown, errorFor?: (response: IncomingResponse) => unknown): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    this.#closeReason = reason;
    this.#reading.end();
    this.#deadline.dispose();
    this.#decoder.failAll(reason, errorFor);
    this.exchanges.endAll(reason);
    this.#question?.fail(reason);
    this.writer.fail(reason);
    try {
      this.#channel.close(reason);
    } finally {
      this.#owner.onClose(this);
    }
  }

  /** Called with output. */
  onData(piece: Uint8Array, isSole: boolean = false): void {
    if (this.isClosed) return;
    this.#heard = true;
    try {
      if (this.exchanges.active === 0 && this.#question === null) {
        throw protocolError("Cannot read a record: no request is under way");
      }
      this.#reading.take(piece, isSole);
    } catch (error) {
      this.onError(error);
      return;
    }
    this.exchanges.noteBytes(this.#phase === "finishing" || this.#reading.isBetweenRecords);
  }

  /** Called at the end of output. It does not flush the decoders, whose error would not name an earlier write error. */
  onEnd(): void {
    this.#fail("the application closed the connection before its end", this.#writeError);
  }

  /** Called when the connection broke, or its output can't be understood. */
  onError(error: unknown): void {
    if (error instanceof FastCgiError) this.giveUp(error);
    else this.#fail(`the connection failed: ${messageOf(error)}`, error);
  }

  onRecord(record: FastCgiRecord): void | Promise<void> {
    return this.#decoder.transform(record, NOTHING_COMES_OUT);
  }

  get keptBytes(): number {
    return this.#decoder.keptBytes;
  }

  onPause(): void {
    this.exchanges.pause();
    this.#deadline.restart(this.options.stallTimeout, "stallTimeout");
  }

  onResume(): void {
    if (this.isClosed) return;
    this.#deadline.stop();
    if (this.exchanges.active === 0) this.onIdle();
    this.exchanges.resume();
  }

  expect(requestId: number, hooks: IncomingResponseHooks, response: IncomingResponse): void {
    this.#decoder.expect(requestId, hooks, response);
  }

  onCantMultiplex(): void {
    this.#owner.onCantMultiplex(this);
  }

  onRoom(): void {
    if (this.isClosed) return;
    if (this.#phase === "finishing") this.finish();
    else if (this.exchanges.active === 0) this.onIdle();
    if (this.isFree) this.#owner.onFree(this);
  }

  onIdle(): void {
    this.#deadline.restart(this.options.idleTimeout, "idleTimeout");
  }

  /** Called with an answer to FCGI_GET_VALUES. */
  management(record: FastCgiRecord): void {
    this.#question?.take(record);
    if (this.exchanges.active === 0) this.onIdle();
  }

  /** Called for records of a request that is over. Go sends them after an abort. No later request may meet them. */
  report(error: FastCgiError): void {
    if (!this.exchanges.isShared) this.giveUp(error);
  }

  /**
   * Called when writing fails. An application that has answered may close without reading the rest of the request. Its
   * answer can still be read, so the read side decides how the exchange ends.
   */
  onWriteError(error: unknown): void {
    if (this.isClosed || this.exchanges.active === 0 || (error instanceof FastCgiError && error.code === "timeout")) {
      this.close(error);
      return;
    }
    this.#writeError = error;
    this.finish();
    this.exchanges.stopSending(error);
  }

  /** Closes a connection whose transport has ended or failed. Each error has the stderr text of its own request. */
  #fail(what: string, cause: unknown): void {
    const gone = (response?: IncomingResponse): FastCgiError => {
      const { requestId, stderrText: stderr } = response ?? {};
      return new FastCgiError("connectionClosed", `Cannot read the response: ${what}`, { requestId, stderr, cause });
    };
    this.close(gone(), gone);
  }

  #onTimeout(limit: TimeLimit): void {
    switch (limit) {
      case "headerTimeout":
      case "readTimeout":
        this.exchanges.onTimeout(limit);
        return;
      case "stallTimeout":
        this.exchanges.onStalled();
        if (this.isClosed) return;
        this.exchanges.noteReads();
        this.#deadline.restart(this.options.stallTimeout, "stallTimeout");
        return;
      case "lingerTime":
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
}

/** The decoder emits nothing, because responses are announced to it. */
const NOTHING_COMES_OUT = { enqueue(): void {} };
