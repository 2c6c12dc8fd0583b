// The stages as streams.

import { resolveOptions } from "../base/resolve_options.ts";
import { optionsOf } from "../base/unexpected.ts";
import { FastCgiError } from "../protocol/errors.ts";
import type { FastCgiRecord } from "../protocol/record.ts";
import { copyable, type FastCgiRequest } from "./incoming_request.ts";
import type { FastCgiClientResponse } from "./incoming_response.ts";
import { RecordDecoder, type RecordDecoderOptions } from "./record_decoder.ts";
import { RecordEncoder } from "./record_encoder.ts";
import { RequestDecoder, type RequestDecoderOutlet } from "./request_decoder.ts";
import type { RequestDecoderOptions } from "./request_decoder_options.ts";
import { type FastCgiOutgoingRequest, RequestEncoder, type RequestEncoderOptions } from "./request_encoder.ts";
import { ResponseDecoder, type ResponseDecoderOutlet } from "./response_decoder.ts";
import type { ResponseDecoderOptions } from "./response_decoder_options.ts";
import { type FastCgiOutgoingResponse, ResponseEncoder, type ResponseEncoderOptions } from "./response_encoder.ts";
import { type Stage, type StageController, toTransformer } from "./stage.ts";

// Bundlers keep a class that extends a global, even if it is not used, and with it the decoders of both sides. So the base is a constant.
// `deno doc` looks for the comment of a constant that is not exported right before its name.
const /** @internal */ Base: typeof TransformStream = /* @__PURE__ */ (() => TransformStream)();

/** {@linkcode RecordDecoder} as a TransformStream. It stops reading when its records are not read. */
export class RecordDecoderStream extends Base<Uint8Array, FastCgiRecord> {
  /**
   * Decodes one connection.
   *
   * @throws {TypeError} If an option has a value it can't have.
   */
  constructor(options: RecordDecoderOptions = {}) {
    super(new RecordDecoder(options));
  }
}

/** {@linkcode RecordEncoder} as a TransformStream. */
export class RecordEncoderStream extends Base<FastCgiRecord, Uint8Array> {
  constructor() {
    super(new RecordEncoder());
  }
}

/** Options of a {@linkcode RequestDecoderStream}: those of a {@linkcode RequestDecoder}, and its own. */
export interface RequestDecoderStreamOptions extends RequestDecoderOptions, Pick<RequestDecoderOutlet, "report"> {
  /**
   * The most replies that wait to be read. Beyond, the stream accepts no more input.
   *
   * @default {64}
   */
  maxWaitingReplies?: number | undefined;
}

const REPLIES_DEFAULTS: { maxWaitingReplies: number } = { maxWaitingReplies: 64 };

/** A queue for `length` pieces. workerd takes no Infinity. */
function queueOf(length: number): { highWaterMark: number } {
  return { highWaterMark: Math.min(length, Number.MAX_SAFE_INTEGER) };
}

const ignore = (): void => {};

/**
 * {@linkcode RequestDecoder} as a TransformStream. Records for the web server are read from
 * {@linkcode RequestDecoderStream.replies}.
 *
 * If a request's `stdin` is not read, everything stops after `maxQueuedBytes`. If `replies` is not read, everything
 * stops after `maxWaitingReplies`. Requests that are not read stop nothing, because the bodies of others would stop as
 * well; there are at most `maxConcurrentRequests`.
 */
export class RequestDecoderStream extends Base<FastCgiRecord, FastCgiRequest> {
  /** Answers to management records, and refusals. */
  readonly replies: ReadableStream<FastCgiRecord>;
  readonly #decoder: RequestDecoder;

  /**
   * Decodes the requests of one connection.
   *
   * @throws {RangeError | TypeError} If an option is not a positive number, or of another kind.
   */
  constructor(given: RequestDecoderStreamOptions = {}) {
    const options = optionsOf(given);
    const { maxWaitingReplies } = resolveOptions(REPLIES_DEFAULTS, options);
    const { readable, writable } = new TransformStream<FastCgiRecord>({}, queueOf(maxWaitingReplies));
    const replies = writable.getWriter();
    // After `replies` was cancelled, records for it are dropped.
    const reply = (record: FastCgiRecord): void => void replies.write(record).catch(ignore);
    const endReplies = (): void => void replies.close().catch(ignore);
    const decoder = new RequestDecoder({ ...options, reply: (records) => records.forEach(reply) }, options);
    const stage: Stage<FastCgiRecord, FastCgiRequest> = {
      transform(record, controller) {
        const enqueue = (request: FastCgiRequest): void => controller.enqueue(copyable(request));
        const pause = decoder.transform(record, { enqueue });
        const { desiredSize } = replies;
        // Stryker disable next-line ConditionalExpression,LogicalOperator: a shortcut, for replies.ready has settled
        if (desiredSize === null || desiredSize > 0) return pause;
        return Promise.all([pause, replies.ready.catch(ignore)]).then(ignore);
      },
      flush() {
        decoder.flush();
        endReplies();
      },
    };
    const fail = (cause: unknown): void => {
      decoder.abortAll(
        new FastCgiError("connectionClosed", "Cannot finish the request: its connection failed", { cause }),
      );
      endReplies();
    };
    super(toTransformer(stage, fail), undefined, queueOf(Number.POSITIVE_INFINITY));
    this.replies = readable;
    this.#decoder = decoder;
  }

