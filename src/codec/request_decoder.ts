// Records → requests. The table in request_state.ts says what one request may do. This file handles what concerns the
// connection: which ids are active, the limits, management records and refusals. It sends nothing: replies are passed
// to the outlet beside the requests. To keep in step with response_decoder.ts.

import { contained } from "../base/contained.ts";
import { type Resolved, resolveOptions } from "../base/resolve_options.ts";
import { SmallMap } from "../base/small_map.ts";
import { checkFunction, objectOf } from "../base/unexpected.ts";
import { decodeVariables, type Variables } from "../cgi/variables.ts";
import { FCGI_HEADER_LEN, FCGI_NULL_REQUEST_ID, nameOf, ProtocolStatus, RecordType } from "../protocol/constants.ts";
import { FastCgiError, protocolError } from "../protocol/errors.ts";
import { checkRecord, decodeBeginRequestBody, type FastCgiRecord } from "../protocol/record.ts";
import { ActiveRequest, type InputTimeouts, SINCE_LAST_LOOK } from "./active_request.ts";
import type { ByteQueue } from "./byte_queue.ts";
import { type FastCgiRequest, IncomingRequest } from "./incoming_request.ts";
import { managementReply } from "./management.ts";
import { refusal, refuseWithStatus } from "./refusal.ts";
import { REQUEST_DECODER_DEFAULTS, type RequestDecoderOptions } from "./request_decoder_options.ts";
import { isKnownRole, type RequestInput, requestInput, requestStep } from "./request_state.ts";
import type { RequestWatch } from "./request_watch.ts";
import type { Stage, StageController } from "./stage.ts";

/** Takes what a {@linkcode RequestDecoder} produces besides requests. */
export interface RequestDecoderOutlet {
  /**
   * Takes records for the web server: answers to management records, and refusals. They must be sent without waiting.
   */
  reply(records: FastCgiRecord[], closeConnection: boolean): void;
  /**
   * Takes the error of input that was dropped or refused. The connection goes on. `request` is the one that the input
   * was for, if the application has seen it.
   */
  report?: ((error: FastCgiError, request?: FastCgiRequest) => void) | undefined;
  /** Called with each FCGI_BEGIN_REQUEST. Returns what hears of the end of its request, for a log; null if nothing does. */
  watch?(): RequestWatch | null;
}

/** Takes the requests. */
type Output = StageController<IncomingRequest>;

/**
 * Sans-IO stage: records → requests (FastCGI 3.3, 4, 5, 6). It emits a request when its params are complete, and feeds
 * the request's streams from then on. The code that answers the request calls {@linkcode RequestDecoder.end}.
 */
export class RequestDecoder implements Stage<FastCgiRecord, IncomingRequest> {
  readonly #options: Resolved<RequestDecoderOptions>;
  readonly #outlet: RequestDecoderOutlet;
  /** Passes errors to the outlet. Made for the first one, because most connections have none. */
  #tell: ((error: FastCgiError, request?: FastCgiRequest) => void) | null = null;
  readonly #active = new SmallMap<number, ActiveRequest>();
  #drained = 0;
  #keptBytes = 0;
  #dead: FastCgiError | null = null;

  /**
   * Passes to `outlet` what is not a request.
   *
   * @throws {RangeError | TypeError} If an option is not a positive number, or of another kind.
   */
  constructor(outlet: RequestDecoderOutlet, options: RequestDecoderOptions = {}) {
    this.#options = resolveOptions(REQUEST_DECODER_DEFAULTS, options);
    const { reply, report } = objectOf(outlet, "Cannot decode requests", "outlet to be an object with reply");
    checkFunction(reply, "reply", false);
    checkFunction(report, "report");
    this.#outlet = outlet;
  }

  /** The number of requests that have begun and not ended, whether or not they were emitted. */
  get activeRequests(): number {
    return this.#active.size;
  }

