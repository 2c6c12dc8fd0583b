import { byteStringToUtf8, decodeByteString } from "../protocol/byte_string.ts";
import { ProtocolStatus } from "../protocol/constants.ts";
import { FastCgiError, type FastCgiErrorCode } from "../protocol/errors.ts";
import type { EndRequestBody } from "../protocol/record.ts";
import { ByteQueue } from "./byte_queue.ts";

/** The output of one request as a web server receives it (FastCGI 6). Its streams may still be arriving. */
export interface FastCgiClientResponse {
  /** The request on its connection. */
  readonly requestId: number;
  /**
   * What the application writes to FCGI_STDOUT: a CGI response. Ends only when the application says that the request is
   * complete; fails when it refuses the request or the connection goes away before.
   *
   * If nobody reads it, at most `maxQueuedBytes` are held; then the whole connection is not read until somebody does.
   */
  readonly stdout: ReadableStream<Uint8Array>;
  /** What the application writes to FCGI_STDERR, up to `maxStderrBytes`. It stalls nothing when nobody reads it. */
  readonly stderr: ReadableStream<Uint8Array>;
  /** Whether FCGI_STDERR passed `maxStderrBytes`, so that the rest was dropped. */
  readonly stderrTruncated: boolean;
  /** How the request ended (FastCGI 5.5). Rejects if the connection goes away before. */
  readonly end: Promise<EndRequestBody>;
}

/** Limits on the streams of a response, and hooks of its connection. */
export interface IncomingResponseOptions {
  maxStdoutBytes: number;
  maxStderrBytes: number;
  /** Called once when nobody will take the rest of stdout. */
  onAbandoned?: (reason: unknown) => void;
  /** Called with each piece of FCGI_STDERR. */
  onStderr?: ((piece: Uint8Array) => void) | undefined;
}

/** Refusals by `protocolStatus` (FastCGI 5.5). */
const REFUSALS: ReadonlyMap<number, readonly [code: FastCgiErrorCode, reason: string]> = new Map([
  [ProtocolStatus.CantMpxConn, ["cantMultiplex", "it takes one request at a time on a connection"]],
  [ProtocolStatus.Overloaded, ["overloaded", "it is overloaded"]],
  [ProtocolStatus.UnknownRole, ["unknownRole", "it does not know the role"]],
]);

/** A {@linkcode FastCgiClientResponse} and what its connection does with it. */
export class IncomingResponse implements FastCgiClientResponse {
  readonly requestId: number;
  readonly end: Promise<EndRequestBody>;
  readonly stdoutQueue: ByteQueue;
  readonly #stderrQueue: ByteQueue;
  readonly #options: IncomingResponseOptions;
  #resolveEnd!: (body: EndRequestBody) => void;
  #rejectEnd!: (reason: unknown) => void;
  #stderrText = "";
  #stderrBytes = 0;
  #stderrTruncated = false;

  constructor(requestId: number, options: IncomingResponseOptions) {
    this.requestId = requestId;
    this.#options = options;
    this.stdoutQueue = new ByteQueue({
      name: "stdout",
      requestId,
      maxBytes: options.maxStdoutBytes,
      limit: "maxStdoutBytes",
      ...(options.onAbandoned && { onAbandoned: options.onAbandoned }),
    });
    this.#stderrQueue = new ByteQueue({ name: "stderr", requestId });
    this.end = new Promise((resolve, reject) => {
      this.#resolveEnd = resolve;
      this.#rejectEnd = reject;
    });
    // Whoever only reads stdout learns of a failure there.
    this.end.catch(() => {});
  }

  get stdout(): ReadableStream<Uint8Array> {
    return this.stdoutQueue.stream;
  }

  get stderr(): ReadableStream<Uint8Array> {
    return this.#stderrQueue.stream;
  }

  get stderrTruncated(): boolean {
    return this.#stderrTruncated;
  }

  /** FCGI_STDERR so far as text, for messages. */
  get stderrText(): string {
    return byteStringToUtf8(this.#stderrText);
  }

  pushStderr(content: Uint8Array): void {
    const room = this.#options.maxStderrBytes - this.#stderrBytes;
    if (content.length > room) this.#stderrTruncated = true;
    if (room <= 0) return;
    // A copy of its own: these bytes may be kept long, and are few.
    const piece = content.slice(0, room);
    this.#stderrBytes += piece.length;
    this.#stderrText += decodeByteString(piece);
    this.#stderrQueue.push(piece);
    this.#options.onStderr?.(piece);
  }

  /** The application said how the request ended. */
  complete(body: EndRequestBody): void {
    if (body.protocolStatus === ProtocolStatus.RequestComplete) this.stdoutQueue.end();
    else this.stdoutQueue.fail(this.#refusal(body.protocolStatus));
    this.#stderrQueue.end();
    this.#resolveEnd(body);
  }

  /** The request can't be finished. */
  fail(error: unknown): void {
    this.stdoutQueue.fail(error);
    this.#stderrQueue.end();
    this.#rejectEnd(error);
  }

  #refusal(protocolStatus: number): FastCgiError {
    const [code, reason] = REFUSALS.get(protocolStatus) ?? ["protocol", `of protocol status ${protocolStatus}`];
    return new FastCgiError(code, `Cannot run the request: the application refused it because ${reason}`, {
      requestId: this.requestId,
      protocolStatus,
      stderr: this.stderrText,
    });
  }
}
