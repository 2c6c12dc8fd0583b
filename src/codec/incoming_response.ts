import { copyableWith } from "../base/copyable.ts";
import type { Resolved } from "../base/resolve_options.ts";
import { ProtocolStatus } from "../protocol/constants.ts";
import { FastCgiError, type FastCgiErrorCode } from "../protocol/errors.ts";
import type { EndRequestBody } from "../protocol/record.ts";
import { ByteQueue, type ByteQueueOptions } from "./byte_queue.ts";
import type { ResponseDecoderOptions } from "./response_decoder_options.ts";
import { StderrBuffer } from "./stderr_buffer.ts";

/** The output of one request as a web server receives it (FastCGI 6). Its streams may still be arriving. */
export interface FastCgiClientResponse {
  /** The request on its connection. */
  readonly requestId: number;
  /**
   * What the application writes to FCGI_STDOUT: a CGI response. Ends only when the application says that the request is
   * complete; fails when it refuses the request or the connection goes away before.
   *
   * If the program does not read it, at most `maxQueuedBytes` are held; then the whole connection is not read until it
   * does.
   */
  readonly stdout: ReadableStream<Uint8Array>;
  /** What the application writes to FCGI_STDERR, up to `maxStderrBytes`. It need not be read. */
  readonly stderr: ReadableStream<Uint8Array>;
  /** Whether FCGI_STDERR passed `maxStderrBytes`, so that the rest was dropped. */
  readonly stderrTruncated: boolean;
  /** How the request ended (FastCGI 5.5). Rejects if the connection goes away before. */
  readonly end: Promise<EndRequestBody>;
}

/**
 * Callbacks of a response to its connection.
 *
 * @internal
 */
export interface IncomingResponseHooks {
  /** Called once when the rest of stdout will not be read. */
  onAbandoned?: (reason: unknown) => void;
  /** Called with each piece of FCGI_STDERR. */
  onStderr?: ((piece: Uint8Array, response: FastCgiClientResponse) => void) | undefined;
  /** Called with each record of FCGI_STDOUT or FCGI_STDERR. */
  onOutput?: (type: "stdout" | "stderr") => void;
  /** Called when the reader has the whole body, but the application may go on. */
  onDetached?: () => void;
  /** Called when the application has sent more than its response has: its connection must not be used again. */
  onDistrusted?: () => void;
  /** Called when the application said how the request ended. */
  onComplete?: (body: EndRequestBody) => void;
}

/** Limits on the streams of a response. */
export type IncomingResponseLimits = Readonly<Resolved<ResponseDecoderOptions>>;

/** Refusals by `protocolStatus` (FastCGI 5.5). */
const REFUSALS: ReadonlyMap<number, readonly [code: FastCgiErrorCode, reason: string]> = new Map([
  [ProtocolStatus.CantMpxConn, ["cantMultiplex", "it takes one request at a time on a connection"]],
  [ProtocolStatus.Overloaded, ["overloaded", "it is overloaded"]],
  [ProtocolStatus.UnknownRole, ["unknownRole", "it does not know the role"]],
]);

/** How a response ended; null if it has not. */
type Ending = { readonly body: EndRequestBody } | { readonly error: unknown } | null;

function promiseOf(ending: NonNullable<Ending>): Promise<EndRequestBody> {
  return "body" in ending ? Promise.resolve(ending.body) : Promise.reject(ending.error);
}

// Stryker disable BooleanLiteral: only the names count
const withOwnMembers = /* @__PURE__ */ copyableWith<FastCgiClientResponse>({
  requestId: true,
  stdout: true,
  stderr: true,
  stderrTruncated: true,
  end: true,
});
// Stryker restore BooleanLiteral

/**
 * A {@linkcode FastCgiClientResponse}, with the members that its connection uses. Parts that may never be read are made
 * on first use.
 *
 * @internal
 */
export class IncomingResponse implements FastCgiClientResponse {
  requestId: number;
  readonly stdoutQueue: ByteQueue;
  /** How often the request was sent again. */
  retries = 0;
  /** Bytes of the request's body that were given to the connection, once the program can no longer end the request. */
  stdinBytes = 0;
  /**
   * Called when the response fails, or the application refuses the request, before any of the response came. Returns
   * whether the request is sent again; in that case this response goes on and is bound to the new exchange.
   */
  onEarlyFailure: ((error: unknown) => boolean) | null = null;
  readonly #maxStderrBytes: number;
  #hooks: IncomingResponseHooks;
  #stderrBuffer: StderrBuffer | null = null;
  #hasOutput = false;
  #ending: Ending = null;
  #end: Promise<EndRequestBody> | null = null;
  #settleEnd: ((ending: Promise<EndRequestBody>) => void) | null = null;
  #copyable: FastCgiClientResponse | null = null;

  constructor(requestId: number, limits: IncomingResponseLimits, hooks: IncomingResponseHooks) {
    const { maxStdoutBytes, maxStderrBytes, maxQueuedBytes } = limits;
    this.requestId = requestId;
    this.#hooks = hooks;
    this.#maxStderrBytes = maxStderrBytes;
    this.stdoutQueue = new ByteQueue(new StdoutRules(this, maxStdoutBytes, maxQueuedBytes));
  }

