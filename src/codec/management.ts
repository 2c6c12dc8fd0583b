// The answers to management records: records of the connection, not of a request (FastCGI 4).

import type { Resolved } from "../base/resolve_options.ts";
import {
  FCGI_MAX_CONNS,
  FCGI_MAX_REQS,
  FCGI_MPXS_CONNS,
  FCGI_NULL_REQUEST_ID,
  RecordType,
} from "../protocol/constants.ts";
import { decodeNameValuePairs, encodeNameValuePairs, type NameValuePair } from "../protocol/name_value_pairs.ts";
import { encodeUnknownTypeBody, type FastCgiRecord } from "../protocol/record.ts";
import type { RequestDecoderOptions } from "./request_decoder_options.ts";

type Limits = Pick<Resolved<RequestDecoderOptions>, "maxConnections" | "maxConcurrentRequests" | "multiplexing">;

/**
 * The answer to a management record.
 *
 * @throws {FastCgiError} `protocol` if it asks for values, and its names can't be read.
 */
export function managementReply({ type, contentData }: FastCgiRecord, limits: Limits): FastCgiRecord {
  if (type === RecordType.GetValues) {
    const asked = new Set(decodeNameValuePairs(contentData).map(([name]) => name));
    const known = valuesOf(limits).filter(([name]) => asked.has(name));
    return managementRecord(RecordType.GetValuesResult, encodeNameValuePairs(known));
  }
  // FastCGI 4.2. Types of requests are not management types either.
  return managementRecord(RecordType.UnknownType, encodeUnknownTypeBody(type));
}

/** FastCGI 4.1. */
function valuesOf({ maxConnections, maxConcurrentRequests, multiplexing }: Limits): readonly NameValuePair[] {
  return [
    [FCGI_MAX_CONNS, String(maxConnections)],
    [FCGI_MAX_REQS, String(multiplexing ? maxConcurrentRequests : maxConnections)],
    [FCGI_MPXS_CONNS, multiplexing ? "1" : "0"],
  ];
}

function managementRecord(type: number, contentData: Uint8Array): FastCgiRecord {
  return { type, requestId: FCGI_NULL_REQUEST_ID, contentData };
}
