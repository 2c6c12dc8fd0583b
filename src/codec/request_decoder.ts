// Records → requests. What one request may do is the table of request_state.ts; here is what concerns a connection: which ids
// are active, the limits, management records and refusals. Nothing is sent from here: replies come out beside the requests.
// To keep in step with response_decoder.ts.

import {
  FCGI_HEADER_LEN,
  FCGI_MAX_CONNS,
  FCGI_MAX_REQS,
  FCGI_MPXS_CONNS,
  FCGI_NULL_REQUEST_ID,
  nameOf,
  ProtocolStatus,
  RecordType,
  type Role,
} from "../protocol/constants.ts";
import { FastCgiError, protocolError } from "../protocol/errors.ts";
import { decodeNameValuePairs, encodeNameValuePairs } from "../protocol/name_value_pairs.ts";
import { type DecodedParams, decodeParams } from "../protocol/params.ts";
import { decodeBeginRequestBody, encodeUnknownTypeBody, type FastCgiRecord, NO_CONTENT } from "../protocol/record.ts";
import type { ByteQueue } from "./byte_queue.ts";
import { contained } from "./contained.ts";
import { type FastCgiRequest, IncomingRequest } from "./incoming_request.ts";
import { refusal, refuseWithStatus } from "./refusal.ts";
import { REQUEST_DECODER_DEFAULTS, type RequestDecoderOptions } from "./request_decoder_options.ts";
import { isKnownRole, type RequestInput, type RequestState, requestInput, requestStep } from "./request_state.ts";
import { resolveOptions } from "./resolve_options.ts";
import type { Stage, StageController } from "./stage.ts";

/** What a {@linkcode RequestDecoder} gives out beside requests. */
export interface RequestDecoderOutlet {
  /** Records for the web server: answers to management records, and refusals, which are not to be kept waiting. */
  reply(records: FastCgiRecord[], closeConnection: boolean): void;
  /** Input that was dropped or refused. The connection goes on. */
  report?(error: FastCgiError): void;
}

/** A request whose FCGI_PARAMS stream is complete, or not yet. */
interface ActiveRequest {
  readonly requestId: number;
  readonly role: Role;
  readonly keepConn: boolean;
  state: RequestState;
  /** Its first `paramsBytes` are what came of the params; behind them is room for more. */
  params: Uint8Array;
  paramsBytes: number;
  request: IncomingRequest | null;
}

/**
 * Sans-IO stage: records → requests (FastCGI 3.3, 4, 5, 6). A request comes out when its params are complete; its streams
 * are fed from then on. Whoever answers it says so with {@linkcode RequestDecoder.end}.
 */
export class RequestDecoder implements Stage<FastCgiRecord, FastCgiRequest> {
  readonly #options: Required<RequestDecoderOptions>;
  readonly #outlet: RequestDecoderOutlet;
  readonly #report: (error: FastCgiError) => void;
  readonly #active = new Map<number, ActiveRequest>();
  #waitingForParams = 0;
  #drained = 0;
  #dead: FastCgiError | null = null;

  /** @throws {RangeError} If an option is not a positive number. */
  constructor(outlet: RequestDecoderOutlet, options: RequestDecoderOptions = {}) {
    this.#options = resolveOptions(REQUEST_DECODER_DEFAULTS, options);
    this.#outlet = outlet;
    this.#report = contained("report", (error) => outlet.report?.(error));
  }

  /** Requests that have begun and not ended, whether or not they came out yet. */
  get activeRequests(): number {
    return this.#active.size;
  }

  /** Requests that have begun and whose params are not complete. */
  get waitingForParams(): number {
    return this.#waitingForParams;
  }

  /** Whether a request's input is still to come. Of one that was aborted nothing is. */
  get expectsInput(): boolean {
    for (const { state, request } of this.#active.values()) {
      if (state !== "complete" && (request === null || request.abortReason === null)) return true;
    }
    return false;
  }

  /**
   * Marks a request as over: its FCGI_END_REQUEST was sent. What else comes for it is ignored (FastCGI 3.3).
   *
   * @returns Whether all of its input had arrived.
   */
  end(requestId: number): boolean {
    const active = this.#active.get(requestId);
    if (active === undefined) return true;
    this.#active.delete(requestId);
    if (active.state === "params") this.#waitingForParams--;
    if (active.state === "complete") return true;
    // Whoever still reads must not take what has come for the whole.
    const message = "Cannot read the rest of the request: it was answered before";
    const reason = new FastCgiError("aborted", message, { requestId });
    active.request?.failStreams(reason);
    return false;
  }

