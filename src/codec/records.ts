// The records that begin and end requests and their streams. Each kind is encoded only here.

import { RecordType } from "../protocol/constants.ts";
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
