import { MAX_SENT_CONTENT_LENGTH, nameOf, RecordType } from "../protocol/constants.ts";
import { type ByteReader, type ByteSource, cancelSource, chunkOf, readerOf } from "./byte_source.ts";
import type { RecordSink, WrittenRecords } from "./record_sink.ts";

/**
 * The number of full records of one piece that are sent as one write if no other stream waits for its turn: the bytes
 * are in memory anyway.
 */
const MAX_RECORDS_AHEAD = 4;

/**
 * Sends one stream of a request as records, without its end. After each full record that it has given the sink, it
 * waits until the sink has sent it; inside a large piece it waits after every fourth record if no other stream writes.
 * It does not wait for the last records, so that the records after them can be sent with them.
 */
export class StreamSender {
  readonly #sink: RecordSink;
  readonly #type: number;
  readonly #requestId: number;
  #reader: ByteReader | null = null;
  readonly #maxLength: number;
  /** None for FCGI_STDOUT; undefined leaves the choice to the encoder. */
  readonly #paddingLength: number | undefined;
  /** The last records that were given to the sink; null before the first. */
  #pending: WrittenRecords | null = null;
  /** The number of bytes given since the last wait. */
  #ahead = 0;
  #stopped = false;
  #reason: unknown;
  #sent = 0;

  constructor(sink: RecordSink, type: number, requestId: number) {
    this.#sink = sink;
    this.#type = type;
    this.#requestId = requestId;
    // If padding follows a header that is alone in its record, nginx without buffering keeps the header back until the
    // body begins.
    this.#paddingLength = type === RecordType.Stdout ? 0 : undefined;
    // FCGI_STDERR is always padded, by up to eight bytes.
    this.#maxLength = type === RecordType.Stderr ? MAX_SENT_CONTENT_LENGTH - 8 : MAX_SENT_CONTENT_LENGTH;
  }

  /** For messages: `stdin`, `data`, `stdout` or `stderr`. */
  get #name(): string {
    return nameOf(RecordType, this.#type).toLowerCase();
  }

  /** The number of bytes given to the sink. */
  get sent(): number {
    return this.#sent;
  }

  /** The most of them that the sink may still have to send. */
  get ahead(): number {
    return this.#ahead;
  }

  /** Sends `source` to its end, or until {@linkcode StreamSender.stop}. Rejects if reading or writing fails. */
  async send(source: ByteSource): Promise<void> {
    // Checked when their turn comes: they may have waited for another source.
    await (source instanceof Uint8Array ? this.#sendBytes(chunkOf(source, this.#name)) : this.#sendStream(source));
  }

  /** Sends nothing more, and cancels what is being read. */
  stop(reason: unknown): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#reason = reason;
    void cancelSource(this.#reader, reason);
  }

  async #sendStream(source: Exclude<ByteSource, Uint8Array>): Promise<void> {
    if (this.#stopped) {
      void cancelSource(source, this.#reason);
      return;
    }
    const reader = readerOf(source);
    this.#reader = reader;
    // Once, not for each piece: making the name takes as long as sending a small piece.
    const name = this.#name;
    try {
      for (;;) {
        const result = reader.read();
        // Stryker disable next-line ConditionalExpression,StringLiteral: a result can be awaited as well, in more turns
        const { done, value } = "done" in result ? result : await result;
        if (done || this.#stopped) return;
        const sending = this.#sendBytes(chunkOf(value, name));
        // Stryker disable next-line ConditionalExpression: undefined can be awaited as well, in more turns
        if (sending !== undefined) await sending;
      }
    } catch (error) {
      // The rest will not be read. If the source itself failed, cancelling it does no harm.
      void cancelSource(reader, error);
      throw error;
    } finally {
      this.#reader = null;
    }
  }

  /** Returns a promise only if there is something to wait for, because most pieces are small. */
  #sendBytes(bytes: Uint8Array): Promise<void> | undefined {
    if (bytes.length === 0 || this.#stopped) return undefined;
    if (this.#ahead >= this.#maxLength || bytes.length > this.#maxLength) return this.#sendRecords(bytes);
    this.#sendRecord(bytes);
    return undefined;
  }

  async #sendRecords(bytes: Uint8Array): Promise<void> {
    const total = bytes.length;
    const length = this.#recordLength(total);
    let limit = this.#maxLength;
    for (let start = 0; start < total; start += length) {
      if (this.#ahead >= limit) {
        await this.#pending!.taken;
        this.#ahead = 0;
      }
      if (this.#stopped) return;
      // The program may have transferred their buffer meanwhile.
      if (bytes.length !== total) {
        throw new TypeError(`Cannot send ${this.#name}: expected ${total} bytes, got ${bytes.length}`);
      }
      this.#sendRecord(bytes.subarray(start, start + length));
      limit = this.#sink.isShared ? length : MAX_RECORDS_AHEAD * length;
    }
  }

  #sendRecord(contentData: Uint8Array): void {
    this.#ahead += contentData.length;
    this.#sent += contentData.length;
    const record = { type: this.#type, requestId: this.#requestId, contentData, paddingLength: this.#paddingLength };
    this.#pending = this.#sink.write([record]);
  }

  /**
   * The length of records of about equal size, as few as possible: a chunk of 64 KiB must not end in a record of eight
   * bytes.
   */
  #recordLength(length: number): number {
    const records = Math.ceil(length / this.#maxLength);
    return Math.min(this.#maxLength, Math.ceil(length / records / 8) * 8);
  }
}
