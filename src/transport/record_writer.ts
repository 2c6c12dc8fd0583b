// The only way out for a connection's records. Records are written whole and in order; what gathers in one turn or
// while the transport is busy is sent as one write. A sender of a stream waits after a few records, so no more of a
// stream is in memory, and streams take turns.

import { Deadline } from "../base/deadline.ts";
import { waitTurns } from "../base/turns.ts";
import { decodeRecords } from "../codec/record_decoder.ts";
import { encodedRecordLength, encodePieces } from "../codec/record_encoder.ts";
import type { RecordSink, WrittenRecords } from "../codec/record_sink.ts";
import { FCGI_HEADER_LEN } from "../protocol/constants.ts";
import { FastCgiError } from "../protocol/errors.ts";
import type { FastCgiRecord } from "../protocol/record.ts";
import type { ByteChannel } from "./byte_channel.ts";

/**
 * A batch with this many bytes takes no further record, so a write is smaller than this and one record together. Large
 * writes cost less: for 1 MiB a fifth of the time.
 */
const MAX_BATCH_BYTES = 256 * 1024;

/**
 * The same for a slow peer, which has let a write wait for {@linkcode SLOW_WRITE}. A transport only reports that it has
 * taken a whole write, so the size of a write is the least progress that can be seen and that extends `writeTimeout`.
 * With the default, a peer that reads 200 bytes a second is fast enough.
 */
const MAX_SLOW_BATCH_BYTES = 64 * 1024;

/** Milliseconds after which a write counts as slow. */
const SLOW_WRITE = 1000;

/**
 * The number of turns of the microtask queue in which a batch that is not full waits for more records. The end of a
 * response comes some turns after its last bytes, and a small response is to be sent as one write; so are many small
 * pieces of a stream that are available at once.
 */
const GATHERING_TURNS = 8;

/** What a {@linkcode RecordWriter} needs of its connection. */
export interface RecordWriterHost {
  readonly options: {
    /** The most milliseconds in which the peer takes nothing of what is written. */
    readonly writeTimeout: number;
  };
  /** Whether several streams may write, so that each must write little at a time. */
  readonly isShared: boolean;
  /** Called once when a write fails. Nothing more is written then. */
  onWriteError(error: unknown): void;
  /**
   * Called when the peer has taken nothing for `writeTimeout`. The writer waits on until its `fail` or `breakOff` is
   * called. If there is no such method, the writer fails.
   */
  onWriteTimeout?(error: FastCgiError): void;
}

/** Records that are sent together. */
export class WriteBatch implements WrittenRecords {
  readonly records: FastCgiRecord[] = [];
  bytes = 0;
  // Stryker disable next-line StringLiteral: any text that is no other state does
  #state: "waiting" | "leaving" | "taken" | "failed" = "waiting";
  #error: unknown;
  /** Made only if a sender waits, because a promise for each batch would cost more than the batch. */
  #promise: Promise<void> | null = null;
  #resolve!: () => void;
  #reject!: (reason: unknown) => void;

  /**
   * Resolves when the transport has taken these records and all before them: waiting for it is back-pressure. Also
   * resolves when waiting is of no use any more, because the connection is broken off. Undefined if that is so already.
   */
  get taken(): Promise<void> | undefined {
    if (this.#state === "taken") return undefined;
    if (this.#promise !== null) return this.#promise;
    if (this.#state === "failed") {
      this.#promise = Promise.reject(this.#error);
    } else {
      this.#promise = new Promise((resolve, reject) => {
        this.#resolve = resolve;
        this.#reject = reject;
      });
    }
    // A sender may stop waiting for it.
    this.#promise.catch(() => {});
    return this.#promise;
  }

  /** Whether the transport was given the records: the peer may have read some of them. */
  get hasLeft(): boolean {
    return this.#state === "leaving" || this.#state === "taken";
  }

  leave(): void {
    this.#state = "leaving";
  }

