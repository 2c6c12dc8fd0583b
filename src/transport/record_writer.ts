// The only way onto a connection's writable. Records are written whole and in the order they come; what gathers in one turn
// or while the transport is busy leaves as one write. Who writes a stream gives no more than one full record before it waits,
// so that is all of a stream that is here, and streams take turns by record.

import { encodedRecordLength, encodeRecords } from "../codec/record_encoder.ts";
import { FCGI_HEADER_LEN } from "../protocol/constants.ts";
import { FastCgiError } from "../protocol/errors.ts";
import type { FastCgiRecord } from "../protocol/record.ts";
import { Deadline } from "./deadline.ts";

/** A batch that has this many bytes takes no further record: a write is smaller than this and one record together. */
const MAX_BATCH_BYTES = 64 * 1024;

/**
 * Turns of the microtask queue in which the first batch gathers. The end of a response comes some turns behind its last
 * bytes, and a small response is to leave as one write.
 */
const GATHERING_TURNS = 8;

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
  /** The batch that the transport is taking. */
  #sending: Batch | null = null;
  #writing: Promise<void> | null = null;
  #closing: Promise<void> | null = null;
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
    if (this.#failed || this.#closing !== null) {
      const rejected = Promise.reject(this.#error ?? new TypeError("Cannot write: the writer was closed"));
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

  /** Half-closes the connection after everything so far. Nothing can be written any more then. Never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /**
   * Half-closes the connection after everything so far so that it can't be taken for the end of what was under way: behind it come
   * eight zero bytes, a record header of no version. Without them nginx, on connections that it does not keep, takes the end
   * of the connection for the end of the response.
   */
  breakOff(): Promise<void> {
    this.#closing ??= this.#close(new Uint8Array(FCGI_HEADER_LEN));
    return this.#closing;
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
    // Also what is under way: a transport that is stuck may never say so.
    this.#sending?.reject(error);
    for (const batch of batches) batch.reject(error);
    this.#writer.abort(error).catch(() => {});
    this.#onError(error);
  }

  async #close(last?: Uint8Array): Promise<void> {
    await this.idle();
    if (this.#failed) return;
    this.#timeout.restart(this.#writeTimeout);
    try {
      if (last !== undefined) await this.#writer.write(last);
      await this.#writer.close();
    } catch (error) {
      this.fail(error);
    } finally {
      this.#timeout.dispose();
    }
  }

  async #drain(): Promise<void> {
    for (let turn = 0; turn < GATHERING_TURNS; turn++) await null;
    for (let batch = this.#batches.shift(); batch !== undefined; batch = this.#batches.shift()) {
      this.#sending = batch;
      this.#timeout.restart(this.#writeTimeout);
      try {
        await this.#writer.write(encodeRecords(batch.records));
      } catch (error) {
        this.fail(error);
      }
      if (this.#failed) break;
      this.#pendingBytes -= batch.bytes;
      batch.resolve();
    }
    this.#sending = null;
    this.#timeout.stop();
    this.#writing = null;
  }
}
