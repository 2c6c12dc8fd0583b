import { checkBoolean, checkBytes, checkInteger, objectOf, unexpected } from "../base/unexpected.ts";
import {
  FCGI_HEADER_LEN,
  FCGI_KEEP_CONN,
  FCGI_VERSION_1,
  MAX_CONTENT_LENGTH,
  MAX_REQUEST_ID,
  RecordType,
} from "./constants.ts";
import { protocolError } from "./errors.ts";

/** The eight bytes in front of every record (FastCGI 3.3). */
export interface RecordHeader {
  /** The protocol version. Only {@linkcode FCGI_VERSION_1} is accepted. */
  version: number;
  /** A {@linkcode RecordType}, or a number this version of the protocol does not know. */
  type: number;
  /** 0 for management records, 1 to 65,535 for application records. */
  requestId: number;
  /** Bytes of content after the header, 0 to 65,535. */
  contentLength: number;
  /** Bytes of padding after the content, 0 to 255. */
  paddingLength: number;
}

/** One FastCGI record (FastCGI 3.3), without its padding bytes, which have no meaning. */
export interface FastCgiRecord {
  /** A {@linkcode RecordType}, or a number this version of the protocol does not know. */
  type: number;
  /** 0 for management records, 1 to 65,535 for application records. */
  requestId: number;
  /** 0 to 65,535 bytes. A decoder may return a view into the chunk that it read. */
  contentData: Uint8Array;
  /** Padding bytes that follow the content. If absent, the encoder chooses the number. */
  paddingLength?: number | undefined;
}

/** Empty content: a record with it ends its stream (FastCGI 3.3). */
export const NO_CONTENT: Uint8Array = new Uint8Array(0);

/** Bytes of padding that a header can announce. */
const MAX_PADDING_LENGTH = 0xff;

/**
 * Checks what a program takes for a record. Its numbers are checked where they are written.
 *
 * @param task For messages: what can't be done.
 * @throws {TypeError} If it is none.
 */
export function checkRecord(record: FastCgiRecord, task: string): void {
  const { type, contentData } = objectOf(record, task, "a record");
  if (typeof type !== "number") throw unexpected(`${task}: expected the type of the record to be a number`, type);
  checkBytes(contentData, task, "contentData");
}

/** @throws {RangeError | TypeError} If a header can't announce so many bytes of padding. */
export function checkPadding(paddingLength: number): void {
  checkInteger(paddingLength, ENCODE, "paddingLength", 0, MAX_PADDING_LENGTH);
}

const ENCODE = "Cannot encode a record";

/**
 * Writes a record header at `offset` and returns the offset after it. The reserved byte is zero.
 *
 * @throws {RangeError | TypeError} If a number does not fit its field, or there is no room in `target`.
 */
export function encodeRecordHeader(
  target: Uint8Array,
  offset: number,
  type: number,
  requestId: number,
  contentLength: number,
  paddingLength: number,
): number {
  checkHeaderBytes(target, "target", offset, ENCODE);
  return encodeRecordHeaderInto(target, offset, type, requestId, contentLength, paddingLength);
}

/** As {@linkcode encodeRecordHeader}, for a caller that has made room for the header: there is one for each record. */
export function encodeRecordHeaderInto(
  target: Uint8Array,
  offset: number,
  type: number,
  requestId: number,
  contentLength: number,
  paddingLength: number,
): number {
  checkInteger(type, ENCODE, "type", 0, 0xff);
  checkInteger(requestId, ENCODE, "requestId", 0, MAX_REQUEST_ID);
  checkInteger(contentLength, ENCODE, "contentLength", 0, MAX_CONTENT_LENGTH);
  checkPadding(paddingLength);
  target[offset] = FCGI_VERSION_1;
  target[offset + 1] = type;
  target[offset + 2] = requestId >>> 8;
  target[offset + 3] = requestId;
  target[offset + 4] = contentLength >>> 8;
  target[offset + 5] = contentLength;
  target[offset + 6] = paddingLength;
  target[offset + 7] = 0;
  return offset + FCGI_HEADER_LEN;
}

/** Checks that the eight bytes of a header at `offset` are in `bytes`. */
function checkHeaderBytes(bytes: Uint8Array, name: string, offset: number, task: string): void {
  checkBytes(bytes, task, name);
  if (bytes.length < FCGI_HEADER_LEN) {
    throw new RangeError(`${task}: expected ${name} to have at least ${FCGI_HEADER_LEN} bytes, got ${bytes.length}`);
  }
  checkInteger(offset, task, "offset", 0, bytes.length - FCGI_HEADER_LEN);
}

/**
 * Reads the record header at `offset`.
 *
 * @throws {RangeError | TypeError} If there are no eight bytes at `offset`.
 */
export function decodeRecordHeader(bytes: Uint8Array, offset: number): RecordHeader {
  checkHeaderBytes(bytes, "bytes", offset, "Cannot decode a record header");
  return decodeRecordHeaderAt(bytes, offset);
}

/** As {@linkcode decodeRecordHeader}, for a caller that knows that the header is there: there is one for each record. */
export function decodeRecordHeaderAt(bytes: Uint8Array, offset: number): RecordHeader {
  return {
    version: bytes[offset]!,
    type: bytes[offset + 1]!,
    requestId: (bytes[offset + 2]! << 8) | bytes[offset + 3]!,
    contentLength: (bytes[offset + 4]! << 8) | bytes[offset + 5]!,
    paddingLength: bytes[offset + 6]!,
  };
}

