// Records → bytes. To keep in step with record_decoder.ts.

import { unexpected } from "../base/unexpected.ts";
import { FCGI_HEADER_LEN, RecordType } from "../protocol/constants.ts";
import { checkPadding, checkRecord, encodeRecordHeaderInto, type FastCgiRecord } from "../protocol/record.ts";
import { allocate } from "./block.ts";
import { MIN_UNCOPIED_LENGTH } from "./copying.ts";
import type { Stage, StageController } from "./stage.ts";

/**
 * The padding that ends a record on a multiple of eight bytes, as FastCGI 3.3 recommends. FCGI_STDERR always has
 * padding: HAProxy 2.6 dies of an unpadded FCGI_STDERR record that is alone in its buffer.
 */
function defaultPadding(type: number, contentLength: number): number {
  const padding = -contentLength & 7;
  return padding === 0 && type === RecordType.Stderr && contentLength > 0 ? 8 : padding;
}

/** The number of bytes that `record` takes on the wire. */
export function encodedRecordLength({ type, contentData, paddingLength }: FastCgiRecord): number {
  const contentLength = contentData.length;
  return FCGI_HEADER_LEN + contentLength + (paddingLength ?? defaultPadding(type, contentLength));
}

/**
 * Writes `record` to `target` at `offset` and returns the offset after it. The padding's place in `target` must be
 * zero.
 *
 * @throws {RangeError} If a number does not fit its field. Content is never cut: bytes beyond the length would be read
 * as the next record.
 */
export function encodeRecordInto(record: FastCgiRecord, target: Uint8Array, offset: number): number {
  const { type, requestId, contentData } = record;
  const { length } = contentData;
  const paddingLength = record.paddingLength ?? defaultPadding(type, length);
  const start = encodeRecordHeaderInto(target, offset, type, requestId, length, paddingLength);
  if (length > 0) target.set(contentData, start);
  return start + length + paddingLength;
}

/**
 * Encodes several records as one piece.
 *
 * @throws {TypeError} If they are not an array of records.
 * @throws {RangeError} If a number does not fit its field.
 */
export function encodeRecords(records: readonly FastCgiRecord[]): Uint8Array {
  if (!Array.isArray(records)) throw unexpected("Cannot encode records: expected records to be an array", records);
  for (const record of records) {
    checkRecord(record, "Cannot encode records");
    // Before the lengths are added up.
    checkPadding(record.paddingLength ?? 0);
  }
  const length = encodedLength(records, 0, records.length);
  return encodeTogether(records, 0, records.length, new Uint8Array(length));
}

/** Encodes records as pieces, in order: large content as it is, everything between joined. */
export function encodePieces(records: readonly FastCgiRecord[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let first = 0;
  const encodeBefore = (end: number): void => {
    if (first === end) return;
    pieces.push(encodeTogether(records, first, end, allocate(encodedLength(records, first, end))));
  };
  for (let index = 0; index < records.length; index++) {
    const record = records[index]!;
    const { contentData } = record;
    if (contentData.length < MIN_UNCOPIED_LENGTH) continue;
    encodeBefore(index);
    first = index + 1;
    const paddingLength = encodedRecordLength(record) - FCGI_HEADER_LEN - contentData.length;
    pieces.push(encodeHeader(record, paddingLength), contentData);
    if (paddingLength > 0) pieces.push(new Uint8Array(paddingLength));
  }
  encodeBefore(records.length);
  return pieces;
}

function encodedLength(records: readonly FastCgiRecord[], start: number, end: number): number {
  let length = 0;
  for (let index = start; index < end; index++) length += encodedRecordLength(records[index]!);
  return length;
}

/** Writes some of the records to `target`, which is as long as they are. */
function encodeTogether(records: readonly FastCgiRecord[], start: number, end: number, target: Uint8Array): Uint8Array {
  let offset = 0;
  for (let index = start; index < end; index++) offset = encodeRecordInto(records[index]!, target, offset);
  return target;
}

function encodeHeader({ type, requestId, contentData }: FastCgiRecord, paddingLength: number): Uint8Array {
  const header = new Uint8Array(FCGI_HEADER_LEN);
  encodeRecordHeaderInto(header, 0, type, requestId, contentData.length, paddingLength);
  return header;
}

/** Sans-IO stage: records → bytes (FastCGI 3.3), one chunk a record, so that no other write can come between. */
export class RecordEncoder implements Stage<FastCgiRecord, Uint8Array> {
  transform(record: FastCgiRecord, controller: StageController<Uint8Array>): void {
    controller.enqueue(encodeRecords([record]));
  }

  flush(): void {}
}
