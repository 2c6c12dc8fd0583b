// Sends a response: FCGI_STDOUT and FCGI_STDERR, and the end of the request. The server and the encoding stage run this.
// To keep in step with request_sender.ts.

import { isPromise } from "../base/is_promise.ts";
import { kindOf } from "../base/kind_of.ts";
import { type ErrorStatus, errorDocument } from "../cgi/error_document.ts";
import { ProtocolStatus, RecordType } from "../protocol/constants.ts";
import { checkAppStatus, type FastCgiRecord, NO_CONTENT } from "../protocol/record.ts";
import { type ByteSource, type ByteSourceInit, byteSourceOf, cancelSource } from "./byte_source.ts";
import { cancelOutput, type FastCgiResponse, outputOf, partsOf, wholeOutput } from "./outgoing_response.ts";
import type { RecordSink, WrittenRecords } from "./record_sink.ts";
import { endOfStream, endRequest } from "./records.ts";
import { StreamSender } from "./stream_sender.ts";
import { WholeOutput } from "./whole_output.ts";

/** For messages. */
const TASK = "Cannot send a response";

/** Callbacks of a {@linkcode ResponseSender}. */
export interface ResponseSenderHooks {
  /** Called when the response is sent piece by piece from now on. */
  onStreaming(): void;
  /** Called when a source of FCGI_STDERR failed, or a promise gave a wrong exit status. The response goes on. */
  onHarmlessError(error: unknown): void;
  /** Called before FCGI_END_REQUEST is sent. Returns whether it may be sent. */
  onEnding(): boolean;
  /**
   * Called after FCGI_END_REQUEST was given to the sink.
   *
   * @param bytes The most bytes of the response that the sink may still have to send.
   */
  onEnded(written: WrittenRecords, bytes: number): void;
}

/** Sends one response, and ends the request with it. */
export class ResponseSender {
  readonly #sink: RecordSink;
  readonly #requestId: number;
  readonly #hooks: ResponseSenderHooks;
  /** Made on first use, because most responses are complete at once. */
  #stdout: StreamSender | null = null;
  #stderr: StreamSender | null = null;
  #isStopped = false;
  #reason: unknown;

  constructor(sink: RecordSink, requestId: number, hooks: ResponseSenderHooks) {
    this.#sink = sink;
    this.#requestId = requestId;
    this.#hooks = hooks;
  }

  /** Whether any of FCGI_STDOUT was sent. */
  get hasBegun(): boolean {
    return this.#stdout !== null && this.#stdout.sent > 0;
  }

  /** Whether the web server no longer wants the response. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /**
   * Sends the response and ends it. A response that is stopped ends with what was sent. Returns a promise only if there
   * is something to wait for, because most responses are complete at once.
   *
   * @throws {unknown} Why the response can't be sent to its end. It is not ended then. The promise may reject for the
   * same reason.
   */
  send(response: FastCgiResponse): Promise<void> | undefined {
    try {
      if (typeof response !== "object" || response === null) {
        throw new TypeError(`${TASK}: expected an object with stdout, got ${kindOf(response)}`);
      }
      const appStatus = appStatusOf(response);
      const output = outputOf(response);
      const whole = wholeOutput(output, response);
      if (whole === null) return this.#sendParts(output, response, appStatus);
      this.#endWith(whole);
    } catch (error) {
      this.#endFailed(error);
    }
    return undefined;
  }

  /** Ends a response that has not begun with an error document, because web servers misread an empty response. */
  sendError(status: ErrorStatus): void {
    this.end(errorDocument(status), 1);
  }

  /** Sends nothing more, and cancels the response's streams. */
  stop(reason: unknown): void {
    this.#isStopped = true;
    this.#reason = reason;
    this.#stdout?.stop(reason);
    this.#stderr?.stop(reason);
  }

