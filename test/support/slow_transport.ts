import type { ByteChannel, FastCgiRecord } from "../../src/toolkit.ts";
import { fromStreams } from "../../src/transport/from_streams.ts";

import { bytesOf, recordsIn } from "./records.ts";

/** A transport that takes a write when it is told to. */
export class SlowTransport {
  readonly channel: ByteChannel;
  #waiting: { resolve(): void; reject(reason: unknown): void }[] = [];
  #closeWaits = false;
  /** The writes that came, taken or not. */
  readonly writes: Uint8Array[] = [];
  /** Whether the writable was closed, and what it was aborted with. */
  closed = false;
  aborted: unknown;

  /** @param patient Take every write at once. */
  constructor({ patient = false, closeWaits = false } = {}) {
    this.#closeWaits = closeWaits;
    const writable = new WritableStream<Uint8Array>({
      write: (bytes) => {
        this.writes.push(bytes);
        return patient ? undefined : this.#wait();
      },
      close: () => {
        this.closed = true;
        return this.#closeWaits ? this.#wait() : undefined;
      },
      abort: (reason) => {
        this.aborted = reason;
      },
    });
    this.channel = fromStreams({ readable: new ReadableStream(), writable, close() {} });
  }

  /** Takes the oldest write that waits. */
  take(): void {
    this.#waiting.shift()!.resolve();
  }

  /** Fails it. */
  refuse(reason: unknown): void {
    this.#waiting.shift()!.reject(reason);
  }

  /** The records of each write. */
  get records(): FastCgiRecord[][] {
    return this.writes.map((bytes) => {
      const records = recordsIn(bytes);
      if (bytesOf(records).length !== bytes.length) throw new Error("A part of a record was written");
      return records;
    });
  }

  /** The writes in short: type and content length of each record. */
  get summary(): string[] {
    return this.records.map((records) =>
      records.map(({ type, requestId, contentData }) => `${type}:${requestId}:${contentData.length}`).join(" "),
    );
  }

  #wait(): Promise<void> {
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }
}
