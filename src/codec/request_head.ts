// The start of a request: FCGI_BEGIN_REQUEST and the FCGI_PARAMS. Most requests have nothing more.

import { RecordType, type Role } from "../protocol/constants.ts";
import {
  checkNameValuePair,
  encodeNameValuePairChunks,
  encodeNameValuePairInto,
  type NameValuePair,
} from "../protocol/name_value_pairs.ts";
import type { FastCgiRecord } from "../protocol/record.ts";
import { allocateFor } from "./block.ts";
import { encodeRecords } from "./record_encoder.ts";
import { beginRequest, endOfStream } from "./records.ts";

/** The start of a request (FastCGI 6). */
export interface RequestHead {
  /** The request on its connection, 1 to 65,535. */
  requestId: number;
  /** The role that the application is to play. */
  role: Role;
  /** Whether the connection is kept afterwards (FastCGI 5.1). */
  keepConn: boolean;
  /** The variables: pairs, or a Map. Names and values are byte strings: one character per byte. */
  params: Iterable<NameValuePair>;
  /** Whether the end of FCGI_STDIN follows at once: the request has no body. */
  endsStdin: boolean;
}

/**
 * Encodes FCGI_BEGIN_REQUEST, the FCGI_PARAMS and their end.
 *
 * @throws {TypeError} If a name or value is not a string, or one of their characters is not a byte.
 */
export function encodeRequestHead(head: RequestHead): Uint8Array {
  return encodeRecords(requestHead(head));
}

/**
 * The records of {@linkcode encodeRequestHead}. Params are cut between pairs, because PHP and others parse each record
 * by itself. Their bytes may be part of a larger buffer that holds other requests, so it must not be transferred.
 */
export function requestHead({ requestId, role, keepConn, params, endsStdin }: RequestHead): FastCgiRecord[] {
  const records = [beginRequest(requestId, { role, keepConn })];
  for (const contentData of encodeParams(params)) records.push({ type: RecordType.Params, requestId, contentData });
  records.push(endOfStream(RecordType.Params, requestId));
  if (endsStdin) records.push(endOfStream(RecordType.Stdin, requestId));
  return records;
}

/**
 * The params as the contents of one record if they fit a block, as nearly all do; otherwise of as many records as
 * needed.
 */
function encodeParams(params: Iterable<NameValuePair>): Uint8Array[] {
  // Up to three attempts read them, and a generator can be read only once.
  const pairs = Array.isArray(params) || params instanceof Map ? params : [...params];
  const whole = allocateFor((target, start) => writeParams(pairs, target, start));
  if (whole === null) return encodeNameValuePairChunks(pairs);
  // A record without content would end the params.
  return whole.length === 0 ? [] : [whole];
}

/** Writes the params. Returns the offset after them, or null if there is no room. */
function writeParams(pairs: Iterable<NameValuePair>, target: Uint8Array, start: number): number | null {
  let offset = start;
  for (const [name, value] of pairs) {
    checkNameValuePair(name, value);
    // Two lengths of at most four bytes.
    if (offset + name.length + value.length + 8 > target.length) return null;
    offset = encodeNameValuePairInto(name, value, target, offset);
  }
  return offset;
}
