// Records → bytes. To keep in step with record_decoder.ts.

import { FCGI_HEADER_LEN, MAX_CONTENT_LENGTH, MAX_REQUEST_ID, RecordType } from "../protocol/constants.ts";
import { encodeRecordHeader, type FastCgiRecord } from "../protocol/record.ts";
import type { Stage, StageController } from "./stage.ts";

const MAX_PADDING_LENGTH = 0xff;

/**
 * Padding that ends a record on a multiple of eight bytes, as FastCGI 3.3 recommends. FCGI_STDERR always gets some:
 * HAProxy 2.6 dies of an unpadded FCGI_STDERR record that is alone in its buffer.
 */
function defaultPadding(type: number, contentLength: number): number {
  const padding = -contentLength & 7;
  return padding === 0 && type === RecordType.Stderr && contentLength > 0 ? 8 : padding;
}

/** Bytes that `record` takes on the wire. */
export function encodedRecordLength({ type, contentData, paddingLength }: FastCgiRecord): number {
  const contentLength = contentData.length;
  return FCGI_HEADER_LEN + contentLength + (paddingLength ?? defaultPadding(type, contentLength));
}

/**
 * Writes `record` to `target` at `offset` and returns the offset behind it. `target` is zero where the padding goes.
 *
 * @throws {RangeError} If a number does not fit its field. Nothing is ever cut to fit: what does not fit the length would
 * be read as the next record.
 */
export function encodeRecordInto(record: FastCgiRecord, target: Uint8Array, offset: number): number {
  const { type, contentData } = record;
  const { length } = contentData;
  const paddingLength = record.paddingLength ?? defaultPadding(type, length);
  const start = encodeHeaderInto(record, paddingLength, target, offset);
  if (length > 0) target.set(contentData, start);
  return start + length + paddingLength;
}

function encodeHeaderInto(
  { type, requestId, contentData }: FastCgiRecord,
  paddingLength: number,
  target: Uint8Array,
  offset: number,
): number {
  check("type", type, 0xff);
  check("requestId", requestId, MAX_REQUEST_ID);
  check("contentLength", contentData.length, MAX_CONTENT_LENGTH);
  check("paddingLength", paddingLength, MAX_PADDING_LENGTH);
  return encodeRecordHeader(target, offset, type, requestId, contentData.length, paddingLength);
}

function check(field: string, value: number, max: number): void {
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw new RangeError(`Cannot encode a record: ${field} must be an integer from 0 to ${max}, got ${value}`);
  }
}

/** Several records as one piece of bytes. */
export function encodeRecords(records: readonly FastCgiRecord[]): Uint8Array {
  return encodeTogether(records);
}

/** Content of this size is cheaper to write as a piece of its own than to copy. */
export const MIN_UNCOPIED_LENGTH: number = 16 * 1024;

/** A record, or records as bytes already. */
export type Encodable = FastCgiRecord | Uint8Array;

/** Bytes that `item` takes on the wire. */
export function encodedLength(item: Encodable): number {
  return item instanceof Uint8Array ? item.length : encodedRecordLength(item);
}

/** The items as pieces of bytes, one behind the other: large content as it is, what lies between put together. */
export function encodePieces(items: readonly Encodable[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let first = 0;
  for (let index = 0; index < items.length; index++) {
    const item = items[index]!;
    const content = item instanceof Uint8Array ? item : item.contentData;
    if (content.length < MIN_UNCOPIED_LENGTH) continue;
    if (first < index) pieces.push(encodeTogether(items.slice(first, index)));
    first = index + 1;
    if (item instanceof Uint8Array) {
      pieces.push(item);
      continue;
    }
    const paddingLength = encodedRecordLength(item) - FCGI_HEADER_LEN - content.length;
    pieces.push(encodeHeader(item, paddingLength), content);
    if (paddingLength > 0) pieces.push(new Uint8Array(paddingLength));
  }
  if (first < items.length) pieces.push(encodeTogether(first === 0 ? items : items.slice(first)));
  return pieces;
}

function encodeTogether(items: readonly Encodable[]): Uint8Array {
  if (items.length === 1 && items[0] instanceof Uint8Array) return items[0];
  let length = 0;
  for (const item of items) length += encodedLength(item);
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const item of items) {
    if (item instanceof Uint8Array) {
      bytes.set(item, offset);
      offset += item.length;
    } else {
      offset = encodeRecordInto(item, bytes, offset);
    }
  }
  return bytes;
}

function encodeHeader(record: FastCgiRecord, paddingLength: number): Uint8Array {
  const header = new Uint8Array(FCGI_HEADER_LEN);
  encodeHeaderInto(record, paddingLength, header, 0);
  return header;
}

/** Sans-IO stage: records → bytes (FastCGI 3.3), one chunk a record, so that no other write can come between. */
export class RecordEncoder implements Stage<FastCgiRecord, Uint8Array> {
  transform(record: FastCgiRecord, controller: StageController<Uint8Array>): void {
    controller.enqueue(encodeRecords([record]));
  }

  flush(): void {}
}