  /** Marks a request as over: its FCGI_END_REQUEST was sent (FastCGI 3.3). */
  end(requestId: number): void {
    this.#decoder.end(requestId);
  }
}

/** Options of a {@linkcode ResponseDecoderStream}: those of a {@linkcode ResponseDecoder}, its outlet, and its own. */
export interface ResponseDecoderStreamOptions extends ResponseDecoderOptions, ResponseDecoderOutlet {
  /**
   * The most responses that wait to be read. Beyond, the stream accepts no more input.
   *
   * @default {128} (as many as a server of ours runs at once on a connection)
   */
  maxWaitingResponses?: number | undefined;
}

const RESPONSES_DEFAULTS: { maxWaitingResponses: number } = { maxWaitingResponses: 128 };

/**
 * {@linkcode ResponseDecoder} as a TransformStream.
 *
 * If a response's `stdout` is not read, everything stops after `maxQueuedBytes`. If the responses are not read,
 * everything stops after `maxWaitingResponses`.
 */
export class ResponseDecoderStream extends Base<FastCgiRecord, FastCgiClientResponse> {
  /**
   * Decodes the responses of one connection.
   *
   * @throws {RangeError | TypeError} If an option is not a positive number, or of another kind.
   */
  constructor(given: ResponseDecoderStreamOptions = {}) {
    const options = optionsOf(given);
    const { maxWaitingResponses } = resolveOptions(RESPONSES_DEFAULTS, options);
    const decoder = new ResponseDecoder(options, options);
    const fail = (cause: unknown): void =>
      decoder.failAll(
        new FastCgiError("connectionClosed", "Cannot read the response: its connection failed", { cause }),
      );
    const stage: Stage<FastCgiRecord, FastCgiClientResponse> = {
      transform: (record, controller) =>
        decoder.transform(record, { enqueue: ({ copyable }) => controller.enqueue(copyable) }),
      flush: () => decoder.flush(),
    };
    super(toTransformer(stage, fail), undefined, queueOf(maxWaitingResponses));
  }
}

/**
 * A stage that emits pieces after it was called, as a TransformStream. They go through a writer, because a writer tells
 * when there is room again, which the controller of a TransformStream does not.
 *
 * @internal
 */
class EncoderStream<Input> extends Base<Input, FastCgiRecord> {
  readonly #input: WritableStream<Input>;

  /** @param stopAll Tells the stage that its output is not read any more, or that nothing more comes. */
  constructor(stage: Stage<Input, FastCgiRecord>, stopAll: (reason: unknown) => void) {
    super();
    const output = (super.writable as WritableStream<unknown>).getWriter();
    let input!: WritableStreamDefaultController;
    const fail = (reason: unknown): void => {
      stopAll(reason);
      input.error(reason);
      output.abort(reason).catch(ignore);
    };
    const controller: StageController<FastCgiRecord> = {
      enqueue: (record) => void output.write(record).catch(ignore),
      get ready() {
        return output.ready;
      },
      error: fail,
    };
    this.#input = new WritableStream<Input>({
      start(given) {
        input = given;
      },
      async write(piece) {
        try {
          await stage.transform(piece, controller);
        } catch (error) {
          fail(error);
          throw error;
        }
      },
      async close() {
        try {
          await stage.flush(controller);
          await output.close();
        } catch (error) {
          fail(error);
          throw error;
        }
      },
      abort: fail,
    });
    output.closed.catch(fail);
  }

  override get writable(): WritableStream<Input> {
    return this.#input;
  }
}

/**
 * {@linkcode RequestEncoder} as a TransformStream. If the records are not read, the bodies that are being sent are not
 * read either, and after `maxConcurrentRequests` no request is accepted.
 */
export class RequestEncoderStream extends EncoderStream<FastCgiOutgoingRequest> {
  readonly #encoder: RequestEncoder;

  /**
   * Encodes the requests of one connection.
   *
   * @throws {RangeError | TypeError} If an option is not a positive number, or of another kind.
   */
  constructor(options: RequestEncoderOptions = {}) {
    const encoder = new RequestEncoder(options);
    super(encoder, (reason) => encoder.stopAll(reason));
    this.#encoder = encoder;
  }

  /** As {@linkcode RequestEncoder.abort}. */
  abort(requestId: number, reason?: unknown): void {
    this.#encoder.abort(requestId, reason);
  }
}

/**
 * {@linkcode ResponseEncoder} as a TransformStream. If the records are not read, the output that is being sent is not
 * read either, and after `maxConcurrentResponses` no response is accepted.
 */
export class ResponseEncoderStream extends EncoderStream<FastCgiOutgoingResponse> {
  /**
   * Encodes the responses of one connection.
   *
   * @throws {RangeError | TypeError} If an option is not a positive number, or of another kind.
   */
  constructor(options: ResponseEncoderOptions = {}) {
    const encoder = new ResponseEncoder(options);
    super(encoder, (reason) => encoder.stopAll(reason));
  }
}
