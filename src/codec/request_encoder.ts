// Requests → records. To keep in step with response_encoder.ts.

import { contained } from "../base/contained.ts";
import { type Resolved, resolveOptions } from "../base/resolve_options.ts";
import { checkBoolean, checkInteger, objectOf, optionsOf } from "../base/unexpected.ts";
import { MAX_REQUEST_ID } from "../protocol/constants.ts";
import type { FastCgiRecord } from "../protocol/record.ts";
import { cancelSource } from "./byte_source.ts";
import { abortRequest } from "./records.ts";
import { checkedParams, type FastCgiRequestParts, RequestSender, sendableRequest } from "./request_sender.ts";
import { Sending } from "./sending.ts";
import type { Stage, StageController } from "./stage.ts";
import { stageSink } from "./stage_sink.ts";

/** A request as a {@linkcode RequestEncoder} takes it (FastCGI 6). */
export interface FastCgiOutgoingRequest extends FastCgiRequestParts {
  /** The request on its connection, 1 to 65,535. It can be used again after its response has ended. */
  requestId: number;
  /**
   * Whether the connection is kept afterwards (FastCGI 5.1). If not, the application closes it after the response.
   *
   * @default {false}
   */
  keepConn?: boolean | undefined;
}

/** Options of a {@linkcode RequestEncoder}. */
export interface RequestEncoderOptions {
  /**
   * The most requests that are sent at once. The next one is accepted when one of them was sent to its end. Most
   * applications accept only one request at a time on a connection: wait for its response before you give the next one.
   *
   * @default {128} (as many as a server of ours runs at once on a connection)
   */
  maxConcurrentRequests?: number | undefined;
  /**
   * Called with the reason if a request was not sent to its end: a stream of it failed, or is not as long as its params
   * say. The application is told by FCGI_ABORT_REQUEST (FastCGI 5.4).
   */
  onError?: ((error: unknown, request: FastCgiOutgoingRequest) => void) | undefined;
}

const DEFAULTS: Resolved<Pick<RequestEncoderOptions, "maxConcurrentRequests">> = { maxConcurrentRequests: 128 };

/**
 * Sans-IO stage: requests → records (FastCGI 6). It emits what is at hand at once, and a body that is a stream as it is
 * read, beside the requests that follow.
 */
export class RequestEncoder implements Stage<FastCgiOutgoingRequest, FastCgiRecord> {
  readonly #maxConcurrentRequests: number;
  readonly #onError: (error: unknown, request: FastCgiOutgoingRequest) => void;
  readonly #sending = new Sending<RequestSender>();
  #controller: StageController<FastCgiRecord> | null = null;
  #isOver = false;

  /**
   * Encodes the requests of one connection.
   *
   * @throws {RangeError | TypeError} If an option is not a positive number, or of another kind.
   */
  constructor(given: RequestEncoderOptions = {}) {
    const options = optionsOf(given);
    this.#maxConcurrentRequests = resolveOptions(DEFAULTS, options).maxConcurrentRequests;
    this.#onError = contained("onError", options.onError);
  }

  /** Requests that are being sent. */
  get activeRequests(): number {
    return this.#sending.size;
  }

  /**
   * Takes a request. A promise asks for a pause until fewer are being sent.
   *
   * @throws {TypeError | RangeError} If the request can't be sent. Nothing of it was given out then, and the stage goes on.
   * @throws {FastCgiError} `lengthMismatch` if a body that is at hand is not as long as its params say.
   */
  transform(request: FastCgiOutgoingRequest, controller: StageController<FastCgiRecord>): void | Promise<void> {
    const { requestId } = objectOf(request, "Cannot send a request", "request to be an object");
    this.#controller = controller;
    const sender = this.#senderOf(request, controller);
    this.#sending.add(requestId, sender, this.#send(sender, request));
    return this.#sending.whenBelow(this.#maxConcurrentRequests);
  }

  /** Resolves when all requests were sent. */
  async flush(): Promise<void> {
    await this.#sending.whenBelow(1);
  }

  /**
   * Aborts a request whose response has not ended (FastCGI 5.4). What is left of it is not sent. The application answers with the end of
   * the response.
   */
  abort(requestId: number, reason?: unknown): void {
    checkInteger(requestId, "Cannot abort a request", "requestId", 1, MAX_REQUEST_ID);
    if (this.#controller === null || this.#isOver) return;
    this.#sending.get(requestId)?.stop(reason);
    this.#controller.enqueue(abortRequest(requestId));
  }

  /** Sends nothing more: the connection is gone. */
  stopAll(reason: unknown): void {
    this.#isOver = true;
    this.#sending.stop(reason);
  }

  #senderOf(request: FastCgiOutgoingRequest, controller: StageController<FastCgiRecord>): RequestSender {
    const { requestId, keepConn = false, params, stdin, data } = request;
    try {
      this.#sending.checkId(requestId, "request");
      checkBoolean(keepConn, "Cannot send a request", "keepConn");
      const sink = stageSink(controller, () => this.#sending.hasOther(requestId));
      return new RequestSender(sink, requestId, sendableRequest(request, checkedParams(params)), { keepConn });
    } catch (error) {
      for (const source of [stdin, data]) void cancelSource(source, error);
      throw error;
    }
  }

  async #send(sender: RequestSender, request: FastCgiOutgoingRequest): Promise<void> {
    try {
      await sender.send();
    } catch (error) {
      if (this.#isOver) return;
      // An incomplete request must not look complete.
      this.abort(request.requestId, error);
      this.#onError(error, request);
    }
  }
}