  /**
   * Ends the request (FastCGI 5.5).
   *
   * @param stdout The rest of FCGI_STDOUT, which fits one record. It is not sent if the response was stopped.
   */
  end(stdout: Uint8Array = NO_CONTENT, appStatus: number = 0): void {
    const requestId = this.#requestId;
    // Other streams may have records that can be sent with the last one.
    const isAlone = !this.#sink.isShared;
    // Made first: what fails after onEnding leaves a request that is over for this side, but not for the web server.
    const end = endRequest(requestId, { appStatus, protocolStatus: ProtocolStatus.RequestComplete });
    if (!this.#hooks.onEnding()) return;
    const records: FastCgiRecord[] = [];
    if (stdout.length > 0 && !this.#isStopped) {
      // Not padded, as in StreamSender.
      records.push({ type: RecordType.Stdout, requestId, contentData: stdout, paddingLength: 0 });
    }
    records.push(endOfStream(RecordType.Stdout, requestId));
    const endsStderr = this.#stderr !== null && this.#stderr.sent > 0;
    if (endsStderr) records.push(endOfStream(RecordType.Stderr, requestId));
    records.push(end);
    const written = this.#sink.write(records, isAlone);
    this.#hooks.onEnded(written, stdout.length + (this.#stdout?.ahead ?? 0) + (this.#stderr?.ahead ?? 0));
  }

  /** Sends all of FCGI_STDOUT and ends the request. */
  #endWith(whole: WholeOutput | Uint8Array): void {
    if (!(whole instanceof WholeOutput)) {
      this.end(whole);
    } else if (this.#isStopped || this.#sink.isShared) {
      // Records of other streams may be sent with these.
      this.end(whole.bytes);
    } else {
      const encoded = whole.encodeResponse(this.#requestId);
      if (!this.#hooks.onEnding()) return;
      this.#hooks.onEnded(this.#sink.writeEncoded(encoded, true), encoded.length);
    }
  }

  /**
   * Refuses the request, which has had no output (FastCGI 5.5). `response` must have none.
   *
   * @throws {unknown} Why its exit status can't be sent. The request is not ended then.
   */
  async refuse(protocolStatus: ProtocolStatus, response: FastCgiResponse): Promise<void> {
    const given = appStatusOf(response);
    // Stryker disable next-line ConditionalExpression,StringLiteral: a number can be awaited as well, in more turns
    const appStatus = typeof given === "number" ? given : await this.#awaited(given);
    const isAlone = !this.#sink.isShared;
    const end = endRequest(this.#requestId, { appStatus, protocolStatus });
    /* v8 ignore else -- V8 loses the count behind a conditional await: each refusal takes it */
    if (!this.#hooks.onEnding()) return;
    this.#hooks.onEnded(this.#sink.write([end], isAlone), end.contentData.length);
  }

  async #sendParts(
    output: ByteSource[],
    response: FastCgiResponse,
    appStatus: number | PromiseLike<number>,
  ): Promise<void> {
    try {
      await this.#sendStreams(output, response);
      // Stryker disable next-line ConditionalExpression,StringLiteral: a number can be awaited as well, in more turns
      this.end(NO_CONTENT, typeof appStatus === "number" ? appStatus : await this.#awaited(appStatus));
    } catch (error) {
      this.#endFailed(error);
    }
  }

  /**
   * The exit status that a promise gives; 1 for a wrong one, such as the null of Node's `exit` event after a signal. It
   * comes after all output, which must not fail with it: no web server reads an exit status.
   */
  async #awaited(appStatus: PromiseLike<number>): Promise<number> {
    const value = await appStatus;
    try {
      checkAppStatus(value, TASK);
      return value;
    } catch (error) {
      if (!this.#isStopped) this.#hooks.onHarmlessError(error);
      return 1;
    }
  }

  /** Ends a response that was stopped. Otherwise its failure is for the caller. */
  #endFailed(error: unknown): void {
    if (!this.#isStopped) {
      // Nothing may follow FCGI_END_REQUEST.
      this.#stderr?.stop(error);
      throw error;
    }
    // A source that was cancelled because the request was aborted may fail. That is not an error to report.
    this.end();
  }

  async #sendStreams(output: ByteSource[], { stderr }: FastCgiResponse): Promise<void> {
    this.#hooks.onStreaming();
    const messages = [...partsOf(stderr)];
    // Messages that are at hand were written before the response.
    while (isWhole(messages[0])) await this.#sendStderr([messages.shift()!]);
    // Stryker disable next-line ConditionalExpression: no messages are sent as none, in more turns
    if (messages.length === 0) await this.#sendStdout(output);
    else await Promise.all([this.#sendStderr(messages), this.#sendStdout(output)]);
    if (!this.hasBegun && !this.#isStopped) throw new TypeError(`${TASK}: its stdout is empty`);
  }

  async #sendStdout(rest: ByteSource[]): Promise<void> {
    const sender = this.#senderOf(RecordType.Stdout);
    this.#stdout = sender;
    try {
      while (rest.length > 0) await sender.send(rest.shift()!);
    } catch (error) {
      for (const source of rest) void cancelSource(source, error);
      throw error;
    }
  }

  /** Sends messages. FCGI_STDERR is for the log, so its failure must not fail the response. */
  async #sendStderr(rest: ByteSourceInit[]): Promise<void> {
    this.#stderr ??= this.#senderOf(RecordType.Stderr);
    try {
      while (rest.length > 0) await this.#stderr.send(byteSourceOf(rest.shift()!, "stderr"));
    } catch (error) {
      for (const source of rest) void cancelSource(source, error);
      if (!this.#isStopped) this.#hooks.onHarmlessError(error);
    }
  }

  #senderOf(type: RecordType): StreamSender {
    const sender = new StreamSender(this.#sink, type, this.#requestId);
    if (this.#isStopped) sender.stop(this.#reason);
    return sender;
  }
}

/**
 * The exit status of a response.
 *
 * @throws {RangeError | TypeError} If it is neither one nor a promise. The output is cancelled then.
 */
function appStatusOf(response: FastCgiResponse): number | PromiseLike<number> {
  const { appStatus = 0 } = response;
  if (isPromise(appStatus)) {
    // It is awaited after the streams, but may reject before.
    Promise.resolve(appStatus).catch(() => {});
    return appStatus;
  }
  try {
    checkAppStatus(appStatus, TASK);
  } catch (error) {
    cancelOutput(response, error);
    throw error;
  }
  return appStatus;
}

function isWhole(source: ByteSourceInit | undefined): boolean {
  return typeof source === "string" || ArrayBuffer.isView(source) || source instanceof ArrayBuffer;
}
