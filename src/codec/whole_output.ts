// A small response that is complete. It is encoded once, with its records, straight into the block that is written: to
// encode it for itself, then as records, and to gather these in a batch would be a tenth of a small exchange.

import { encodeByteStringInto } from "../protocol/byte_string.ts";
import { FCGI_HEADER_LEN, RecordType } from "../protocol/constants.ts";
import { encodeRecordHeaderInto } from "../protocol/record.ts";
import { allocateFor, MAX_BLOCK_SHARE } from "./block.ts";
import type { ByteBlob } from "./byte_source.ts";
import { streamOfSources } from "./stream_of.ts";

/** The records besides FCGI_STDOUT's content: its header, its end, and FCGI_END_REQUEST, whose body is as long as a header. */
const RECORDS_LENGTH = 4 * FCGI_HEADER_LEN;

/** The most bytes of a {@linkcode WholeOutput}. */
export const MAX_WHOLE_LENGTH: number = MAX_BLOCK_SHARE - RECORDS_LENGTH;

/** The whole of FCGI_STDOUT, which fits a block with its records. For all other code it is a Blob of its bytes. */
export class WholeOutput implements ByteBlob {
  readonly #text: string;
  readonly #pieces: readonly Uint8Array[];
  readonly size: number;

  /**
   * @param text What comes first, as a byte string.
   * @param pieces What follows. All is not longer than {@linkcode MAX_WHOLE_LENGTH}, and not empty.
   */
  constructor(text: string, pieces: readonly Uint8Array[]) {
    this.#text = text;
    this.#pieces = pieces;
    this.size = pieces.reduce((length, piece) => length + piece.length, text.length);
  }

  /** All bytes. */
  get bytes(): Uint8Array {
    const bytes = new Uint8Array(this.size);
    this.#encodeInto(bytes, 0);
    return bytes;
  }

  stream(): ReadableStream<Uint8Array> {
    return streamOfSources([this.bytes]);
  }

  /**
   * The records of a response of these bytes, to its end (FastCGI 5.5, 6.2).
   *
   * @throws {TypeError} If a character of the text is not a byte, or there are not as many bytes as before.
   */
  encodeResponse(requestId: number): Uint8Array {
    const length = RECORDS_LENGTH + this.size;
    return allocateFor((target, start) => {
      // Stryker disable next-line EqualityOperator: what would just fit goes into the next block
      if (start + length > target.length) return null;
      // Not padded, as in StreamSender.
      let offset = encodeRecordHeaderInto(target, start, RecordType.Stdout, requestId, this.size, 0);
      offset = this.#encodeInto(target, offset);
      offset = encodeRecordHeaderInto(target, offset, RecordType.Stdout, requestId, 0, 0);
      offset = encodeRecordHeaderInto(target, offset, RecordType.EndRequest, requestId, FCGI_HEADER_LEN, 0);
      // The exit status 0 and FCGI_REQUEST_COMPLETE, which is 0 too, are there already.
      return offset + FCGI_HEADER_LEN;
    })!;
  }

  #encodeInto(target: Uint8Array, start: number): number {
    let offset = encodeByteStringInto(this.#text, target, start);
    for (const piece of this.#pieces) {
      target.set(piece, offset);
      offset += piece.length;
    }
    // The length is in the header already. A buffer that a program has resized since would make what follows a part of
    // this body.
    const length = offset - start;
    if (length !== this.size) throw new TypeError(`Cannot send a response: expected ${this.size} bytes, got ${length}`);
    return offset;
  }
}
