import { copyableWith, setOwn } from "../base/copyable.ts";
import type { Resolved } from "../base/resolve_options.ts";
import { type FastCgiParams, parseLength } from "../cgi/params.ts";
import { GivenVariables, type Variables } from "../cgi/variables.ts";
import { Role } from "../protocol/constants.ts";
import type { FastCgiError } from "../protocol/errors.ts";
import type { NameValuePair } from "../protocol/name_value_pairs.ts";
import { ByteQueue } from "./byte_queue.ts";
import type { RecordSink } from "./record_sink.ts";
import type { RequestDecoderOptions } from "./request_decoder_options.ts";
import type { FastCgiRequestOutcome } from "./request_end.ts";

/** One request as an application receives it (FastCGI 6). Its params are complete, its streams may still be arriving. */
export interface FastCgiRequest {
  /** The request on its connection, 1 to 65,535. It is used again after the request has ended. */
  readonly requestId: number;
  /** The role that the web server asks the application to play. */
  readonly role: Role;
  /** Whether the web server keeps the connection afterwards (FastCGI 5.1). */
  readonly keepConn: boolean;
  /** The variables by name, repeated headers joined. Byte strings: one character per byte. */
  readonly params: FastCgiParams;
  /** The variables as they came, in order, with repeated names. */
  readonly paramPairs: readonly NameValuePair[];
  /**
   * The request body; empty for an Authorizer. Fails if it is not as long as CONTENT_LENGTH says.
   *
   * If the application does not read it, at most `maxQueuedBytes` are held; then the whole connection is not read until
   * it does.
   */
  readonly stdin: ReadableStream<Uint8Array>;
  /** The file of a Filter; empty for the other roles. Fails if it is not as long as FCGI_DATA_LENGTH says. */
  readonly data: ReadableStream<Uint8Array>;
  /**
   * Aborts when the web server aborts the request (FastCGI 5.4) or its connection goes away. Its reason is an `AbortError`; the `cause` of
   * that is a {@linkcode FastCgiError}.
   */
  readonly signal: AbortSignal;
}

/** Hears what becomes of a request: without it, nothing is measured. */
export interface RequestObserver {
  /** Its method, as the web server sent it. */
  method: string | undefined;
  /** Returns the URL of the Request that was made of it. */
  url: (() => string) | null;
  /** Returns a sink that notes what of the response is sent to `sink`. */
  watched(sink: RecordSink): RecordSink;
  /** Called when the request is over. Only the first call counts. */
  end(outcome: FastCgiRequestOutcome, error?: unknown, request?: IncomingRequest | null): void;
}

/** Limits on the streams of a request. */
export type IncomingStreamLimits = Readonly<
  Pick<Resolved<RequestDecoderOptions>, "maxStdinBytes" | "maxDataBytes" | "maxQueuedBytes">
>;

// Stryker disable BooleanLiteral: only the names count
const withOwnMembers = /* @__PURE__ */ copyableWith<FastCgiRequest>({
  requestId: true,
  role: true,
  keepConn: true,
  params: true,
  paramPairs: true,
  stdin: true,
  data: true,
  signal: true,
});
// Stryker restore BooleanLiteral

/**
 * A {@linkcode FastCgiRequest}, with the members that its connection uses. Its parts are made on first use.
 *
 * @internal
 */
export class IncomingRequest implements FastCgiRequest {
  readonly requestId: number;
  readonly role: Role;
  readonly keepConn: boolean;
  #variables: Variables;
  readonly #stdinQueue: ByteQueue;
  readonly #limits: IncomingStreamLimits;
  #dataQueue: ByteQueue | null = null;
  #controller: AbortController | null = null;
  #abortReason: FastCgiError | null = null;
  #onAbort: readonly ((reason: FastCgiError) => void)[] = [];
  #copyable: FastCgiRequest | null = null;
  #watch: RequestObserver | null = null;

  constructor(requestId: number, role: Role, keepConn: boolean, variables: Variables, limits: IncomingStreamLimits) {
    this.requestId = requestId;
    this.role = role;
    this.keepConn = keepConn;
    this.#variables = variables;
    this.#limits = limits;
    this.#stdinQueue = this.#queueOf("stdin", role !== Role.Authorizer, "CONTENT_LENGTH", "maxStdinBytes");
  }

  /** The IncomingRequest behind `request`; null for a copy, for an object that was made of one, and for any other. */
  static of(request: FastCgiRequest): IncomingRequest | null {
    return #stdinQueue in request ? request : CopyableRequest.origin(request);
  }

  /** What `params` is made of. */
  get variables(): Variables {
    return this.#variables;
  }

  get params(): FastCgiParams {
    return this.#variables.params;
  }

  /** A program that passes the request on may have set other params. */
  set params(params: FastCgiParams) {
    const origin = IncomingRequest.of(this);
    if (origin === null) setOwn(this, "params", params);
    else origin.#variables = new GivenVariables(params, origin.#variables.repeatedParams);
  }

  get paramPairs(): readonly NameValuePair[] {
    return this.#variables.repeatedParams ?? [...this.params];
  }

  /** Hears of its end, if the program wants to know. */
  get watch(): RequestObserver | null {
    return this.#watch;
  }

