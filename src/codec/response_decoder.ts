// Records → responses. The table in response_state.ts says what one request may receive. This file handles what
// concerns the connection: which ids are active, and management records. To keep in step with request_decoder.ts.

import { contained } from "../base/contained.ts";
import { type Resolved, resolveOptions } from "../base/resolve_options.ts";
import { SmallMap } from "../base/small_map.ts";
import { checkFunction, checkInteger, optionsOf } from "../base/unexpected.ts";
import { FCGI_NULL_REQUEST_ID, MAX_REQUEST_ID, nameOf, RecordType } from "../protocol/constants.ts";
import { FastCgiError, protocolError } from "../protocol/errors.ts";
import { checkRecord, decodeEndRequestBody, type FastCgiRecord } from "../protocol/record.ts";
import { IncomingResponse, type IncomingResponseHooks } from "./incoming_response.ts";
import { RESPONSE_DECODER_DEFAULTS, type ResponseDecoderOptions } from "./response_decoder_options.ts";
import { type ResponseState, responseInput, responseStep } from "./response_state.ts";
import type { Stage, StageController } from "./stage.ts";

/** Takes what a {@linkcode ResponseDecoder} produces besides responses. */
export interface ResponseDecoderOutlet {
  /** Takes answers to management records (FastCGI 4). */
  management?: ((record: FastCgiRecord) => void) | undefined;
  /**
   * Takes the error of input that was dropped because nothing expects it. The connection goes on, but must not be used
   * again.
   */
  report?: ((error: FastCgiError) => void) | undefined;
}

interface ActiveResponse {
  state: ResponseState;
  response: IncomingResponse;
}

/** Takes the responses. */
type Output = StageController<IncomingResponse>;

/**
 * Sans-IO stage: records → responses (FastCGI 3.3, 5.5, 6). It emits a response at its first record, and feeds its
 * streams from then on. A client that knows its requests calls {@linkcode ResponseDecoder.expect}: then nothing is
 * emitted, and a record for any other id is a protocol error.
 */
export class ResponseDecoder implements Stage<FastCgiRecord, IncomingResponse> {
  readonly #options: Resolved<ResponseDecoderOptions>;
  readonly #outlet: ResponseDecoderOutlet;
  readonly #report: (error: FastCgiError) => void;
  readonly #active = new SmallMap<number, ActiveResponse>();
  /** The highest id that was expected; 0 if none was. Lower ids that are not active are over, because ids count up. */
  #highestId = 0;
  #keptBytes = 0;
  #dead: FastCgiError | null = null;

  /**
   * Passes to `outlet` what belongs to no response.
   *
   * @throws {RangeError | TypeError} If an option is not a positive number, or of another kind.
   */
  constructor(outlet: ResponseDecoderOutlet = {}, options: ResponseDecoderOptions = {}) {
    this.#options = resolveOptions(RESPONSE_DECODER_DEFAULTS, options);
    const own = optionsOf(outlet, "outlet");
    for (const name of ["report", "management"] as const) checkFunction(own[name], name);
    this.#outlet = own;
    // Stryker disable next-line StringLiteral: the name is for the error of what is no function, and this is one
    this.#report = contained("report", (error) => own.report?.(error));
  }

  /** The number of responses that have begun or are expected, and have not ended. */
  get activeResponses(): number {
    return this.#active.size;
  }

  /** As that of a {@linkcode RequestDecoder}. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /**
   * Announces a request that was begun, and returns its response, which is still empty.
   *
   * @param response The response to feed, instead of a new one.
   * @throws {RangeError | TypeError} If the id is none.
   */
  expect(requestId: number, hooks: IncomingResponseHooks = {}, response?: IncomingResponse): IncomingResponse {
    checkInteger(requestId, "Cannot expect a response", "requestId", 1, MAX_REQUEST_ID);
    this.#highestId = Math.max(this.#highestId, requestId);
    return this.#add(requestId, optionsOf(hooks, "hooks"), response).response;
  }

  /** Fails every active response, with `error` or with the result of `errorFor`: the connection is gone. */
  failAll(error: unknown, errorFor: (response: IncomingResponse) => unknown = () => error): void {
    const responses = this.#active.values();
    this.#active.clear();
    for (const { response } of responses) response.fail(errorFor(response));
  }

  /**
   * Takes one record. A returned promise asks the caller to pause until the response has room again.
   *
   * @throws {FastCgiError} `protocol`, where the connection can't go on. The decoder is dead then.
   * @throws {TypeError} If it is no record. The decoder goes on.
   */
  transform(record: FastCgiRecord, output: StageController<IncomingResponse>): void | Promise<void> {
    if (this.#dead !== null) throw this.#dead;
    checkRecord(record, "Cannot decode responses");
    this.#keptBytes += record.contentData.length;
    try {
      if (record.requestId === FCGI_NULL_REQUEST_ID) return this.#manage(record);
      return this.#advance(record, output);
    } catch (error) {
      if (error instanceof FastCgiError) this.#dead = error;
      throw error;
    }
  }

  /** Fails the active responses: the input has ended, and only END_REQUEST proves that a response is complete. */
  flush(): void {
    for (const { response } of this.#active.values()) {
      const { requestId, stderrText } = response;
      const message = "Cannot read the response: the application closed the connection before its end";
      response.fail(new FastCgiError("connectionClosed", message, { requestId, stderr: stderrText }));
    }
    this.#active.clear();
  }

  #manage(record: FastCgiRecord): void {
    const { type } = record;
    if (type !== RecordType.GetValuesResult && type !== RecordType.UnknownType) {
      throw protocolError(`Cannot read a ${nameOf(RecordType, type)} record: it has request id 0`);
    }
    this.#outlet.management?.(record);
  }

  #advance({ type, requestId, contentData }: FastCgiRecord, output: Output): void | Promise<void> {
    const input = responseInput(type, contentData.length);
    if (input === null) {
      throw protocolError(
        `Cannot read a record of type ${nameOf(RecordType, type)}: applications do not send it`,
        requestId,
      );
    }
    let active = this.#active.get(requestId);
    if (active === undefined) {
      // Go sends records for an aborted request after its FCGI_END_REQUEST.
      if (requestId <= this.#highestId) {
        this.#report(protocolError(`Dropped ${input}: request ${requestId} is over`, requestId));
        return;
      }
      if (this.#highestId > 0)
        throw protocolError(`Cannot read ${input}: request ${requestId} was not begun`, requestId);
      active = this.#add(requestId, {});
      output.enqueue(active.response);
    }
    const step = responseStep(active.state, input);
    if (step === undefined) {
      throw protocolError(`Cannot read ${input}: request ${requestId} is in state ${active.state}`, requestId);
    }
    const [action, next] = step;
    active.state = next;
    const { response } = active;
    switch (action) {
      case "push stdout":
        if (response.pushStdout(contentData)) this.#keptBytes -= contentData.length;
        return response.stdoutQueue.whenRoom();
      case "push stderr":
        this.#keptBytes -= contentData.length;
        return response.pushStderr(contentData);
      case "complete": {
        const body = decodeEndRequestBody(contentData);
        this.#keptBytes -= contentData.length;
        this.#active.delete(requestId);
        return response.complete(body);
      }
    }
    // "ignore" leaves nothing to do.
  }

  #add(requestId: number, hooks: IncomingResponseHooks, known?: IncomingResponse): ActiveResponse {
    known?.bind(requestId, hooks);
    const response = known ?? new IncomingResponse(requestId, this.#options, hooks);
    const active: ActiveResponse = { state: "open", response };
    this.#active.set(requestId, active);
    return active;
  }
}
