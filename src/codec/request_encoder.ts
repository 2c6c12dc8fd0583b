// The start of a request as bytes. This is all of most requests, so it is written in one go: params are encoded where they are
// to be, and memory comes from a larger block, because making a small buffer takes as long as filling it.

import { FCGI_HEADER_LEN, FCGI_KEEP_CONN, RecordType, type Role } from "../protocol/constants.ts";
import {
  checkNameValuePair,
  encodeNameValuePairChunks,
  encodeNameValuePairInto,
  type NameValuePair,
} from "../protocol/name_value_pairs.ts";
import { encodeBeginRequestBody, encodeRecordHeader, type FastCgiRecord, NO_CONTENT } from "../protocol/record.ts";
import { encodeRecords } from "./record_encoder.ts";

/** How a request begins (FastCGI 6). */
export interface RequestHead {
  /** The request on its connection, 1 to 65,535. */
  requestId: number;
  /** What is wanted of the application. */
  role: Role;
  /** Whether the connection is kept afterwards (FastCGI 5.1). */
  keepConn: boolean;
  /** The variables: pairs, or a Map. Byte strings: one character per byte. */
  params: Iterable<NameValuePair>;
  /** Whether the end of FCGI_STDIN follows at once: the request has no body. */
  endsStdin: boolean;
}

/** What a block holds: some twenty requests. */
const BLOCK_LENGTH = 16 * 1024;

const BEGIN_LENGTH = 2 * FCGI_HEADER_LEN;
/** Padding, the end of the params and that of stdin. */
const MAX_END_LENGTH = 7 + 2 * FCGI_HEADER_LEN;

/** Shared by all connections: `used` is where the next request may begin. */
let block: Uint8Array = NO_CONTENT;
let used = 0;

/**
 * FCGI_BEGIN_REQUEST, the FCGI_PARAMS and their end. Records are cut between pairs: PHP and others parse each by itself. The bytes
 * may be part of a larger buffer that holds other requests: it must not be transferred.
 *
 * @throws {TypeError} If a name or value is not a string, or one of their characters is not a byte.
 */
export function encodeRequestHead(head: RequestHead): Uint8Array {
  const { params } = head;
  // Up to three attempts read them, and a generator gives its pairs only once.
  const pairs = Array.isArray(params) || params instanceof Map ? params : [...params];
  // The second attempt has a new block: the first may have been used up for the most part.
  return encodeIntoBlock(head, pairs) ?? encodeIntoBlock(head, pairs, true) ?? encodeRecords(recordsOf(head, pairs));
}

/** The bytes, or null where the block has no room for them. */
function encodeIntoBlock(head: RequestHead, pairs: Iterable<NameValuePair>, isNew = false): Uint8Array | null {
  if (isNew) {
    block = new Uint8Array(BLOCK_LENGTH);
    used = 0;
  }
  const target = block;
  const start = used;
  let end: number | null = null;
  // Nothing else may take the room while the pairs are read: their iterator may be the program's, and send a request itself.
  used = target.length;
  try {
    end = encodeInto(target, start, head, pairs);
    return end === null ? null : target.subarray(start, end);
  } finally {
    if (block === target) used = end ?? start;
  }
}

/** Writes the bytes to `target` at `start`. Returns the offset behind them, or null where there is no room. */
function encodeInto(
  target: Uint8Array,
  start: number,
  { requestId, role, keepConn, endsStdin }: RequestHead,
  pairs: Iterable<NameValuePair>,
): number | null {
  const paramsStart = start + BEGIN_LENGTH + FCGI_HEADER_LEN;
  const limit = target.length - MAX_END_LENGTH;
  let offset = paramsStart;
  for (const [name, value] of pairs) {
    checkNameValuePair(name, value);
    // Two lengths of at most four bytes.
    if (offset + name.length + value.length + 8 > limit) return null;
    offset = encodeNameValuePairInto(name, value, target, offset);
  }
  const length = offset - paramsStart;
  // A record without content would be the end of the params.
  if (length === 0) return null;
  encodeRecordHeader(target, start, RecordType.BeginRequest, requestId, FCGI_HEADER_LEN, 0);
  // A request that did not fit, or could not be encoded, may have left its params here: they are nobody else's business.
  target.fill(0, start + FCGI_HEADER_LEN, start + BEGIN_LENGTH);
  target[start + FCGI_HEADER_LEN] = role >>> 8;
  target[start + FCGI_HEADER_LEN + 1] = role;
  target[start + FCGI_HEADER_LEN + 2] = keepConn ? FCGI_KEEP_CONN : 0;
  const padding = -length & 7;
  encodeRecordHeader(target, start + BEGIN_LENGTH, RecordType.Params, requestId, length, padding);
  target.fill(0, offset, offset + padding);
  offset = encodeRecordHeader(target, offset + padding, RecordType.Params, requestId, 0, 0);
  return endsStdin ? encodeRecordHeader(target, offset, RecordType.Stdin, requestId, 0, 0) : offset;
}

/** The same as records, however many they are. */
function recordsOf(
  { requestId, role, keepConn, endsStdin }: RequestHead,
  params: Iterable<NameValuePair>,
): FastCgiRecord[] {
  const records: FastCgiRecord[] = [
    { type: RecordType.BeginRequest, requestId, contentData: encodeBeginRequestBody({ role, keepConn }) },
    ...encodeNameValuePairChunks(params).map((contentData) => ({ type: RecordType.Params, requestId, contentData })),
    { type: RecordType.Params, requestId, contentData: NO_CONTENT },
  ];
  if (endsStdin) records.push({ type: RecordType.Stdin, requestId, contentData: NO_CONTENT });
  return records;
}
