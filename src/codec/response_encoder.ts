// The end of a response as bytes. For most responses this is all there is, so it is written in one go, and memory comes from a larger
// block as in request_encoder.ts.

import { FCGI_HEADER_LEN, ProtocolStatus, RecordType } from "../protocol/constants.ts";
import { encodeRecordHeader, NO_CONTENT } from "../protocol/record.ts";
import { MIN_UNCOPIED_LENGTH } from "./record_encoder.ts";

/** How a response ends (FastCGI 5.5, 6.1). */
export interface ResponseEnd {
  requestId: number;
  /** What is left of FCGI_STDOUT; fits one record. */
  stdout: Uint8Array;
  /** Whether anything was sent to FCGI_STDERR, so that the stream wants an end. */
  endsStderr: boolean;
  appStatus: number;
}

const BLOCK_LENGTH = 16 * 1024;
/** What takes more than this of a block has a buffer of its own. */
const MAX_BLOCK_SHARE = BLOCK_LENGTH / 4;
/** FCGI_END_REQUEST, whose body is as long as its header (FastCGI 5.5). */
const END_REQUEST_LENGTH = 2 * FCGI_HEADER_LEN;

let block: Uint8Array = NO_CONTENT;
let used = 0;

/** The last of FCGI_STDOUT, the ends of the streams, and FCGI_END_REQUEST, as pieces to be written one behind the other. */
export function encodeResponseEnd(end: ResponseEnd): Uint8Array[] {
  const { requestId, stdout, endsStderr } = end;
  const hasOutput = stdout.length > 0;
  const isCopied = stdout.length < MIN_UNCOPIED_LENGTH;
  const endLength = FCGI_HEADER_LEN * (endsStderr ? 2 : 1) + END_REQUEST_LENGTH;
  const startLength = (hasOutput ? FCGI_HEADER_LEN : 0) + (isCopied ? stdout.length : 0);
  const bytes = roomFor(startLength + endLength);
  if (hasOutput) encodeRecordHeader(bytes, 0, RecordType.Stdout, requestId, stdout.length, 0);
  if (hasOutput && isCopied) bytes.set(stdout, FCGI_HEADER_LEN);
  let offset = encodeRecordHeader(bytes, startLength, RecordType.Stdout, requestId, 0, 0);
  if (endsStderr) offset = encodeRecordHeader(bytes, offset, RecordType.Stderr, requestId, 0, 0);
  encodeEndRequest(end, bytes, offset);
  return isCopied ? [bytes] : [bytes.subarray(0, startLength), stdout, bytes.subarray(startLength)];
}

function encodeEndRequest({ requestId, appStatus }: ResponseEnd, target: Uint8Array, offset: number): void {
  const body = encodeRecordHeader(target, offset, RecordType.EndRequest, requestId, FCGI_HEADER_LEN, 0);
  target[body] = appStatus >>> 24;
  target[body + 1] = appStatus >>> 16;
  target[body + 2] = appStatus >>> 8;
  target[body + 3] = appStatus;
  target[body + 4] = ProtocolStatus.RequestComplete;
}

/** Zeros that nobody has used yet. */
function roomFor(length: number): Uint8Array {
  // Not `>`: what is no number must not be added to `used`, which all connections share.
  if (!(length <= MAX_BLOCK_SHARE)) return new Uint8Array(length);
  if (used + length > block.length) {
    block = new Uint8Array(BLOCK_LENGTH);
    used = 0;
  }
  used += length;
  return block.subarray(used - length, used);
}
