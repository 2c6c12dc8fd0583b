import type { FastCgiRequest } from "../codec/incoming_request.ts";
import { type ErrorStatus, errorDocument } from "../codec/refusal.ts";
import { MAX_SENT_CONTENT_LENGTH, RecordType } from "../protocol/constants.ts";
import { FastCgiError } from "../protocol/errors.ts";
import { kindOf } from "../protocol/kind_of.ts";
import { type ByteSource, type ByteSourceInit, byteSourceOf, cancelSource } from "../transport/byte_source.ts";
import type { RecordWriter } from "../transport/record_writer.ts";
import { StreamSender } from "../transport/stream_sender.ts";

/** What an application answers (FastCGI 6). */
export interface FastCgiResponse {
  /** A CGI response, header block and body (RFC 3875 6): text, bytes, a Blob, a stream and more, or several one after the other. */
  stdout?: ByteSourceInit | null | readonly ByteSourceInit[];
  /**
   * Text for the web server's error log. Give it only where the web server can stand it: HAProxy 2.6 and others fail on it
   * (see specifications/fastcgi.md).
   */
  stderr?: ByteSourceInit | null;
  /**
   * What a CGI program would return from `exit()` (FastCGI 5.5). No known web server looks at it.
   *
   * @default {0}
   */
  appStatus?: number | PromiseLike<number>;
}

/** What a handler can ask of the server that runs it. */
export interface FastCgiHandlerContext {
  /** Lets a graceful close wait for work that goes on after the response. */
  waitUntil(promise: PromiseLike<unknown>): void;
}

/** An application: answers one request. */
export type FastCgiHandler = (
  request: FastCgiRequest,
  context: FastCgiHandlerContext,
) => FastCgiResponse | Promise<FastCgiResponse>;

/** The status that says best whose fault an error is. */
function statusOf(error: unknown): ErrorStatus {
  if (!(error instanceof FastCgiError)) return 500;
  switch (error.code) {
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

/** What became of a response. */
export interface SendResult {
  /** `truncated`: output was under way when it failed. */
  outcome: "sent" | "truncated";
  appStatus: number;
  /** Output that is whole and fits one record. It is left to whoever ends the request, so that it leaves with the end. */
  unsent: Uint8Array | null;
  /** Whether anything was sent to FCGI_STDERR, so that the stream wants an end. */
  sentStderr: boolean;
}

/**
 * What a response has for FCGI_STDOUT.
 *
 * @throws {TypeError} If a part of it can't be sent. The others are cancelled then.
 */
function outputOf({ stdout, stderr }: FastCgiResponse): ByteSource[] {
  const parts: readonly ByteSourceInit[] = Array.isArray(stdout) ? stdout : isNothing(stdout) ? [] : [stdout];
  try {
    return parts.map((part) => byteSourceOf(part, "stdout"));
  } catch (error) {
    for (const part of [...parts, stderr]) void cancelSource(part, error);
    throw error;
  }
}

function isNothing(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}

/** The output of a response that is nothing but bytes for one record, or null. */
function wholeOutput(output: readonly ByteSource[], { stderr, appStatus = 0 }: FastCgiResponse): Uint8Array | null {
  const [only] = output;
  if (output.length !== 1 || !isNothing(stderr) || appStatus !== 0) return null;
  return only instanceof Uint8Array && only.length > 0 && only.length <= MAX_SENT_CONTENT_LENGTH ? only : null;
}

/**
 * Sends what `handler` answers, all but the ends of the streams and FCGI_END_REQUEST. Never rejects: a handler that fails or says
 * nothing is answered for with a plain 500, because no web server makes anything good of an empty response.
 */
export class ResponseSender {
  readonly #writer: RecordWriter;
  readonly #requestId: number;
  readonly #onError: (error: unknown) => void;
  /** Made when they are needed: most responses are whole at once. */
  #stdout: StreamSender | null = null;
  #stderr: StreamSender | null = null;
  #stopped = false;
  #reason: unknown;

  constructor(writer: RecordWriter, requestId: number, onError: (error: unknown) => void) {
    this.#writer = writer;
    this.#requestId = requestId;
    this.#onError = onError;
  }

  /** Sends nothing more, and cancels the response's streams. */
  stop(reason: unknown): void {
    this.#stopped = true;
    this.#reason = reason;
    this.#stdout?.stop(reason);
    this.#stderr?.stop(reason);
  }

  async send(answer: () => FastCgiResponse | Promise<FastCgiResponse>): Promise<SendResult> {
    try {
      const response = await answer();
      if (typeof response !== "object" || response === null) {
        throw new TypeError(`Cannot send a response: expected an object with stdout, got ${kindOf(response)}`);
      }
      const { appStatus = 0 } = response;
      // It is waited for when the streams are through, but may fail before.
      if (typeof appStatus === "object") Promise.resolve(appStatus).catch(() => {});
      const output = outputOf(response);
      const whole = wholeOutput(output, response);
      if (whole !== null) return this.#result(0, whole);
      const stderr = isNothing(response.stderr) ? undefined : this.#sendStderr(response.stderr);
      await this.#sendStdout(output);
      if (stderr !== undefined) await stderr;
      if (this.#sentStdout === 0 && !this.#stopped) throw new TypeError("Cannot send a response: its stdout is empty");
      return this.#result(typeof appStatus === "object" ? await appStatus : appStatus);
    } catch (error) {
      // A source that was cancelled because the request is aborted may well fail; nobody is there to tell.
      if (this.#stopped) return this.#result(0);
      // Nothing may come behind FCGI_END_REQUEST.
      this.#stderr?.stop(error);
      this.#onError(error);
      if (this.#sentStdout > 0) return { ...this.#result(1), outcome: "truncated" };
      return this.#result(1, errorDocument(statusOf(error)));
    }
  }

  #result(appStatus: number, output: Uint8Array | null = null): SendResult {
    const unsent = this.#stopped ? null : output;
    return { outcome: "sent", appStatus, unsent, sentStderr: (this.#stderr?.sent ?? 0) > 0 };
  }

  get #sentStdout(): number {
    return this.#stdout?.sent ?? 0;
  }

  #senderOf(type: RecordType): StreamSender {
    const sender = new StreamSender(this.#writer, type, this.#requestId);
    if (this.#stopped) sender.stop(this.#reason);
    return sender;
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
  async #sendStderr(source: ByteSourceInit): Promise<void> {
    this.#stderr = this.#senderOf(RecordType.Stderr);
    try {
      await this.#stderr.send(byteSourceOf(source, "stderr"));
    } catch (error) {
      if (!this.#stopped) this.#onError(error);
    }
  }
}
