// Bytes → records. A record whose content lies whole in one chunk is a view into that chunk; one that is spread over
// chunks is put together in a buffer of its own, so content is copied at most once. What is kept between chunks is
// bounded by one record, 64 KiB. To keep in step with record_encoder.ts.

import { FCGI_HEADER_LEN, FCGI_NULL_REQUEST_ID, FCGI_VERSION_1, RecordType } from "../protocol/constants.ts";
import { FastCgiError, protocolError } from "../protocol/errors.ts";
import { decodeRecordHeader, type FastCgiRecord, NO_CONTENT, type RecordHeader } from "../protocol/record.ts";
import type { Stage, StageController } from "./stage.ts";

/** Options of a {@linkcode RecordDecoder}. */
export interface RecordDecoderOptions {
  /**
   * Whether content of FCGI_STDIN, FCGI_DATA, FCGI_STDOUT and FCGI_STDERR that comes in several chunks comes out in as many records,
   * each a view into its chunk, instead of being put together. In a stream it is of no matter where records begin.
   *
   * @default {false}
   */
  splitStreams?: boolean;
}

/** Sans-IO stage: bytes, cut anywhere, → records (FastCGI 3.3). Padding is skipped, whatever it holds. */
export class RecordDecoder implements Stage<Uint8Array, FastCgiRecord> {
  /** The start of a header that was cut. */
  #headerBytes = NO_CONTENT;
  #headerFilled = 0;
  /** The record whose content is being put together. */
  #header: RecordHeader | null = null;
  #content = NO_CONTENT;
  #contentFilled = 0;
  /** Padding bytes still to come. */
  #paddingLeft = 0;
  /** The record whose content is passed on as it comes, and the bytes of it still to come. */
  #split: RecordHeader | null = null;
  #splitLeft = 0;
  readonly #splitStreams: boolean;
  #dead: FastCgiError | null = null;

  constructor({ splitStreams = false }: RecordDecoderOptions = {}) {
    this.#splitStreams = splitStreams;
  }

  /** Whether the input so far ends with a record and its padding. */
  get isBetweenRecords(): boolean {
    return this.#headerFilled === 0 && this.#header === null && this.#split === null && this.#paddingLeft === 0;
  }

  /**
   * Takes bytes, and gives every record that is whole with them.
   *
   * @throws {FastCgiError} `protocol` if a record is of another version. The decoder is dead then: without a known header
   * nothing says where the next record begins.
   */
  transform(chunk: Uint8Array, controller: StageController<FastCgiRecord>): void {
    if (this.#dead !== null) throw this.#dead;
    const { length } = chunk;
    let offset = 0;
    while (offset < length) {
      if (this.#paddingLeft > 0) {
        const skipped = Math.min(this.#paddingLeft, length - offset);
        this.#paddingLeft -= skipped;
        offset += skipped;
      } else if (this.#header !== null) {
        offset = this.#fillContent(chunk, offset, controller);
      } else if (this.#split !== null) {
        offset = this.#passOn(this.#split, chunk, offset, controller);
      } else if (this.#headerFilled > 0 || length - offset < FCGI_HEADER_LEN) {
        offset = this.#fillHeader(chunk, offset);
        if (this.#headerFilled === FCGI_HEADER_LEN) {
          this.#headerFilled = 0;
          offset = this.#startRecord(decodeRecordHeader(this.#headerBytes, 0), chunk, offset, controller);
        }
      } else {
        const header = decodeRecordHeader(chunk, offset);
        offset = this.#startRecord(header, chunk, offset + FCGI_HEADER_LEN, controller);
      }
    }
  }

  /**
   * Takes the end of the input.
   *
   * @throws {FastCgiError} `connectionClosed` if the input ended inside a record. Missing padding is nothing lost.
   */
  flush(): void {
    if (this.#dead !== null) throw this.#dead;
    if (this.#headerFilled > 0 || this.#header !== null || this.#split !== null) {
      const at = this.#headerFilled > 0 ? "header" : "content";
      this.#dead = new FastCgiError("connectionClosed", `Cannot decode a record: the input ended inside its ${at}`);
      throw this.#dead;
    }
  }

  #fillHeader(chunk: Uint8Array, offset: number): number {
    if (this.#headerFilled === 0) this.#headerBytes = new Uint8Array(FCGI_HEADER_LEN);
    const end = Math.min(chunk.length, offset + FCGI_HEADER_LEN - this.#headerFilled);
    this.#headerBytes.set(chunk.subarray(offset, end), this.#headerFilled);
    this.#headerFilled += end - offset;
    // A peer that speaks something else may say little and wait.
    this.#checkVersion(this.#headerBytes[0]!);
    return end;
  }

  #startRecord(
    header: RecordHeader,
    chunk: Uint8Array,
    offset: number,
    controller: StageController<FastCgiRecord>,
  ): number {
    this.#checkVersion(header.version);
    const end = offset + header.contentLength;
    if (end <= chunk.length) {
      this.#emit(header, chunk.subarray(offset, end), controller);
      return end;
    }
    if (this.#splitStreams && isStream(header)) {
      this.#split = header;
      this.#splitLeft = header.contentLength;
      return this.#passOn(header, chunk, offset, controller);
    }
    this.#header = header;
    this.#content = new Uint8Array(header.contentLength);
    this.#contentFilled = chunk.length - offset;
    this.#content.set(chunk.subarray(offset));
    return chunk.length;
  }

  #fillContent(chunk: Uint8Array, offset: number, controller: StageController<FastCgiRecord>): number {
    const end = Math.min(chunk.length, offset + this.#content.length - this.#contentFilled);
    this.#content.set(chunk.subarray(offset, end), this.#contentFilled);
    this.#contentFilled += end - offset;
    if (this.#contentFilled === this.#content.length) {
      const header = this.#header!;
      this.#header = null;
      this.#emit(header, this.#content, controller);
      this.#content = NO_CONTENT;
    }
    return end;
  }

  #passOn(header: RecordHeader, chunk: Uint8Array, offset: number, controller: StageController<FastCgiRecord>): number {
    const end = Math.min(chunk.length, offset + this.#splitLeft);
    const { type, requestId, paddingLength } = header;
    this.#splitLeft -= end - offset;
    if (this.#splitLeft === 0) {
      this.#split = null;
      this.#paddingLeft = paddingLength;
    }
    // A record without content would be the end of the stream.
    if (offset < end)
      controller.enqueue({ type, requestId, contentData: chunk.subarray(offset, end), paddingLength: 0 });
    return end;
  }

  #checkVersion(version: number): void {
    if (version === FCGI_VERSION_1) return;
    this.#dead = protocolError(
      `Cannot decode a record: expected version ${FCGI_VERSION_1}, got ${version} (is the peer speaking FastCGI?)`,
    );
    throw this.#dead;
  }

  #emit(header: RecordHeader, contentData: Uint8Array, controller: StageController<FastCgiRecord>): void {
    this.#paddingLeft = header.paddingLength;
    const { type, requestId, paddingLength } = header;
    controller.enqueue({ type, requestId, contentData, paddingLength });
  }
}

/** Whether a record is a part of a stream. With request id 0 it is a management record of a type that is none, and gets one answer. */
function isStream({ type, requestId }: RecordHeader): boolean {
  if (requestId === FCGI_NULL_REQUEST_ID) return false;
  switch (type) {
    case RecordType.Stdin:
    case RecordType.Data:
    case RecordType.Stdout:
    case RecordType.Stderr:
      return true;
    default:
      return false;
  }
}