  take(): void {
    this.#state = "taken";
    if (this.#promise !== null) this.#resolve();
  }

  fail(error: unknown): void {
    this.#state = "failed";
    this.#error = error;
    if (this.#promise !== null) this.#reject(error);
  }
}

/** Writes records to a connection. */
export class RecordWriter implements RecordSink {
  readonly #channel: ByteChannel;
  readonly #host: RecordWriterHost;
  /** Made when the transport is busy for the first time, which is rare. */
  #timeout: Deadline | null = null;
  #batches: WriteBatch[] = [];
  #maxBatchBytes = MAX_BATCH_BYTES;
  /** The batch that the transport is taking. */
  #sending: WriteBatch | null = null;
  #isGathering = false;
  /** `closing` lasts until everything is sent, and the end. */
  #state: "open" | "closing" | "ended" | "failed" = "open";
  #closing: Promise<void> | null = null;
  /** Whether the output must look broken at its end. */
  #breaksOff = false;
  #onIdle: (() => void)[] | null = null;
  #pendingBytes = 0;
  #error: unknown;

  constructor(channel: ByteChannel, host: RecordWriterHost) {
    this.#channel = channel;
    this.#host = host;
  }

  /** The number of bytes that wait for the transport. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Whether several streams may write. */
  get isShared(): boolean {
    return this.#host.isShared;
  }

  /** Whether nothing can be written any more. */
  get hasFailed(): boolean {
    return this.#state === "failed";
  }

  /** Whether the writer was closed before the peer has taken everything. */
  get isFlushing(): boolean {
    return this.#state === "closing";
  }

  /**
   * Adds records, in one batch if they fit.
   *
   * @param atOnce Whether they are sent now, with everything gathered, because nothing else is expected to be sent with
   * them. Otherwise they are sent within this turn.
   */
  write(records: readonly FastCgiRecord[], atOnce: boolean = false): WriteBatch {
    if (this.#isOver) return this.#refused();
    let batch = this.#batchWithRoom();
    for (const record of records) {
      if (batch.bytes >= this.#maxBatchBytes) batch = this.#batchWithRoom();
      this.#put(batch, record);
    }
    if (atOnce) this.#flush();
    else this.#gatherMore();
    return batch;
  }

  /** As {@linkcode RecordWriter.write}. The piece is written as it is if nothing else waits. */
  writeEncoded(bytes: Uint8Array, atOnce: boolean = false): WriteBatch {
    const isAlone = atOnce && !this.#isOver && this.#sending === null && this.#batches.length === 0;
    if (!isAlone) return this.write(decodeRecords(bytes), atOnce);
    const batch = new WriteBatch();
    batch.bytes = bytes.length;
    this.#pendingBytes += bytes.length;
    this.#send(batch, bytes);
    this.#flush();
    return batch;
  }

  /** Resolves when everything so far has been taken, or can't be taken any more. */
  async idle(): Promise<void> {
    this.#flush();
    while (this.#sending !== null) {
      await new Promise<void>((resolve) => {
        this.#onIdle ??= [];
        this.#onIdle.push(resolve);
      });
    }
  }

  /** Half-closes the connection after everything so far. Nothing more can be written then. Never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /**
   * Half-closes the connection after everything so far, in a way that can't be taken for the end of a response: the
   * last bytes are eight zeros, a record header of no version. Without them nginx, on connections that it does not
   * keep, takes the end of the connection for the end of the response. Can also follow {@linkcode RecordWriter.close}
   * until that has finished.
   */
  breakOff(): Promise<void> {
    this.#breaksOff = true;
    // Senders learn elsewhere that their requests are over. They must not wait for a peer that may never read.
    this.#sending?.take();
    for (const batch of this.#batches) batch.take();
    return this.close();
  }

  /** Fails all records that wait, and all later ones. */
  fail(error: unknown): void {
    if (this.hasFailed) return;
    this.#state = "failed";
    this.#error = error;
    this.#timeout?.dispose();
    // Includes the batch that is being written, because a stuck transport may never report.
    const batches = [this.#sending, ...this.#batches];
    this.#sending = null;
    this.#batches = [];
    this.#pendingBytes = 0;
    for (const batch of batches) batch?.fail(error);
    this.#tellIdle();
    this.#host.onWriteError(error);
  }

  get #isOver(): boolean {
    return this.#state !== "open";
  }

  #refused(): WriteBatch {
    const batch = new WriteBatch();
    batch.fail(this.#error ?? new TypeError("Cannot write: the writer was closed"));
    return batch;
  }

  #batchWithRoom(): WriteBatch {
    const last = this.#batches.at(-1);
    if (last !== undefined && last.bytes < this.#maxBatchBytes) return last;
    const batch = new WriteBatch();
    this.#batches.push(batch);
    return batch;
  }

  #put(batch: WriteBatch, record: FastCgiRecord): void {
    const length = encodedRecordLength(record);
    batch.records.push(record);
    batch.bytes += length;
    this.#pendingBytes += length;
  }

  async #close(): Promise<void> {
    if (this.hasFailed) return;
    this.#state = "closing";
    await this.idle();
    if (this.hasFailed) return;
    const timeout = this.#limitWrite();
    try {
      if (this.#breaksOff) await this.#channel.write([new Uint8Array(FCGI_HEADER_LEN)]);
      await this.#channel.end();
      // Stryker disable next-line StringLiteral: any text that is no other state does
      if (!this.hasFailed) this.#state = "ended";
    } catch (error) {
      this.fail(error);
    } finally {
      timeout.dispose();
    }
  }

  #limitWrite(): Deadline {
    const { writeTimeout } = this.#host.options;
    this.#timeout ??= new Deadline(() => {
      const message = `Cannot write: the peer took nothing for ${writeTimeout} ms`;
      const error = new FastCgiError("timeout", message, { limit: "writeTimeout" });
      if (this.#host.onWriteTimeout === undefined) this.fail(error);
      else this.#host.onWriteTimeout(error);
    });
    this.#timeout.restart(writeTimeout);
    return this.#timeout;
  }

  #gatherMore(): void {
    if (!this.#isGathering && this.#sending === null) void this.#gather();
  }

  async #gather(): Promise<void> {
    this.#isGathering = true;
    const isOver = (): boolean => this.#batches.length !== 1;
    await waitTurns(GATHERING_TURNS, isOver, () => this.#pendingBytes);
    this.#isGathering = false;
    this.#flush();
  }

  /** Writes the gathered records, if the transport is not busy. */
  #flush(): void {
    while (this.#sending === null && this.#batches.length > 0) {
      this.#send(this.#batches.shift()!);
    }
    if (this.#sending === null) this.#tellIdle();
  }

  #send(batch: WriteBatch, encoded: Uint8Array | null = null): void {
    this.#sending = batch;
    batch.leave();
    try {
      const busy = this.#channel.write(encoded === null ? encodePieces(batch.records) : [encoded]);
      if (busy === undefined) this.#onTaken(batch, 0);
      else void this.#waitFor(busy, batch);
    } catch (error) {
      this.fail(error);
    }
  }

  #tellIdle(): void {
    const waiting = this.#onIdle;
    this.#onIdle = null;
    for (const resolve of waiting ?? []) resolve();
  }

  async #waitFor(busy: Promise<void>, batch: WriteBatch): Promise<void> {
    const start = performance.now();
    const timeout = this.#limitWrite();
    try {
      await busy;
    } catch (error) {
      this.fail(error);
    }
    if (this.hasFailed) return;
    timeout.stop();
    this.#onTaken(batch, performance.now() - start);
    this.#flush();
  }

  #onTaken(batch: WriteBatch, waited: number): void {
    this.#sending = null;
    this.#pendingBytes -= batch.bytes;
    this.#maxBatchBytes = waited < SLOW_WRITE ? MAX_BATCH_BYTES : MAX_SLOW_BATCH_BYTES;
    batch.take();
  }
}