  /** From now on the response belongs to this request, on any connection, and calls these hooks. */
  bind(requestId: number, hooks: IncomingResponseHooks): void {
    this.requestId = requestId;
    this.#hooks = hooks;
  }

  get stdout(): ReadableStream<Uint8Array> {
    return this.stdoutQueue.stream;
  }

  get stderr(): ReadableStream<Uint8Array> {
    return this.#stderr.stream;
  }

  get stderrTruncated(): boolean {
    return this.#stderrBuffer?.isTruncated ?? false;
  }

  get end(): Promise<EndRequestBody> {
    if (this.#end !== null) return this.#end;
    this.#end = this.#ending === null ? new Promise((settle) => (this.#settleEnd = settle)) : promiseOf(this.#ending);
    // A program that reads only stdout gets the error there.
    this.#end.catch(() => {});
    return this.#end;
  }

  /** The response that programs get, which can be copied. It is the same object every time. */
  get copyable(): FastCgiClientResponse {
    this.#copyable ??= withOwnMembers(this);
    return this.#copyable;
  }

  /** FCGI_STDERR so far as text, for messages. */
  get stderrText(): string {
    return this.#stderrBuffer === null ? "" : this.#stderrBuffer.text;
  }

  /** As {@linkcode ByteQueue.push}, for the content of an FCGI_STDOUT record. */
  pushStdout(content: Uint8Array): boolean {
    const isFree = this.stdoutQueue.push(content);
    this.#noteOutput("stdout");
    return isFree;
  }

  pushStderr(content: Uint8Array): void {
    this.#noteOutput("stderr");
    const kept = this.#stderr.push(content);
    // A copy, because the program may keep it for long. Not `content.slice()`, which copies nothing if it is a Node
    // Buffer.
    if (kept > 0) this.#hooks.onStderr?.(new Uint8Array(content.subarray(0, kept)), this.copyable);
  }

  /**
   * Resolves when the application has completed the request. Rejects if the application refused it or could not finish
   * it.
   */
  async completed(): Promise<void> {
    const { protocolStatus } = await this.end;
    if (protocolStatus !== ProtocolStatus.RequestComplete) throw this.#refusal(protocolStatus);
  }

  /** Called once when the rest of stdout will not be read. */
  abandon(reason: unknown): void {
    this.#hooks.onAbandoned?.(reason);
  }

  /**
   * Called when the reader has the whole body. The application may have more to do than to answer, so from now on only
   * the limits of its connection end the exchange.
   */
  detach(): void {
    this.#hooks.onDetached?.();
  }

  /** Called when more came than the response has: the connection must not take another request. */
  distrust(): void {
    this.#hooks.onDistrusted?.();
  }

  /** Called when the application said how the request ended. */
  complete(body: EndRequestBody): void {
    const hooks = this.#hooks;
    const error = body.protocolStatus === ProtocolStatus.RequestComplete ? null : this.#refusal(body.protocolStatus);
    if (error === null || !this.#isSentAgain(error)) {
      if (error === null) this.stdoutQueue.end();
      else this.stdoutQueue.fail(error);
      this.#finish({ body });
    }
    hooks.onComplete?.(body);
  }

  /** Fails the response: the request can't be finished. */
  fail(error: unknown): void {
    if (this.#isSentAgain(error)) return;
    this.stdoutQueue.fail(error);
    this.#finish({ error });
  }

  /** Possible only if no part of the response came and it is still wanted. */
  #isSentAgain(error: unknown): boolean {
    if (this.onEarlyFailure === null || this.#hasOutput || this.stdoutQueue.isDone) return false;
    return this.onEarlyFailure(error);
  }

  get #stderr(): StderrBuffer {
    if (this.#stderrBuffer === null) {
      this.#stderrBuffer = new StderrBuffer(this.#maxStderrBytes);
      if (this.#ending !== null) this.#stderrBuffer.end();
    }
    return this.#stderrBuffer;
  }

  #finish(ending: NonNullable<Ending>): void {
    if (this.#ending !== null) return;
    this.#ending = ending;
    this.#stderrBuffer?.end();
    this.#settleEnd?.(promiseOf(ending));
  }

  #noteOutput(type: "stdout" | "stderr"): void {
    this.#hasOutput = true;
    this.#hooks.onOutput?.(type);
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

/**
 * The rules of a response's stdout. A class, because V8 makes an object literal with a function in it old at once, and
 * what it refers to outlives each scavenge then.
 */
class StdoutRules implements ByteQueueOptions {
  readonly name = "stdout";
  readonly limit = "maxStdoutBytes";
  readonly maxBytes: number;
  readonly maxQueuedBytes: number;
  readonly #response: IncomingResponse;

  constructor(response: IncomingResponse, maxBytes: number, maxQueuedBytes: number) {
    this.#response = response;
    this.maxBytes = maxBytes;
    this.maxQueuedBytes = maxQueuedBytes;
  }

  /** The id on the connection that the request was put on last. */
  get requestId(): number {
    return this.#response.requestId;
  }

  onAbandoned(reason: unknown): void {
    this.#response.abandon(reason);
  }
}
