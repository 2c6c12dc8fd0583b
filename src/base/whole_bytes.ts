import { freeMemory } from "./free_memory.ts";

/** Joins copies of pieces in a buffer that nothing else uses. */
export class WholeBytes {
  readonly #expected: number | null;
  // Its own even if it stays empty: a program may transfer what it gets.
  #buffer: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #length = 0;

  /** @param expected The number of bytes that were announced; null if that is unknown. */
  constructor(expected: number | null) {
    this.#expected = expected;
  }

  /**
   * Copies a piece after the others.
   *
   * @throws {RangeError} If there is no memory for it.
   */
  add(piece: Uint8Array): void {
    const needed = this.#length + piece.length;
    if (needed > this.#buffer.length) this.#grow(needed);
    this.#buffer.set(piece, this.#length);
    this.#length = needed;
  }

  /** Returns the bytes, and drops them. Their buffer is exactly as long. */
  take(): Uint8Array<ArrayBuffer> {
    const bytes = this.#length === this.#buffer.length ? this.#buffer : this.#buffer.slice(0, this.#length);
    this.#buffer = new Uint8Array(0);
    this.#length = 0;
    return bytes;
  }

  /** Makes room: for all that was announced, but not for much more than has come, because the rest may never come. */
  #grow(needed: number): void {
    const length = this.#expected === null ? 2 * needed : Math.max(needed, Math.min(4 * needed, this.#expected));
    const larger = new Uint8Array(length);
    larger.set(this.#buffer.subarray(0, this.#length));
    freeMemory(this.#buffer);
    this.#buffer = larger;
  }
}