  /** The number of requests that have begun, and were neither emitted nor refused so far. */
  get incompleteRequests(): number {
    let count = 0;
    for (const { request } of this.#active.values()) if (request === null) count++;
    return count;
  }

  /**
   * The bytes of content so far that were neither copied nor dropped, so that views of them may still be in use. While a piece of input
   * is decoded that leaves this number as it was, nothing keeps a view of the piece.
   */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** Whether input of a request is still to come. Nothing more comes for an aborted request. */
  get expectsInput(): boolean {
    for (const { state, request } of this.#active.values()) {
      if (state !== "complete" && (request === null || request.abortReason === null)) return true;
    }
    return false;
  }

  /** The requests that were emitted and are not over. */
  get requests(): IncomingRequest[] {
    return this.#active.values().flatMap(({ request }) => request ?? []);
  }

  /**
   * The time at which the first of the waiting requests has waited too long, by the clock of `now`; `Infinity` if none
   * waits. Call it after every piece of input: the decoder reads no clock.
   */
  inputDue(now: number, timeouts: InputTimeouts): number {
    let due = Number.POSITIVE_INFINITY;
    for (const active of this.#active.values()) {
      if (!active.awaitsInput) continue;
      if (active.waitsSince === SINCE_LAST_LOOK) active.waitsSince = now;
      due = Math.min(due, active.waitsSince + timeouts[active.timeout]);
    }
    return due;
  }

  /**
   * Gives up the input that is due. A request whose params are not complete is refused. Otherwise reading its streams
   * fails, and the application answers. Other requests go on.
   */
  timeOutInput(now: number, timeouts: InputTimeouts): void {
    for (const active of this.#active.values()) {
      const { requestId, request, waitsSince, timeout: limit } = active;
      const timeout = timeouts[limit];
      if (waitsSince === SINCE_LAST_LOOK || waitsSince + timeout > now) continue;
      if (request === null) {
        const message = `Cannot accept request ${requestId}: its params were not complete after ${timeout} ms`;
        this.#refuse(active, 408, new FastCgiError("timeout", message, { limit }));
      } else {
        const message = `Cannot read the request: nothing more of its input came for ${timeout} ms`;
        request.failStreams(new FastCgiError("timeout", message, { requestId, limit }));
      }
    }
  }

  /** Notes how far the bodies were read, for {@linkcode RequestDecoder.failStuck}. */
  noteReads(): void {
    for (const request of this.requests) request.noteReads();
  }

  /** Gives up the bodies that hold up the connection and were not read since the last note, `timeout` ago. */
  failStuck(timeout: number): void {
    for (const request of this.requests) {
      if (!request.isStuck) continue;
      const { requestId } = request;
      const message = `Cannot keep the request: its body was not read for ${timeout} ms`;
      request.failStreams(new FastCgiError("timeout", message, { requestId, limit: "stallTimeout" }));
    }
  }

  /** Extends all waits by `duration`, in which the connection was not read: the web server is not at fault for that. */
  forgive(duration: number): void {
    for (const active of this.#active.values()) {
      if (active.waitsSince !== SINCE_LAST_LOOK) active.waitsSince += duration;
    }
  }

  /**
   * Marks a request as over: its FCGI_END_REQUEST was sent. Further records for it are ignored (FastCGI 3.3).
   *
   * @returns Whether all of its input had arrived.
   */
  end(requestId: number): boolean {
    const active = this.#active.get(requestId);
    if (active === undefined) return true;
    this.#active.delete(requestId);
    if (active.state === "complete") return true;
    // A reader must not take the part that came for the whole.
    const message = "Cannot read the rest of the request: it was answered before";
    const reason = new FastCgiError("aborted", message, { requestId });
    active.request?.failStreams(reason);
    return false;
  }

  /** Aborts every active request: the connection is gone. */
  abortAll(reason: FastCgiError): void {
    for (const { request, watch } of this.#active.values()) {
      if (request === null) watch?.end("aborted", reason);
      else request.abort(reason);
    }
  }

  /**
   * Takes one record. A returned promise asks the caller to pause until the request has room again.
   *
   * @throws {FastCgiError} `protocol` or `limit`, where the connection can't go on. The decoder is dead then.
   * @throws {TypeError} If it is no record. The decoder goes on.
   */
  transform(record: FastCgiRecord, output: StageController<IncomingRequest>): void | Promise<void> {
    if (this.#dead !== null) throw this.#dead;
    checkRecord(record, "Cannot decode requests");
    this.#keptBytes += record.contentData.length;
    try {
      if (record.requestId === FCGI_NULL_REQUEST_ID) return this.#manage(record);
      if (record.type === RecordType.BeginRequest) return this.#begin(record);
      const active = this.#active.get(record.requestId);
      // FastCGI 3.3: records for an inactive request are ignored.
      if (active === undefined) return this.#drain(record.contentData.length);
      return this.#advance(active, record, output);
    } catch (error) {
      if (error instanceof FastCgiError) this.#dead = error;
      throw error;
    }
  }

  /** Aborts all active requests: the input of the connection has ended. */
  flush(): void {
    this.abortAll(
      new FastCgiError("connectionClosed", "Cannot finish the request: the web server closed the connection"),
    );
  }

  #manage(record: FastCgiRecord): void {
    this.#reply([managementReply(record, this.#options)]);
    if (record.type === RecordType.GetValues) return;
    this.#report(protocolError(`Unexpected management record of type ${nameOf(RecordType, record.type)}`));
  }

  /** FastCGI 5.1, 5.5. */
  #begin({ requestId, contentData }: FastCgiRecord): void {
    const { role, keepConn } = decodeBeginRequestBody(contentData, this.#options.strictBeginBodySize);
    if (this.#active.has(requestId)) {
      // Later records could belong to either of the two requests.
      throw protocolError(`Cannot begin request ${requestId}: it is active`, requestId);
    }
    const { multiplexing, respondCantMpxConn, maxConcurrentRequests } = this.#options;
    const watch = this.#outlet.watch?.() ?? null;
    if (!multiplexing && this.#active.size > 0) {
      const error = cannotAccept("cantMultiplex", requestId, "multiplexing is off");
      // The active request decides whether the connection is kept, not this one.
      this.#answer(error, respondCantMpxConn ? [refusal(requestId, ProtocolStatus.CantMpxConn)] : [], true, watch);
    } else if (!isKnownRole(role)) {
      const error = cannotAccept("unknownRole", requestId, `expected a role from 1 to 3, got ${role}`);
      this.#answer(error, [refusal(requestId, ProtocolStatus.UnknownRole)], keepConn, watch);
    } else if (this.#active.size >= maxConcurrentRequests) {
      const reason = `${maxConcurrentRequests} are active`;
      const error = cannotAccept("limit", requestId, reason, "maxConcurrentRequests");
      this.#answer(error, refuseWithStatus(requestId, 503), keepConn, watch);
    } else {
      this.#drained = 0;
      this.#active.set(requestId, new ActiveRequest(requestId, role, keepConn, watch));
    }
  }

  #advance(active: ActiveRequest, { type, contentData }: FastCgiRecord, output: Output): void | Promise<void> {
    const input = requestInput(type, contentData.length);
    if (input === null) return this.#unexpectedType(active, type);
    const step = requestStep(active.role, active.state, input);
    if (step === undefined) throw this.#outOfOrder(active, input);
    const [action, next] = step;
    active.state = next;
    const { request } = active;
    switch (action) {
      case "collect params":
        return this.#collectParams(active, contentData);
      case "start request":
        return this.#start(active, output);
      case "push stdin":
        active.waitsSince = SINCE_LAST_LOOK;
        return this.#push(request!.stdinQueue, contentData);
      case "end stdin":
        active.waitsSince = SINCE_LAST_LOOK;
        return request!.stdinQueue.end();
      case "push data":
        active.waitsSince = SINCE_LAST_LOOK;
        return this.#push(request!.dataQueue, contentData);
      case "end data":
        return request!.dataQueue.end();
      case "abort":
        return this.#abort(active);
      case "report":
        this.#reportDropped(active, `Dropped ${contentData.length} bytes of ${input}: the role has no such stream`);
        return this.#drain(contentData.length);
      // Stryker disable next-line ConditionalExpression,StringLiteral: nothing follows
      case "ignore":
        return;
    }
  }

