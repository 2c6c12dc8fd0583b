const NOTHING: Uint8Array = new Uint8Array(0);

/**
 * Joins pieces of bytes. The buffer doubles when it is full, so that many small pieces are not copied again for each. A
 * single piece is returned as it is, not copied.
 */
export class GrowingBytes {
  #buffer: Uint8Array = NOTHING;
  #length = 0;

  /** The number of bytes added so far. */
  get length(): number {
    return this.#length;
  }

  /** The bytes added so far. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Adds a piece after the others. */
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

  /** Returns the bytes, and drops them. */
  take(): Uint8Array {
    const { bytes } = this;
    this.#buffer = NOTHING;
    this.#length = 0;
    return bytes;
  }
}
