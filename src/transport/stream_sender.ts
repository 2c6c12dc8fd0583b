import { MAX_SENT_CONTENT_LENGTH, RecordType } from "../protocol/constants.ts";
import { type ByteReader, type ByteSource, readerOf } from "./byte_source.ts";
import type { RecordWriter } from "./record_writer.ts";

/**
 * Sends one stream of a request as records, without its end. Waits for each record before giving the next; the last one is
 * not waited for, so that what follows it can leave with it.
 */
export class StreamSender {
  readonly #writer: RecordWriter;
  readonly #type: number;
  readonly #requestId: number;
  #reader: ByteReader | null = null;
  readonly #maxLength: number;
  #pending: Promise<void> | null = null;
  #stopped = false;
  #reason: unknown;
  #sent = 0;

  constructor(writer: RecordWriter, type: number, requestId: number) {
    this.#writer = writer;
    this.#type = type;
    this.#requestId = requestId;
    // FCGI_STDERR is always padded, by up to eight bytes.
    this.#maxLength = type === RecordType.Stderr ? MAX_SENT_CONTENT_LENGTH - 8 : MAX_SENT_CONTENT_LENGTH;
  }

  /** Bytes given to the writer. */
  get sent(): number {
    return this.#sent;
  }

  /** Sends `source` to its end, or until {@linkcode StreamSender.stop}. Rejects if reading or writing fails. */
  async send(source: ByteSource): Promise<void> {
    if (source instanceof Uint8Array) return this.#sendBytes(source);
    const reader = readerOf(source);
    if (this.#stopped) return reader.cancel(this.#reason);
    this.#reader = reader;
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done || this.#stopped) return;
        await this.#sendBytes(value!);
      }
    } catch (error) {
      // Nobody will read the rest. The source may be what failed; then cancelling says nothing new.
      reader.cancel(error).catch(() => {});
      throw error;
    } finally {
      this.#reader = null;
    }
  }

  /** Sends nothing more, and cancels what is being read. */
  stop(reason: unknown): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#reason = reason;
    this.#reader?.cancel(reason).catch(() => {});
  }

  async #sendBytes(bytes: Uint8Array): Promise<void> {
    if (!(bytes instanceof Uint8Array)) throw new TypeError(`Cannot send ${typeof bytes}: expected a Uint8Array`);
    for (let start = 0; start < bytes.length; start += this.#maxLength) {
      if (this.#pending !== null) await this.#pending;
      if (this.#stopped) return;
      const contentData = bytes.subarray(start, start + this.#maxLength);
      this.#sent += contentData.length;
      this.#pending = this.#writer.write({ type: this.#type, requestId: this.#requestId, contentData });
    }
  }
}
