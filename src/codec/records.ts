// The records that begin and end requests and their streams, each kind encoded only here; and which records make up streams.

import { FCGI_NULL_REQUEST_ID, RecordType } from "../protocol/constants.ts";
import {
  type BeginRequestBody,
  type EndRequestBody,
  encodeBeginRequestBody,
  encodeEndRequestBody,
  type FastCgiRecord,
  NO_CONTENT,
} from "../protocol/record.ts";

/** FCGI_BEGIN_REQUEST (FastCGI 5.1). */
export function beginRequest(requestId: number, body: BeginRequestBody): FastCgiRecord {
  return { type: RecordType.BeginRequest, requestId, contentData: encodeBeginRequestBody(body) };
}

/** FCGI_ABORT_REQUEST (FastCGI 5.4). */
export function abortRequest(requestId: number): FastCgiRecord {
  return { type: RecordType.AbortRequest, requestId, contentData: NO_CONTENT };
}

/** FCGI_END_REQUEST (FastCGI 5.5). */
export function endRequest(requestId: number, body: EndRequestBody): FastCgiRecord {
  return { type: RecordType.EndRequest, requestId, contentData: encodeEndRequestBody(body) };
}

/** The end of a stream: a record without content (FastCGI 3.3). */
export function endOfStream(type: number, requestId: number): FastCgiRecord {
  return { type, requestId, contentData: NO_CONTENT };
}

/**
 * Whether a record is part of a stream other than FCGI_PARAMS: its type is from FCGI_STDIN to FCGI_DATA (FastCGI 8). With
 * request id 0 it is a management record of an invalid type, and gets one answer.
 */
export function isOfStream({ type, requestId }: Pick<FastCgiRecord, "type" | "requestId">): boolean {
  return requestId !== FCGI_NULL_REQUEST_ID && type >= RecordType.Stdin && type <= RecordType.Data;
}
