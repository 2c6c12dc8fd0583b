// FCGI_STDERR of one request: few bytes, often in tiny records, that the program may read later. So all of it is kept
// in one buffer, where a record costs only its bytes: a queue of one-byte records would need hundreds of times as much
// memory.

import { byteStringToUtf8, decodeByteString } from "../protocol/byte_string.ts";
import { NO_CONTENT } from "../protocol/record.ts";

/** The first size of the buffer: an error message is seldom longer. */
const FIRST_BYTES = 1024;

/** Keeps the first bytes of a stream, and returns them as text and as a stream. */
export class StderrBuffer {
  readonly #maxBytes: number;
  #buffer: Uint8Array = NO_CONTENT;
  #length = 0;
  #isTruncated = false;
  #state: "open" | "ended" | "cancelled" = "open";
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
    return byteStringToUtf8(decodeByteString(this.#buffer.subarray(0, this.#length)));
  }

  /** Adds `content`. Returns the number of its bytes that were kept: all, unless there is no room. */
  push(content: Uint8Array): number {
    const kept = Math.min(content.length, this.#maxBytes - this.#length);
    if (kept < content.length) this.#isTruncated = true;
    if (kept === 0) return 0;
    const needed = this.#length + kept;
    if (needed > this.#buffer.length) {
      const larger = new Uint8Array(Math.min(this.#maxBytes, Math.max(FIRST_BYTES, 2 * needed)));
      larger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = larger;
    }
    this.#buffer.set(content.subarray(0, kept), this.#length);
    this.#length = needed;
    this.#wake();
    return kept;
  }

  /** Ends the stream. */
  end(): void {
    if (this.#state === "open") this.#state = "ended";
    this.#wake();
  }

  /** What was kept, as a ReadableStream that is made on first use. Each piece is everything since the last one. */
  get stream(): ReadableStream<Uint8Array> {
    this.#stream ??= new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          while (this.#given === this.#length && this.#state === "open") {
            await new Promise<void>((resolve) => {
              this.#wake = resolve;
            });
          }
          if (this.#state === "cancelled") return;
          if (this.#given === this.#length) return controller.close();
          const piece = this.#buffer.slice(this.#given, this.#length);
          this.#given = this.#length;
          controller.enqueue(piece);
        },
        cancel: () => {
          this.#state = "cancelled";
          this.#wake();
        },
      },
      { highWaterMark: 0 },
    );
    return this.#stream;
  }
}
