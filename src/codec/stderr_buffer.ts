// FCGI_STDERR of one request: few bytes, often in tiny records, that the program may read later. So all of it is kept
// in one buffer, where a record costs only its bytes: a queue of one-byte records would need hundreds of times as much
// memory.

import { GrowingBytes } from "../base/growing_bytes.ts";
import { decodeUtf8 } from "../protocol/byte_string.ts";
import { type ByteReader, type ByteReadResult, END_OF_BYTES } from "./byte_source.ts";
import { streamOf } from "./stream_of.ts";

/** Keeps the first bytes of a stream, and returns them as text and as a stream. */
export class StderrBuffer implements ByteReader {
  readonly #maxBytes: number;
  readonly #kept = new GrowingBytes();
  #isTruncated = false;
  #isOver = false;
  #stream: ReadableStream<Uint8Array> | null = null;
  /** The number of bytes that the stream has emitted. */
  #given = 0;
  #wake = (): void => {};

  /** @param maxBytes The most bytes kept. The rest is dropped. */
  constructor(maxBytes: number) {
    this.#maxBytes = Math.floor(maxBytes);
  }

  /** Whether anything was dropped. */
  get isTruncated(): boolean {
    return this.#isTruncated;
  }

  /** All that was kept, as text. Bytes that are not UTF-8 become U+FFFD. */
  get text(): string {
    return decodeUtf8(this.#kept.bytes);
  }

  /** Adds `content`. Returns the number of its bytes that were kept: all, unless there is no room. */
  push(content: Uint8Array): number {
    const kept = content.subarray(0, this.#maxBytes - this.#kept.length);
    if (kept.length < content.length) this.#isTruncated = true;
    // A copy, because the first piece is kept as it is, and the chunk that it is a part of would stay in memory.
    this.#kept.add(new Uint8Array(kept));
    this.#wake();
    return kept.length;
  }

  /** Ends the stream. */
  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  /** What was kept, as a ReadableStream that is made on first use. Each piece is everything since the last one. */
  get stream(): ReadableStream<Uint8Array> {
    this.#stream ??= streamOf(this);
    return this.#stream;
  }

  async read(): Promise<ByteReadResult> {
    while (this.#given === this.#kept.length && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#given === this.#kept.length) return END_OF_BYTES;
    const value = new Uint8Array(this.#kept.bytes.subarray(this.#given));
    this.#given = this.#kept.length;
    return { done: false, value };
  }

  cancel(): void {
    this.#given = this.#kept.length;
    this.end();
  }
}
