import { NO_CONTENT } from "../../protocol/record.ts";

/**
 * Bytes that come piece by piece and are wanted as one. Pieces may be single bytes, so nothing is copied again for each: the buffer
 * doubles. A single piece is that piece, not a copy.
 */
export class GrowingBytes {
  #buffer: Uint8Array = NO_CONTENT;
  #length = 0;

  /** Bytes added. */
  get length(): number {
    return this.#length;
  }

  /** What was added, until more is. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Adds a piece behind the others. */
  add(piece: Uint8Array): void {
    const needed = this.#length + piece.length;
    if (this.#length === 0) {
      this.#buffer = piece;
    } else {
      if (needed > this.#buffer.length) {
        const larger = new Uint8Array(needed * 2);
        larger.set(this.bytes);
        this.#buffer = larger;
      }
      this.#buffer.set(piece, this.#length);
    }
    this.#length = needed;
  }
}
