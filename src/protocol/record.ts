import { FCGI_HEADER_LEN, FCGI_KEEP_CONN, FCGI_VERSION_1, RecordType } from "./constants.ts";
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

/** Writes a record header at `offset` and returns the offset after it. The reserved byte is zero. */
export function encodeRecordHeader(
  target: Uint8Array,
  offset: number,
  type: number,
  requestId: number,
  contentLength: number,
  paddingLength: number,
): number {
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

/** Reads the record header at `offset`. The caller checks that there are eight bytes. */
export function decodeRecordHeader(bytes: Uint8Array, offset: number): RecordHeader {
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

/** The body of FCGI_BEGIN_REQUEST (FastCGI 5.1). */
export function encodeBeginRequestBody(body: BeginRequestBody): Uint8Array {
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

/** The body of FCGI_END_REQUEST (FastCGI 5.5). */
export function encodeEndRequestBody({ appStatus, protocolStatus }: EndRequestBody): Uint8Array {
  const body = new Uint8Array(BODY_LEN);
  body[0] = appStatus >>> 24;
  body[1] = appStatus >>> 16;
  body[2] = appStatus >>> 8;
  body[3] = appStatus;
  body[4] = protocolStatus;
  return body;
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

/** The body of FCGI_UNKNOWN_TYPE (FastCGI 4.2): the type that was not understood. */
export function encodeUnknownTypeBody(type: number): Uint8Array {
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
  const { length } = contentData;
  if (length < BODY_LEN || (strict && length > BODY_LEN)) {
    throw protocolError(`Cannot read the body of record type ${type}: expected ${BODY_LEN} bytes, got ${length}`);
  }
}
