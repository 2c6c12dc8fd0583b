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
  const { type, requestId, contentData } = record;
  const contentLength = contentData.length;
  const paddingLength = record.paddingLength ?? defaultPadding(type, contentLength);
  check("type", type, 0xff);
  check("requestId", requestId, MAX_REQUEST_ID);
  check("contentLength", contentLength, MAX_CONTENT_LENGTH);
  check("paddingLength", paddingLength, MAX_PADDING_LENGTH);
  const start = encodeRecordHeader(target, offset, type, requestId, contentLength, paddingLength);
  target.set(contentData, start);
  return start + contentLength + paddingLength;
}

function check(field: string, value: number, max: number): void {
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw new RangeError(`Cannot encode a record: ${field} must be an integer from 0 to ${max}, got ${value}`);
  }
}

/** Several records as one piece of bytes. */
export function encodeRecords(records: readonly FastCgiRecord[]): Uint8Array {
  let length = 0;
  for (const record of records) length += encodedRecordLength(record);
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const record of records) offset = encodeRecordInto(record, bytes, offset);
  return bytes;
}

/** Sans-IO stage: records → bytes (FastCGI 3.3), one chunk a record, so that no other write can come between. */
export class RecordEncoder implements Stage<FastCgiRecord, Uint8Array> {
  transform(record: FastCgiRecord, controller: StageController<Uint8Array>): void {
    controller.enqueue(encodeRecords([record]));
  }

  flush(): void {}
}

/** {@linkcode RecordEncoder} as a TransformStream. */
export class RecordEncoderStream extends TransformStream<FastCgiRecord, Uint8Array> {
  constructor() {
    super(new RecordEncoder());
  }
}