/** The body of FCGI_BEGIN_REQUEST (FastCGI 5.1). */
export interface BeginRequestBody {
  /** A {@linkcode Role}, or a number this version of the protocol does not know. */
  role: number;
  /**
   * Whether the web server decides when the connection is closed. If not, the application closes it after the response.
   */
  keepConn: boolean;
}

/** Bytes in the body of FCGI_BEGIN_REQUEST, FCGI_END_REQUEST and FCGI_UNKNOWN_TYPE (FastCGI 8). */
const BODY_LEN = 8;

/**
 * The body of FCGI_BEGIN_REQUEST (FastCGI 5.1).
 *
 * @throws {RangeError | TypeError} If a value does not fit its field.
 */
export function encodeBeginRequestBody(body: BeginRequestBody): Uint8Array {
  const task = "Cannot encode FCGI_BEGIN_REQUEST";
  const { role, keepConn } = objectOf(body, task, "body to be an object");
  checkInteger(role, task, "role", 0, 0xffff);
  checkBoolean(keepConn, task, "keepConn");
  const bytes = new Uint8Array(BODY_LEN);
  encodeBeginRequestBodyInto(body, bytes, 0);
  return bytes;
}

/** As {@linkcode encodeBeginRequestBody}, to `target` at `offset`. The place of the reserved bytes must be zero. */
export function encodeBeginRequestBodyInto(
  { role, keepConn }: BeginRequestBody,
  target: Uint8Array,
  offset: number,
): void {
  target[offset] = role >>> 8;
  target[offset + 1] = role;
  target[offset + 2] = keepConn ? FCGI_KEEP_CONN : 0;
}

/**
 * Reads the body of FCGI_BEGIN_REQUEST. Unknown flags and the reserved bytes are ignored.
 *
 * @param strict Whether a body longer than the eight bytes of the specification is refused.
 * @throws {FastCgiError} `protocol` if it is too short, or too long when `strict`.
 */
export function decodeBeginRequestBody(contentData: Uint8Array, strict = false): BeginRequestBody {
  checkBodyLength(contentData, RecordType.BeginRequest, strict);
  return { role: (contentData[0]! << 8) | contentData[1]!, keepConn: (contentData[2]! & FCGI_KEEP_CONN) !== 0 };
}

/** The body of FCGI_END_REQUEST (FastCGI 5.5). */
export interface EndRequestBody {
  /** What a CGI program would have returned from `exit()`: an unsigned 32-bit number. */
  appStatus: number;
  /** A {@linkcode ProtocolStatus}, or a number this version of the protocol does not know. */
  protocolStatus: number;
}

/**
 * The body of FCGI_END_REQUEST (FastCGI 5.5).
 *
 * @throws {RangeError | TypeError} If a value does not fit its field.
 */
export function encodeEndRequestBody(given: EndRequestBody): Uint8Array {
  const task = "Cannot encode FCGI_END_REQUEST";
  const { appStatus, protocolStatus } = objectOf(given, task, "body to be an object");
  checkAppStatus(appStatus, task);
  checkInteger(protocolStatus, task, "protocolStatus", 0, 0xff);
  const body = new Uint8Array(BODY_LEN);
  body[0] = appStatus >>> 24;
  body[1] = appStatus >>> 16;
  body[2] = appStatus >>> 8;
  body[3] = appStatus;
  body[4] = protocolStatus;
  return body;
}

/**
 * @param task For messages: what can't be done.
 * @throws {RangeError | TypeError} If `value` is no exit status of 32 bits.
 */
export function checkAppStatus(value: unknown, task: string): void {
  // A negative exit status, such as C's exit(-1), has the same 32 bits.
  checkInteger(value, task, "appStatus", -0x8000_0000, 0xffff_ffff);
}

/**
 * Reads the body of FCGI_END_REQUEST. The reserved bytes are not checked, because PHP leaves rubbish in them.
 *
 * @throws {FastCgiError} `protocol` if it is too short.
 */
export function decodeEndRequestBody(contentData: Uint8Array): EndRequestBody {
  checkBodyLength(contentData, RecordType.EndRequest, false);
  return {
    appStatus: ((contentData[0]! << 24) | (contentData[1]! << 16) | (contentData[2]! << 8) | contentData[3]!) >>> 0,
    protocolStatus: contentData[4]!,
  };
}

/**
 * The body of FCGI_UNKNOWN_TYPE (FastCGI 4.2): the type that was not understood.
 *
 * @throws {RangeError | TypeError} If it is no type.
 */
export function encodeUnknownTypeBody(type: number): Uint8Array {
  checkInteger(type, "Cannot encode FCGI_UNKNOWN_TYPE", "type", 0, 0xff);
  const body = new Uint8Array(BODY_LEN);
  body[0] = type;
  return body;
}

/**
 * Reads the body of FCGI_UNKNOWN_TYPE.
 *
 * @throws {FastCgiError} `protocol` if it is too short.
 */
export function decodeUnknownTypeBody(contentData: Uint8Array): number {
  checkBodyLength(contentData, RecordType.UnknownType, false);
  return contentData[0]!;
}

function checkBodyLength(contentData: Uint8Array, type: RecordType, strict: boolean): void {
  checkBytes(contentData, `Cannot read the body of record type ${type}`, "contentData");
  const { length } = contentData;
  if (length < BODY_LEN || (strict && length > BODY_LEN)) {
    throw protocolError(`Cannot read the body of record type ${type}: expected ${BODY_LEN} bytes, got ${length}`);
  }
}
