import type { IncomingRequest } from "../../src/codec/incoming_request.ts";
import type { IncomingResponse } from "../../src/codec/incoming_response.ts";
import {
  encodeEndRequestBody,
  FastCgiError,
  type FastCgiRecord,
  RecordType,
  RequestDecoder,
  type RequestDecoderOptions,
  ResponseDecoder,
  type ResponseDecoderOptions,
  Role,
} from "../../src/toolkit.ts";
import { begin, params, record } from "./records.ts";

/** A RequestDecoder and all that came out of it. */
export class DrivenRequestDecoder {
  readonly decoder: RequestDecoder;
  readonly requests: IncomingRequest[] = [];
  readonly replies: FastCgiRecord[] = [];
  /** `closeConnection` of each group of replies. */
  readonly closes: boolean[] = [];
  readonly reports: FastCgiError[] = [];

  constructor(options: RequestDecoderOptions = {}) {
    const reply = (records: FastCgiRecord[], closeConnection: boolean): void => {
      this.replies.push(...records);
      this.closes.push(closeConnection);
    };
    this.decoder = new RequestDecoder({ reply, report: (error) => this.reports.push(error) }, options);
  }

  /** Feeds records; returns the last pause that was asked for. */
  send(...records: (FastCgiRecord | FastCgiRecord[])[]): Promise<void> | undefined {
    let pause: Promise<void> | undefined;
    const controller = { enqueue: (request: unknown): void => void this.requests.push(request as IncomingRequest) };
    for (const record of records.flat()) pause = this.decoder.transform(record, controller) ?? pause;
    return pause;
  }
}

/** A ResponseDecoder and all that came out of it. */
export class DrivenResponseDecoder {
  readonly decoder: ResponseDecoder;
  readonly responses: IncomingResponse[] = [];
  readonly management: FastCgiRecord[] = [];
  readonly reports: FastCgiError[] = [];

  constructor(options: ResponseDecoderOptions = {}) {
    this.decoder = new ResponseDecoder(
      { management: (record) => this.management.push(record), report: (error) => this.reports.push(error) },
      options,
    );
  }

  /** Feeds records; returns the last pause that was asked for. */
  send(...records: (FastCgiRecord | FastCgiRecord[])[]): Promise<void> | undefined {
    let pause: Promise<void> | undefined;
    const controller = { enqueue: (response: unknown): void => void this.responses.push(response as IncomingResponse) };
    for (const record of records.flat()) pause = this.decoder.transform(record, controller) ?? pause;
    return pause;
  }
}

/** The records up to where a request comes out: BEGIN_REQUEST and all PARAMS. */
export function started(
  requestId: number,
  pairs: Record<string, string> = {},
  role: number = Role.Responder,
): FastCgiRecord[] {
  return [begin(requestId, { role }), ...params(requestId, pairs)];
}

/** FCGI_END_REQUEST. */
export function end(requestId: number, { appStatus = 0, protocolStatus = 0 as number } = {}): FastCgiRecord {
  return record(RecordType.EndRequest, requestId, encodeEndRequestBody({ appStatus, protocolStatus }));
}

/** The FastCgiError that `action` throws. */
export function caught(action: () => unknown): FastCgiError {
  try {
    action();
  } catch (error) {
    if (error instanceof FastCgiError) return error;
    throw error;
  }
  throw new Error("Expected a FastCgiError, nothing was thrown");
}