  /** Aborts every active request: the connection is gone. */
  abortAll(reason: FastCgiError): void {
    for (const { request } of [...this.#active.values()]) request?.abort(reason);
  }

  /**
   * Takes one record. A promise asks for a pause until the request has room again.
   *
   * @throws {FastCgiError} `protocol` or `limit`, where the connection can't go on. The decoder is dead then.
   */
  transform(record: FastCgiRecord, controller: StageController<FastCgiRequest>): void | Promise<void> {
    if (this.#dead !== null) throw this.#dead;
    try {
      if (record.requestId === FCGI_NULL_REQUEST_ID) return this.#manage(record);
      if (record.type === RecordType.BeginRequest) return this.#begin(record);
      const active = this.#active.get(record.requestId);
      // FastCGI 3.3: records for an inactive request are ignored.
      if (active === undefined) return this.#drain(record.contentData.length);
      return this.#advance(active, record, controller);
    } catch (error) {
      if (error instanceof FastCgiError) this.#dead = error;
      throw error;
    }
  }

  /** The end of the connection's input aborts what is active. */
  flush(): void {
    if (this.#active.size === 0) return;
    this.abortAll(
      new FastCgiError("connectionClosed", "Cannot finish the request: the web server closed the connection"),
    );
  }

  /** FastCGI 4: records of the connection, not of a request. */
  #manage({ type, contentData }: FastCgiRecord): void {
    if (type === RecordType.GetValues) {
      const known = this.#values();
      const asked = new Set(decodeNameValuePairs(contentData).map(([name]) => name));
      const content = encodeNameValuePairs([...known].filter(([name]) => asked.has(name)));
      this.#reply([{ type: RecordType.GetValuesResult, requestId: FCGI_NULL_REQUEST_ID, contentData: content }]);
    } else {
      // FastCGI 4.2. A type that belongs to requests is not a management type either.
      const contentData = encodeUnknownTypeBody(type);
      this.#reply([{ type: RecordType.UnknownType, requestId: FCGI_NULL_REQUEST_ID, contentData }]);
      this.#report(protocolError(`Unexpected management record of type ${nameOf(RecordType, type)}`));
    }
  }

  #values(): Map<string, string> {
    const { maxConnections, maxConcurrentRequests, multiplexing } = this.#options;
    return new Map([
      [FCGI_MAX_CONNS, String(maxConnections)],
      [FCGI_MAX_REQS, String(multiplexing ? maxConcurrentRequests : maxConnections)],
      [FCGI_MPXS_CONNS, multiplexing ? "1" : "0"],
    ]);
  }

  /** FastCGI 5.1, 5.5. */
  #begin({ requestId, contentData }: FastCgiRecord): void {
    const { role, keepConn } = decodeBeginRequestBody(contentData, this.#options.strictBeginBodySize);
    if (this.#active.has(requestId)) {
      // Which of the two the records behind belong to, nobody can say.
      throw protocolError(`Cannot begin request ${requestId}: it is active`, requestId);
    }
    const { multiplexing, respondCantMpxConn, maxConcurrentRequests } = this.#options;
    if (!multiplexing && this.#active.size > 0) {
      this.#report(
        new FastCgiError("cantMultiplex", `Refused request ${requestId}: multiplexing is off`, { requestId }),
      );
      // The connection belongs to the request that is active, whatever this one says about keeping it.
      if (respondCantMpxConn) this.#reply([refusal(requestId, ProtocolStatus.CantMpxConn)]);
    } else if (!isKnownRole(role)) {
      this.#report(
        new FastCgiError("unknownRole", `Refused request ${requestId}: unknown role ${role}`, { requestId }),
      );
      this.#reply([refusal(requestId, ProtocolStatus.UnknownRole)], !keepConn);
    } else if (this.#active.size >= maxConcurrentRequests) {
      const message = `Refused request ${requestId}: ${maxConcurrentRequests} are active`;
      this.#report(new FastCgiError("limit", message, { requestId, limit: "maxConcurrentRequests" }));
      this.#reply(refuseWithStatus(requestId, 503), !keepConn);
    } else {
      this.#drained = 0;
      this.#waitingForParams++;
      this.#active.set(requestId, {
        requestId,
        role,
        keepConn,
        state: "params",
        params: NO_CONTENT,
        paramsBytes: 0,
        request: null,
      });
    }
  }

  #advance(
    active: ActiveRequest,
    { type, contentData }: FastCgiRecord,
    controller: StageController<FastCgiRequest>,
  ): void | Promise<void> {
    const input = requestInput(type, contentData.length);
    if (input === null) return this.#unexpectedType(active, type);
    const step = requestStep(active.role, active.state, input);
    if (step === undefined) throw this.#outOfOrder(active, input);
    const [action, next] = step;
    if (active.state === "params" && next !== "params") this.#waitingForParams--;
    active.state = next;
    const { request } = active;
    switch (action) {
      case "collect params":
        return this.#collectParams(active, contentData);
      case "start request":
        return this.#start(active, controller);
      case "push stdin":
        return this.#push(request!.stdinQueue, contentData);
      case "end stdin":
        return request!.stdinQueue.end();
      case "push data":
        return this.#push(request!.dataQueue, contentData);
      case "end data":
        return request!.dataQueue.end();
      case "abort":
        return this.#abort(active);
      case "report":
        this.#report(protocolError(`Dropped ${contentData.length} bytes of ${input}: the role has no such stream`));
        return this.#drain(contentData.length);
      case "ignore":
        return;
    }
  }

  #push(queue: ByteQueue, contentData: Uint8Array): void | Promise<void> {
    if (queue.done) return this.#drain(contentData.length);
    queue.push(contentData);
    return queue.whenBelow(this.#options.maxQueuedBytes);
  }

  #collectParams(active: ActiveRequest, contentData: Uint8Array): void {
    const { maxParamsBytes } = this.#options;
    if (active.paramsBytes + contentData.length > maxParamsBytes) {
      const message = `Refused request ${active.requestId}: more than ${maxParamsBytes} bytes of params`;
      this.#refuse(active, 431, new FastCgiError("limit", message, { limit: "maxParamsBytes" }));
      return;
    }
    active.params = append(active.params, active.paramsBytes, contentData);
    active.paramsBytes += contentData.length;
  }

  #start(active: ActiveRequest, controller: StageController<FastCgiRequest>): void {
    const content = active.params.subarray(0, active.paramsBytes);
    let params: DecodedParams;
    try {
      params = decodeParams(content, { maxPairs: this.#options.maxParams });
    } catch (error) {
      this.#refuse(active, (error as FastCgiError).code === "limit" ? 431 : 400, error as FastCgiError);
      return;
    }
    active.params = NO_CONTENT;
    active.request = new IncomingRequest(active.requestId, active.role, active.keepConn, params, this.#options);
    controller.enqueue(active.request);
  }

  #abort(active: ActiveRequest): void {
    const { requestId, request, keepConn } = active;
    if (request !== null) {
      request.abort(new FastCgiError("aborted", "Cannot finish the request: the web server aborted it", { requestId }));
      return;
    }
    // The application proper never saw it, so there is nobody else to answer (FastCGI 5.4).
    this.end(requestId);
    this.#reply([refusal(requestId, ProtocolStatus.RequestComplete)], !keepConn);
  }

  /** Answers a request that can't reach the application. The connection goes on: its framing is intact. */
  #refuse({ requestId, keepConn }: ActiveRequest, status: 400 | 431, { code, message, limit }: FastCgiError): void {
    this.end(requestId);
    this.#report(new FastCgiError(code, message, { requestId, limit }));
    this.#reply(refuseWithStatus(requestId, status), !keepConn);
  }

  #unexpectedType({ requestId }: ActiveRequest, type: number): void {
    if (type === RecordType.Stdout || type === RecordType.Stderr || type === RecordType.EndRequest) {
      throw protocolError(`Cannot read a ${nameOf(RecordType, type)} record: only applications send it`, requestId);
    }
    // An answer is not allowed for (FastCGI 4.2 is about management records), and nginx would fail on one.
    this.#report(protocolError(`Dropped a record of type ${nameOf(RecordType, type)}`, requestId));
  }

  #outOfOrder({ requestId, state }: ActiveRequest, input: RequestInput): FastCgiError {
    return protocolError(`Cannot read ${input}: request ${requestId} is in state ${state}`, requestId);
  }

  #drain(contentLength: number): void {
    this.#drained += FCGI_HEADER_LEN + contentLength;
    const { maxDrainBytes } = this.#options;
    if (this.#drained > maxDrainBytes) {
      const message = `Cannot go on reading: more than ${maxDrainBytes} bytes for requests that are not active`;
      throw new FastCgiError("limit", message, { limit: "maxDrainBytes" });
    }
  }

  #reply(records: FastCgiRecord[], closeConnection = false): void {
    this.#outlet.reply(records, closeConnection);
  }
}

/**
 * `buffer`, or a larger one, with `piece` behind its first `length` bytes. The first piece stays the view it is, because most
 * params come in one record; more are copied, because an object and a chunk kept for every byte would cost hundreds of bytes.
 */
function append(buffer: Uint8Array, length: number, piece: Uint8Array): Uint8Array {
  if (length === 0) return piece;
  const needed = length + piece.length;
  let target = buffer;
  if (needed > buffer.length) {
    target = new Uint8Array(Math.max(needed, 2 * length));
    target.set(buffer);
  }
  target.set(piece, length);
  return target;
}
