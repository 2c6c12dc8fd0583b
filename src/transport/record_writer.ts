// The only way onto a connection's writable. Records are written whole and in the order they come; what gathers in one turn
// or while the transport is busy leaves as one write. Who writes a stream waits for each record before giving the next, so
// at most one record a stream is here, and streams take turns by record.

import { encodedRecordLength, encodeRecords } from "../codec/record_encoder.ts";
import { FastCgiError } from "../protocol/errors.ts";
import type { FastCgiRecord } from "../protocol/record.ts";
import { Deadline } from "./deadline.ts";

/** A write is not made larger than this by gathering. */
const MAX_BATCH_BYTES = 64 * 1024;

/** Options of a {@linkcode RecordWriter}. */
export interface RecordWriterOptions {
  /** Milliseconds that one write may take. */
  writeTimeout: number;
  /** Called once when a write fails or takes too long. Nothing is written any more then. */
  onError: (error: unknown) => void;
}

/** Records that leave together. */
class Batch {
  readonly records: FastCgiRecord[] = [];
  bytes = 0;
  readonly written: Promise<void>;
  resolve!: () => void;
  reject!: (reason: unknown) => void;

  constructor() {
    this.written = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Not everybody who writes waits.
    this.written.catch(() => {});
  }
}

/** Writes records to a connection. */
export class RecordWriter {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #onError: (error: unknown) => void;
  readonly #timeout: Deadline;
  readonly #writeTimeout: number;
  #batches: Batch[] = [];
  #writing: Promise<void> | null = null;
  #pendingBytes = 0;
  #failed = false;
  #error: unknown;

  constructor(writable: WritableStream<Uint8Array>, { writeTimeout, onError }: RecordWriterOptions) {
    this.#writer = writable.getWriter();
    this.#writer.closed.catch(() => {});
    this.#onError = onError;
    this.#writeTimeout = writeTimeout;
    this.#timeout = new Deadline(() => {
      const message = `Cannot write: the peer took nothing for ${writeTimeout} ms`;
      this.fail(new FastCgiError("timeout", message, { limit: "writeTimeout" }));
    });
  }

  /** Bytes that wait for the transport. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Whether nothing can be written any more. */
  get failed(): boolean {
    return this.#failed;
  }

  /**
   * Adds records, in one piece as far as they fit. Resolves when the transport has taken them: waiting for it is
   * back-pressure.
   */
  write(...records: FastCgiRecord[]): Promise<void> {
    if (this.#failed) {
      const rejected = Promise.reject(this.#error);
      rejected.catch(() => {});
      return rejected;
    }
    let batch = this.#batches.at(-1);
    for (const record of records) {
      if (batch === undefined || batch.bytes >= MAX_BATCH_BYTES) {
        batch = new Batch();
        this.#batches.push(batch);
      }
      const length = encodedRecordLength(record);
      batch.records.push(record);
      batch.bytes += length;
      this.#pendingBytes += length;
    }
    this.#writing ??= this.#drain();
    return batch?.written ?? Promise.resolve();
  }

  /** Resolves when everything so far has been taken, or nothing will be any more. */
  async idle(): Promise<void> {
    while (this.#writing !== null) await this.#writing;
  }

  /** Half-closes the connection after everything so far. */
  async close(): Promise<void> {
    await this.idle();
    if (this.#failed) return;
    this.#timeout.restart(this.#writeTimeout);
    try {
      await this.#writer.close();
    } catch (error) {
      this.fail(error);
    } finally {
      this.#timeout.dispose();
    }
  }

  /** Gives up: what waits fails, and so will what comes. */
  fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#error = error;
    this.#timeout.dispose();
    const batches = this.#batches;
    this.#batches = [];
    this.#pendingBytes = 0;
    for (const batch of batches) batch.reject(error);
    this.#writer.abort(error).catch(() => {});
    this.#onError(error);
  }

  async #drain(): Promise<void> {
    // What is written in the same turn joins the first batch.
    await null;
    for (let batch = this.#batches.shift(); batch !== undefined; batch = this.#batches.shift()) {
      this.#timeout.restart(this.#writeTimeout);
      try {
        await this.#writer.write(encodeRecords(batch.records));
      } catch (error) {
        batch.reject(error);
        this.fail(error);
        break;
      }
      if (this.#failed) {
        batch.reject(this.#error);
        break;
      }
      this.#pendingBytes -= batch.bytes;
      batch.resolve();
    }
    this.#timeout.stop();
    this.#writing = null;
  }
}
