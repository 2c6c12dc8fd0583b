// The start of a request: FCGI_BEGIN_REQUEST and the FCGI_PARAMS. Most requests have nothing more.

import { checkBoolean, checkInteger, objectOf } from "../base/unexpected.ts";
import type { FastCgiParam } from "../cgi/known_params.ts";
import { FCGI_HEADER_LEN, MAX_REQUEST_ID, RecordType, type Role } from "../protocol/constants.ts";
import {
  checkNameValuePair,
  encodeNameValuePairChunks,
  encodeNameValuePairInto,
  listOfPairs,
  type NameValuePair,
} from "../protocol/name_value_pairs.ts";
import { encodeBeginRequestBodyInto, encodeRecordHeaderInto, type FastCgiRecord } from "../protocol/record.ts";
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
  params: Iterable<FastCgiParam>;
  /** Whether the end of FCGI_STDIN follows at once: the request has no body. */
  endsStdin: boolean;
}

/** For messages: what can't be done. */
const TASK = "Cannot encode the start of a request";

/** The bytes before the params: FCGI_BEGIN_REQUEST, and the header of FCGI_PARAMS. */
const START_LENGTH = 3 * FCGI_HEADER_LEN;
/** The most bytes after the params: their padding, and the ends of FCGI_PARAMS and FCGI_STDIN. */
const MAX_END_LENGTH = 7 + 2 * FCGI_HEADER_LEN;

/**
 * Encodes FCGI_BEGIN_REQUEST, the FCGI_PARAMS and their end. Params are cut between pairs, because PHP and others parse
 * each record by itself. The bytes may be part of a larger buffer that holds other requests, so it must not be
 * transferred.
 *
 * @throws {RangeError | TypeError} If a member has a value it can't have: each name and value is a string whose characters are bytes.
 */
export function encodeRequestHead(head: RequestHead): Uint8Array {
  const { params, requestId, role, keepConn, endsStdin } = objectOf(head, TASK, "head to be an object");
  checkInteger(requestId, TASK, "requestId", 1, MAX_REQUEST_ID);
  checkInteger(role, TASK, "role", 1, 0xffff);
  checkBoolean(keepConn, TASK, "keepConn");
  checkBoolean(endsStdin, TASK, "endsStdin");
  // Up to three attempts read them, and a generator can be read only once.
  // Stryker disable next-line ConditionalExpression,LogicalOperator: a list that is taken for none is copied, with the same pairs
  const isList = params instanceof Map || (Array.isArray(params) && !params.some((pair) => !Array.isArray(pair)));
  const pairs: Iterable<NameValuePair> = isList
    ? (params as Iterable<NameValuePair>)
    : listOfPairs(params, `${TASK}: expected params`);
  // Written in place: encoding records would take half as long again.
  return allocateFor((target, start) => writeHead(head, pairs, target, start)) ?? encodeRecords(recordsOf(head, pairs));
}

/** Writes a head whose params fit one record. Returns the offset after it, or null if there is no room. */
function writeHead(
  { requestId, role, keepConn, endsStdin }: RequestHead,
  pairs: Iterable<NameValuePair>,
  target: Uint8Array,
  start: number,
): number | null {
  const limit = target.length - MAX_END_LENGTH;
  const paramsHeader = start + START_LENGTH - FCGI_HEADER_LEN;
  const paramsStart = start + START_LENGTH;
  // Stryker disable next-line EqualityOperator: with >= a head that just fits begins the next block, with the same bytes
  if (paramsStart > limit) return null;
  let offset = encodeRecordHeaderInto(target, start, RecordType.BeginRequest, requestId, FCGI_HEADER_LEN, 0);
  encodeBeginRequestBodyInto({ role, keepConn }, target, offset);
  offset = paramsStart;
  for (const [name, value] of pairs) {
    checkNameValuePair(name, value);
    // Two lengths of at most four bytes.
    if (offset + name.length + value.length + 8 > limit) return null;
    offset = encodeNameValuePairInto(name, value, target, offset);
  }
  const length = offset - paramsStart;
  // A record without content would end the params.
  if (length === 0) {
    offset = paramsHeader;
  } else {
    const padding = -length & 7;
    encodeRecordHeaderInto(target, paramsHeader, RecordType.Params, requestId, length, padding);
    offset += padding;
  }
  offset = encodeRecordHeaderInto(target, offset, RecordType.Params, requestId, 0, 0);
  return endsStdin ? encodeRecordHeaderInto(target, offset, RecordType.Stdin, requestId, 0, 0) : offset;
}

/** A head with any number of params. */
function recordsOf(
  { requestId, role, keepConn, endsStdin }: RequestHead,
  pairs: Iterable<NameValuePair>,
): FastCgiRecord[] {
  const records = [beginRequest(requestId, { role, keepConn })];
  for (const contentData of encodeNameValuePairChunks(pairs)) {
    records.push({ type: RecordType.Params, requestId, contentData });
  }
  records.push(endOfStream(RecordType.Params, requestId));
  if (endsStdin) records.push(endOfStream(RecordType.Stdin, requestId));
  return records;
}
