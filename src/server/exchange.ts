// One request and its response on a connection: runs the handler, sends what it answers, and ends it. The mirror of client/exchange.ts.

import { kindOf } from "../base/kind_of.ts";
import { type ErrorStatus, errorDocument } from "../cgi/error_document.ts";
import { type ByteSource, type ByteSourceInit, byteSourceOf, cancelSource } from "../codec/byte_source.ts";
import type { IncomingRequest } from "../codec/incoming_request.ts";
import { endOfStream, endRequest } from "../codec/records.ts";
import { StreamSender } from "../codec/stream_sender.ts";
import { ProtocolStatus, RecordType, Role } from "../protocol/constants.ts";
import { FastCgiError } from "../protocol/errors.ts";
import { type FastCgiRecord, NO_CONTENT } from "../protocol/record.ts";
import type { RecordWriter } from "../transport/record_writer.ts";
import { type FastCgiResponse, outputOf, partsOf, wholeOutput } from "./response.ts";

/** What an {@linkcode Exchange} needs of its connection. */
export interface ExchangeHost {
  readonly writer: RecordWriter;
  /** Unread bytes of a stream beyond which the connection is not read. */
  readonly maxQueuedBytes: number;
  /** Calls the handler. */
  answer(request: IncomingRequest): FastCgiResponse | Promise<FastCgiResponse>;
  /** The response is sent piece by piece from now on. */
  onStreaming(exchange: Exchange): void;
  /** The handler or its response failed. */
  onFailure(error: unknown, request: IncomingRequest): void;
}

/** One request and its response. */
export class Exchange {
  readonly request: IncomingRequest;
  readonly #host: ExchangeHost;
  /** Made when they are needed: most responses are whole at once. */
  #stdout: StreamSender | null = null;
  #stderr: StreamSender | null = null;
  /** Output that is whole and fits one record. It leaves with the end. */
  #unsent: Uint8Array = NO_CONTENT;
  #appStatus = 0;
  #isStopped = false;
  #reason: unknown;

  constructor(host: ExchangeHost, request: IncomingRequest) {
    this.#host = host;
    this.request = request;
    request.onAbort((reason) => this.#stop(reason));
  }

  /** Whether any of FCGI_STDOUT was sent. */
  get hasBegun(): boolean {
    return this.#stdout !== null && this.#stdout.sent > 0;
  }

  /**
   * Answers the request, but for the end. Never rejects: a handler that fails or says nothing is answered for with a plain error
   * document, because no web server makes anything good of an empty response.
   *
   * @returns Whether the response may be ended. Not if it failed behind its beginning.
   */
  async send(): Promise<boolean> {
    const { request } = this;
    try {
      const response = await (request.role === Role.Filter ? this.#filter() : this.#host.answer(request));
      if (typeof response !== "object" || response === null) {
        throw new TypeError(`Cannot send a response: expected an object with stdout, got ${kindOf(response)}`);
      }
      const { appStatus } = response;
      // It is waited for when the streams are through, but may fail before.
      if (typeof appStatus === "object") Promise.resolve(appStatus).catch(() => {});
      const output = outputOf(response);
      const whole = wholeOutput(output, response);
      if (whole === null) await this.#sendStreams(output, response);
      else if (!this.#isStopped) this.#unsent = whole;
      return true;
    } catch (error) {
      // A source that was cancelled because the request is aborted may well fail. There is nothing to tell.
      if (this.#isStopped) return true;
      // Nothing may come behind FCGI_END_REQUEST.
      this.#stderr?.stop(error);
      this.#host.onFailure(error, request);
      this.#appStatus = 1;
      if (this.hasBegun) return false;
      this.#unsent = errorDocument(statusOf(error, request));
      return true;
    }
  }

  /**
   * Ends the response (FastCGI 5.5).
   *
   * @param atOnce Whether nothing else is expected to leave with it.
   */
  end(atOnce: boolean): void {
    const { requestId } = this.request;
    const endsStderr = this.#stderr !== null && this.#stderr.sent > 0;
    const records: FastCgiRecord[] = [];
    // Not padded, as in StreamSender.
    if (this.#unsent.length > 0) {
      records.push({ type: RecordType.Stdout, requestId, contentData: this.#unsent, paddingLength: 0 });
    }
    records.push(endOfStream(RecordType.Stdout, requestId));
    if (endsStderr) records.push(endOfStream(RecordType.Stderr, requestId));
    const { RequestComplete: protocolStatus } = ProtocolStatus;
    records.push(endRequest(requestId, { appStatus: this.#appStatus, protocolStatus }));
    this.#host.writer.write(records, atOnce);
  }

  /** Sends nothing more, and cancels the response's streams. */
  #stop(reason: unknown): void {
    this.#isStopped = true;
    this.#reason = reason;
    this.#stdout?.stop(reason);
    this.#stderr?.stop(reason);
  }

  /**
   * A Filter does not write before STDIN is complete (FastCGI 6.4). Unless it has to: one that writes while it reads more than may
   * wait unread would wait for itself.
   */
  async #filter(): Promise<FastCgiResponse> {
    const { request } = this;
    try {
      return await this.#host.answer(request);
    } finally {
      await request.stdinQueue.whenDoneOrFull(this.#host.maxQueuedBytes);
    }
  }

  async #sendStreams(output: ByteSource[], { stderr, appStatus = 0 }: FastCgiResponse): Promise<void> {
    this.#host.onStreaming(this);
    const messages = [...partsOf(stderr)];
    // What is at hand was written before the response.
    while (isAtHand(messages[0])) await this.#sendStderr([messages.shift()!]);
    const sendingStderr = messages.length === 0 ? undefined : this.#sendStderr(messages);
    await this.#sendStdout(output);
    if (sendingStderr !== undefined) await sendingStderr;
    if (!this.hasBegun && !this.#isStopped) throw new TypeError("Cannot send a response: its stdout is empty");
    this.#appStatus = typeof appStatus === "object" ? await appStatus : appStatus;
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

  /** FCGI_STDERR is for the log: that it fails must not fail the response. */
  async #sendStderr(rest: ByteSourceInit[]): Promise<void> {
    this.#stderr ??= this.#senderOf(RecordType.Stderr);
    try {
      while (rest.length > 0) await this.#stderr.send(byteSourceOf(rest.shift()!, "stderr"));
    } catch (error) {
      for (const source of rest) void cancelSource(source, error);
      if (!this.#isStopped) this.#host.onFailure(error, this.request);
    }
  }

  #senderOf(type: RecordType): StreamSender {
    const sender = new StreamSender(this.#host.writer, type, this.request.requestId);
    if (this.#isStopped) sender.stop(this.#reason);
    return sender;
  }
}

function isAtHand(source: ByteSourceInit | undefined): boolean {
  return typeof source === "string" || ArrayBuffer.isView(source) || source instanceof ArrayBuffer;
}

/** The status that says best whose fault an error is. */
function statusOf(error: unknown, request: IncomingRequest): ErrorStatus {
  if (!(error instanceof FastCgiError)) return 500;
  switch (error.code) {
    case "timeout":
      // Not where an application that the handler has called was too slow.
      return request.failedWith(error) ? 408 : 500;
    case "limit":
      return error.limit === "maxStdinBytes" || error.limit === "maxDataBytes" ? 413 : 500;
    case "lengthMismatch":
      return error.requestId === undefined ? 500 : 400;
    case "malformedRequest":
      return 400;
    default:
      return 500;
  }
}
