// Responses → records. To keep in step with request_encoder.ts.

import { contained } from "../base/contained.ts";
import { type Resolved, resolveOptions } from "../base/resolve_options.ts";
import { checkInteger, checkSignal, objectOf, optionsOf } from "../base/unexpected.ts";
import { ProtocolStatus } from "../protocol/constants.ts";
import type { FastCgiRecord } from "../protocol/record.ts";
import { cancelOutput, type FastCgiResponse } from "./outgoing_response.ts";
import { ResponseSender } from "./response_sender.ts";
import { Sending } from "./sending.ts";
import type { Stage, StageController } from "./stage.ts";
import { stageSink } from "./stage_sink.ts";

/** A response as a {@linkcode ResponseEncoder} takes it (FastCGI 6). */
export interface FastCgiOutgoingResponse extends FastCgiResponse {
  /** The id of the request that it answers. */
  requestId: number;
  /** Stops the response when the web server aborts the request: give the `signal` of the request. */
  signal?: AbortSignal | null | undefined;
  /**
   * Refuses the request (FastCGI 5.5) if it is not `RequestComplete`. A refusal has no output. Apache makes an empty
   * 200 of it, and HAProxy waits for its timeout.
   *
   * @default {ProtocolStatus.RequestComplete}
   */
  protocolStatus?: ProtocolStatus | undefined;
}

/** Options of a {@linkcode ResponseEncoder}. */
export interface ResponseEncoderOptions {
  /**
   * The most responses that are sent at once. The next one is accepted when one of them was sent to its end.
   *
   * @default {128} (as many as a server of ours runs at once on a connection)
   */
  maxConcurrentResponses?: number | undefined;
  /**
   * Called with each request before its FCGI_END_REQUEST is emitted. The decoder of the requests must be told:
   * `RequestDecoderStream.end`.
   */
  onEnd?: ((requestId: number) => void) | undefined;
  /**
   * Called with the reason why a response failed. A response that fails before its first byte is answered with an error
   * document. FastCGI has no way to say that it fails later: the stage fails then, with all responses that are being
   * sent, and the connection must look broken.
   */
  onError?: ((error: unknown, response: FastCgiOutgoingResponse) => void) | undefined;
}

const DEFAULTS: Resolved<Pick<ResponseEncoderOptions, "maxConcurrentResponses">> = { maxConcurrentResponses: 128 };

/**
 * Sans-IO stage: responses → records (FastCGI 6). It emits what is at hand at once, with FCGI_END_REQUEST, and output
 * that is a stream as it is read, beside the responses that follow.
 */
export class ResponseEncoder implements Stage<FastCgiOutgoingResponse, FastCgiRecord> {
  readonly #maxConcurrentResponses: number;
  readonly #onEnd: (requestId: number) => void;
  readonly #onError: (error: unknown, response: FastCgiOutgoingResponse) => void;
  readonly #sending = new Sending<ResponseSender>();
  /** Why the stage emits nothing any more. */
  #dead: { readonly error: unknown } | null = null;

  /**
   * Encodes the responses of one connection.
   *
   * @throws {RangeError | TypeError} If an option is not a positive number, or of another kind.
   */
  constructor(given: ResponseEncoderOptions = {}) {
    const options = optionsOf(given);
    this.#maxConcurrentResponses = resolveOptions(DEFAULTS, options).maxConcurrentResponses;
    this.#onEnd = contained("onEnd", options.onEnd);
    this.#onError = contained("onError", options.onError);
  }

  /** The number of responses that are being sent. */
  get activeResponses(): number {
    return this.#sending.size;
  }

  /**
   * Takes a response. A returned promise asks the caller to pause until fewer responses are being sent.
   *
   * @throws {RangeError | TypeError} If a member of it is invalid, or a response to that request is being sent. The stage goes on.
   * @throws {unknown} The error of a response that failed after its first byte. The stage is dead then.
   */
  transform(response: FastCgiOutgoingResponse, controller: StageController<FastCgiRecord>): void | Promise<void> {
    const task = "Cannot send a response";
    const {
      requestId,
      signal,
      protocolStatus = ProtocolStatus.RequestComplete,
    } = objectOf(response, task, "response to be an object");
    try {
      if (this.#dead !== null) throw this.#dead.error;
      this.#sending.checkId(requestId, "response");
      checkSignal(signal, task);
      checkInteger(protocolStatus, task, "protocolStatus", 0, 0xff);
    } catch (error) {
      cancelOutput(response, error);
      throw error;
    }
    const sink = stageSink(controller, () => this.#sending.hasOther(requestId));
    const sender = new ResponseSender(sink, requestId, {
      onStreaming() {},
      onHarmlessError: (error) => this.#onError(error, response),
      onEnding: () => {
        if (this.#dead === null) this.#onEnd(requestId);
        return this.#dead === null;
      },
      onEnded() {},
    });
    this.#sending.add(requestId, sender, this.#send(sender, response, controller));
    return this.#sending.whenBelow(this.#maxConcurrentResponses);
  }

  /**
   * Resolves when all responses were sent.
   *
   * @throws {unknown} The error of a response that failed after its first byte.
   */
  async flush(): Promise<void> {
    await this.#sending.whenBelow(1);
    if (this.#dead !== null) throw this.#dead.error;
  }

  /** Stops all responses: the connection is gone. */
  stopAll(reason: unknown): void {
    this.#dead ??= { error: reason };
    this.#sending.stop(reason);
  }

  async #send(
    sender: ResponseSender,
    response: FastCgiOutgoingResponse,
    controller: StageController<FastCgiRecord>,
  ): Promise<void> {
    const { signal, protocolStatus = ProtocolStatus.RequestComplete } = response;
    const onAbort = (): void => sender.stop(signal!.reason);
    if (signal?.aborted) onAbort();
    else signal?.addEventListener("abort", onAbort);
    try {
      if (protocolStatus === ProtocolStatus.RequestComplete) {
        await sender.send(response);
      } else {
        cancelOutput(response, new TypeError("Cannot send a response: its protocolStatus refuses the request"));
        await sender.refuse(protocolStatus, response);
      }
    } catch (error) {
      if (this.#dead !== null) return;
      this.#onError(error, response);
      if (sender.hasBegun) {
        this.stopAll(error);
        // Stryker disable next-line OptionalChaining: an error here is dropped with the promise
        controller.error?.(error);
      } else {
        sender.sendError(500);
      }
    } finally {
      // Stryker disable next-line OptionalChaining: an error here is dropped with the promise
      signal?.removeEventListener("abort", onAbort);
    }
  }
}