  #push(queue: ByteQueue, contentData: Uint8Array): void | Promise<void> {
    if (queue.isDone) return this.#drain(contentData.length);
    if (queue.push(contentData)) this.#keptBytes -= contentData.length;
    return queue.whenRoom();
  }

  #collectParams(active: ActiveRequest, contentData: Uint8Array): void {
    const { maxParamsBytes } = this.#options;
    if (active.params.length + contentData.length > maxParamsBytes) {
      const message = `Cannot accept request ${active.requestId}: more than ${maxParamsBytes} bytes of params`;
      this.#refuse(active, 431, new FastCgiError("limit", message, { limit: "maxParamsBytes" }));
      return;
    }
    active.params.add(contentData);
  }

  #start(active: ActiveRequest, output: Output): void {
    let variables: Variables;
    try {
      variables = decodeVariables(active.params.take(), { maxPairs: this.#options.maxParams });
    } catch (error) {
      this.#refuse(active, (error as FastCgiError).code === "limit" ? 431 : 400, error as FastCgiError);
      return;
    }
    active.waitsSince = SINCE_LAST_LOOK;
    active.request = new IncomingRequest(active.requestId, active.role, active.keepConn, variables, this.#options);
    if (active.watch !== null) {
      active.watch.method = variables.get("REQUEST_METHOD");
      active.request.watch = active.watch;
    }
    output.enqueue(active.request);
  }

  #abort(active: ActiveRequest): void {
    const { requestId, request, keepConn, watch } = active;
    const reason = new FastCgiError("aborted", "Cannot finish the request: the web server aborted it", { requestId });
    if (request !== null) {
      request.abort(reason);
      return;
    }
    // The application never saw the request, so the decoder answers (FastCGI 5.4).
    this.end(requestId);
    this.#reply([refusal(requestId, ProtocolStatus.RequestComplete)], !keepConn);
    watch?.end("aborted", reason);
  }

  /** Answers a request that can't reach the application. The connection goes on, because its records are intact. */
  #refuse(
    { requestId, keepConn, watch }: ActiveRequest,
    status: 400 | 408 | 431,
    { code, message, limit }: FastCgiError,
  ): void {
    this.end(requestId);
    const error = new FastCgiError(code, message, { requestId, limit });
    this.#answer(error, refuseWithStatus(requestId, status), keepConn, watch);
  }

  /** Answers a request in place of the application. */
  #answer(error: FastCgiError, records: FastCgiRecord[], keepConn: boolean, watch: RequestWatch | null): void {
    this.#report(error);
    if (records.length > 0) this.#reply(records, !keepConn);
    watch?.noteRecords(records);
    watch?.end(error.code === "timeout" ? "timeout" : "refused", error);
  }

  #unexpectedType(active: ActiveRequest, type: number): void {
    if (type === RecordType.Stdout || type === RecordType.Stderr || type === RecordType.EndRequest) {
      throw protocolError(
        `Cannot read a ${nameOf(RecordType, type)} record: only applications send it`,
        active.requestId,
      );
    }
    // FastCGI has no answer for this (4.2 is about management records), and nginx would fail on one.
    this.#reportDropped(active, `Dropped a record of type ${nameOf(RecordType, type)}`);
  }

  #outOfOrder({ requestId, state }: ActiveRequest, input: RequestInput): FastCgiError {
    return protocolError(`Cannot read ${input}: request ${requestId} is in state ${state}`, requestId);
  }

  /** Counts what is dropped: content by its bytes, however the records were cut; a record without content by its header. */
  #drain(contentLength: number): void {
    this.#keptBytes -= contentLength;
    this.#drained += contentLength || FCGI_HEADER_LEN;
    const { maxDrainBytes } = this.#options;
    if (this.#drained > maxDrainBytes) {
      const message = `Cannot go on reading: more than ${maxDrainBytes} bytes for requests that are not active`;
      throw new FastCgiError("limit", message, { limit: "maxDrainBytes" });
    }
  }

  #report(error: FastCgiError, request?: FastCgiRequest): void {
    // Stryker disable next-line StringLiteral: the name is for the error of what is no function, and this is one
    this.#tell ??= contained("report", (...given) => this.#outlet.report?.(...given));
    this.#tell(error, request);
  }

  #reply(records: FastCgiRecord[], closeConnection = false): void {
    this.#outlet.reply(records, closeConnection);
  }

  #reportDropped(active: ActiveRequest, message: string): void {
    this.#report(protocolError(message, active.requestId), active.request ?? undefined);
  }
}

/** Why a request that a web server begins is answered at once. */
function cannotAccept(
  code: "cantMultiplex" | "unknownRole" | "limit",
  requestId: number,
  reason: string,
  limit?: string,
): FastCgiError {
  return new FastCgiError(code, `Cannot accept request ${requestId}: ${reason}`, { requestId, limit });
}