  set watch(watch: RequestObserver | null) {
    this.#watch = watch;
  }

  /** The bytes of FCGI_STDIN, below the stream. */
  get stdinQueue(): ByteQueue {
    return this.#stdinQueue;
  }

  /** The bytes of FCGI_DATA, for a Filter. Made on first use, because few requests are for a Filter. */
  get dataQueue(): ByteQueue {
    this.#dataQueue ??= this.#queueOf("data", this.role === Role.Filter, "FCGI_DATA_LENGTH", "maxDataBytes");
    return this.#dataQueue;
  }

  /** A queue for a stream. If the role has no such stream, it is empty, even if the request has a length (FastCGI 6.3). */
  #queueOf(name: string, isOfRole: boolean, lengthParam: string, limit: "maxStdinBytes" | "maxDataBytes"): ByteQueue {
    const queue = new ByteQueue({
      name,
      requestId: this.requestId,
      expectedBytes: isOfRole ? parseLength(this.#variables.get(lengthParam)) : null,
      maxBytes: this.#limits[limit],
      limit,
      maxQueuedBytes: this.#limits.maxQueuedBytes,
    });
    if (!isOfRole) queue.end();
    return queue;
  }

  /** The streams of its role. */
  get #queues(): readonly ByteQueue[] {
    // Stryker disable next-line ConditionalExpression: a shortcut, for the data of other roles has ended
    return this.role === Role.Filter ? [this.#stdinQueue, this.dataQueue] : [this.#stdinQueue];
  }

  /** Fails the rest of the request's streams. */
  failStreams(reason: unknown): void {
    for (const queue of this.#queues) queue.fail(reason);
  }

  /** Whether some of the request's input is still to come and will be read. */
  get awaitsInput(): boolean {
    // Stryker disable next-line ConditionalExpression: a shortcut, for an abort fails all streams
    return this.#abortReason === null && this.#queues.some(({ isDone }) => !isDone);
  }

  /** Notes how far its streams were read, for {@linkcode IncomingRequest.isStuck}. */
  noteReads(): void {
    for (const queue of this.#queues) queue.noteReads();
  }

  /** Whether one of its streams has no room, and nothing of it was read since the last note. */
  get isStuck(): boolean {
    return this.#queues.some(({ isStuck }) => isStuck);
  }

  /** Whether `error` is the error of the request's input. */
  failedWith(error: unknown): boolean {
    return this.#queues.some(({ failure }) => failure === error);
  }

  get stdin(): ReadableStream<Uint8Array> {
    return this.#stdinQueue.stream;
  }

  get data(): ReadableStream<Uint8Array> {
    return this.dataQueue.stream;
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#abortReason !== null) this.#controller.abort(abortError(this.#abortReason));
    }
    return this.#controller.signal;
  }

  /** The request that programs get, which can be copied. It is the same object every time. */
  get copyable(): FastCgiRequest {
    this.#copyable ??= new CopyableRequest(this) as unknown as FastCgiRequest;
    return this.#copyable;
  }

  /** Why the request was aborted, or null. */
  get abortReason(): FastCgiError | null {
    return this.#abortReason;
  }

  /** Calls `callback` when the request is aborted, or at once if it was. Costs less than an AbortSignal. */
  onAbort(callback: (reason: FastCgiError) => void): void {
    if (this.#abortReason !== null) callback(this.#abortReason);
    else this.#onAbort = [...this.#onAbort, callback];
  }

  /** Fails the rest of the input and aborts the signal. Only the first reason counts. */
  abort(reason: FastCgiError): void {
    if (this.#abortReason !== null) return;
    this.#abortReason = reason;
    this.failStreams(reason);
    this.#controller?.abort(abortError(reason));
    for (const callback of this.#onAbort) callback(reason);
    // Stryker disable next-line ArrayDeclaration: not called any more
    this.#onAbort = [];
    this.watch?.end(reason.code === "timeout" ? "timeout" : "aborted", reason, this);
  }
}

/**
 * The reason of the signal. It is named AbortError, as that of Fetch, because programs check the name. Its cause is the
 * FastCgiError.
 */
function abortError(cause: FastCgiError): DOMException {
  const error = new DOMException(cause.message, "AbortError");
  return Object.defineProperty(error, "cause", { value: cause, configurable: true, writable: true });
}

/** A base class that makes no object: the given object gets the private fields of the class below. */
class Given {
  constructor(object: object) {
    // biome-ignore lint/correctness/noConstructorReturn: it is how an object that is there already gets a private field.
    return object;
  }
}

/**
 * The object that programs get for an IncomingRequest. A private field holds the request. Copies and wrappers do not
 * have this field, so a fetch handler reads their members and not those of the request.
 */
class CopyableRequest extends Given {
  readonly #origin: IncomingRequest;

  constructor(origin: IncomingRequest) {
    super(withOwnMembers(origin));
    this.#origin = origin;
  }

  static origin(request: object): IncomingRequest | null {
    return #origin in request ? request.#origin : null;
  }
}

/** The form of `request` to give to programs: see {@linkcode IncomingRequest.copyable}. */
export function copyable(request: FastCgiRequest): FastCgiRequest {
  return IncomingRequest.of(request)?.copyable ?? request;
}
