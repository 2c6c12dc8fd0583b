import {
  type ByteReader,
  type ByteReadResult,
  type ByteSource,
  cancelSource,
  END_OF_BYTES,
  readerOf,
} from "./byte_source.ts";

/** A reader that may know that it has ended. Then its stream ends with the last piece, and not with one more read. */
interface StreamedReader extends ByteReader {
  /** Whether all pieces were read and the source has ended. */
  readonly isRead?: boolean;
}

/** Makes a ReadableStream of the runtime's own class that reads from `reader`. Nothing is read before the stream is. */
export function streamOf(reader: StreamedReader): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream(new PulledBytes(reader), { highWaterMark: 0 }) as ReadableStream<Uint8Array<ArrayBuffer>>;
}

class PulledBytes implements UnderlyingDefaultSource<Uint8Array> {
  readonly #reader: StreamedReader;

  constructor(reader: StreamedReader) {
    this.#reader = reader;
  }

  pull(controller: ReadableStreamDefaultController<Uint8Array>): void | Promise<void> {
    const result = this.#reader.read();
    if (!("done" in result)) return result.then((later) => this.#give(later, controller));
    this.#give(result, controller);
  }

  cancel(reason: unknown): void | Promise<void> {
    return this.#reader.cancel(reason);
  }

  #give({ done, value }: ByteReadResult, controller: ReadableStreamDefaultController<Uint8Array>): void {
    if (!done) controller.enqueue(value!);
    if (done || this.#reader.isRead === true) controller.close();
  }
}

/** Makes a ReadableStream of the sources, one after the other. If one fails, the rest is cancelled. */
export function streamOfSources(sources: readonly ByteSource[]): ReadableStream<Uint8Array<ArrayBuffer>> {
  return streamOf(new SequenceReader(sources));
}

class SequenceReader implements ByteReader {
  readonly #waiting: ByteSource[];
  #reader: ByteReader | null = null;

  constructor(sources: readonly ByteSource[]) {
    this.#waiting = [...sources];
  }

  async read(): Promise<ByteReadResult> {
    try {
      for (;;) {
        if (this.#reader !== null) {
          const result = await this.#reader.read();
          if (!result.done) return result;
          this.#reader = null;
        }
        const next = this.#waiting.shift();
        if (next === undefined) return END_OF_BYTES;
        if (next instanceof Uint8Array) return { done: false, value: next };
        this.#reader = readerOf(next);
      }
    } catch (error) {
      this.#cancelWaiting(error);
      throw error;
    }
  }

  async cancel(reason: unknown): Promise<void> {
    this.#cancelWaiting(reason);
    await this.#reader?.cancel(reason);
  }

  #cancelWaiting(reason: unknown): void {
    for (const source of this.#waiting.splice(0)) void cancelSource(source, reason);
  }
}
