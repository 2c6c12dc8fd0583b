import { decodeRecordHeader, FCGI_HEADER_LEN, FCGI_VERSION_1 } from "../../src/toolkit.ts";

/** Collects what the decoder drops of record headers. */
export class HeaderBytes {
  readonly #header = new Uint8Array(FCGI_HEADER_LEN);
  #filled = 0;
  /** Bytes left before the next header. */
  #left = 0;
  /** The reserved byte of every header so far. */
  readonly reserved: number[] = [];
  /** The first version that is not 1; null if all were. */
  otherVersion: number | null = null;

  /** Takes the next bytes of a connection. */
  push(chunk: Uint8Array): void {
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#left > 0) {
        const skipped = Math.min(this.#left, chunk.length - offset);
        this.#left -= skipped;
        offset += skipped;
        continue;
      }
      this.#header[this.#filled++] = chunk[offset++]!;
      if (this.#header[0] !== FCGI_VERSION_1) this.otherVersion ??= this.#header[0]!;
      if (this.#filled < FCGI_HEADER_LEN) continue;
      const { contentLength, paddingLength } = decodeRecordHeader(this.#header, 0);
      this.reserved.push(this.#header[FCGI_HEADER_LEN - 1]!);
      this.#left = contentLength + paddingLength;
      this.#filled = 0;
    }
  }
}
