import { type ByteReader, type ByteSource, cancelSource, readerOf } from "../../codec/byte_source.ts";

/** Makes a ReadableStream of the runtime's own class that reads from `reader`. Nothing is read before the stream is. */
export function streamOf(reader: ByteReader): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value as Uint8Array<ArrayBuffer>);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
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

  async read(): ReturnType<ByteReader["read"]> {
    try {
      for (;;) {
        if (this.#reader !== null) {
          const result = await this.#reader.read();
          if (!result.done) return result;
          this.#reader = null;
        }
        const next = this.#waiting.shift();
        if (next === undefined) return { done: true };
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
