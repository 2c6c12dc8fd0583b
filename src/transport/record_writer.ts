// The only way out for a connection's records. They are written whole and in the order they come; what gathers in one turn
// or while the transport is busy leaves as one write. Who writes a stream waits after a few records, so that is all of a stream that
// is here, and streams take turns.

import { Deadline } from "../base/deadline.ts";
import { encodedRecordLength, encodePieces } from "../codec/record_encoder.ts";
import type { RecordSink, WrittenRecords } from "../codec/record_sink.ts";
import { FCGI_HEADER_LEN } from "../protocol/constants.ts";
import { FastCgiError } from "../protocol/errors.ts";
import type { FastCgiRecord } from "../protocol/record.ts";
import type { ByteChannel } from "./byte_channel.ts";

/**
 * A batch that has this many bytes takes no further record, so a write is smaller than this and one record together. Large writes cost
 * less: of 1 MiB a fifth of the time.
 */
const MAX_BATCH_BYTES = 256 * 1024;

/**
 * The same for a peer that is slow: one that has let a write wait for {@linkcode SLOW_WRITE}. A transport only says that it has taken a
 * whole write, so the size of a write is the least progress that is seen, and that `writeTimeout` is put off by. At its default a peer
 * that reads 200 bytes a second is in time.
 */
const MAX_SLOW_BATCH_BYTES = 64 * 1024;

/** Milliseconds. */
const SLOW_WRITE = 1000;

/**
 * Turns of the microtask queue that a batch waits for more, as long as it is not full. The end of a response comes some turns behind its
 * last bytes, and a small response is to leave as one write; so are the many small pieces of a stream that has them ready.
 */
const GATHERING_TURNS = 8;

/** Options of a {@linkcode RecordWriter}. */
export interface RecordWriterOptions {
  /** Milliseconds in which the peer may take nothing of what is written. */
  writeTimeout: number;
  /**
   * Whether several streams may want to write, so that each gives little at a time.
   *
   * @default {() => false}
   */
  isShared?: () => boolean;
  /** Called once when a write fails. Nothing is written any more then. */
  onError: (error: unknown) => void;
  /**
   * Called when the peer has taken nothing for `writeTimeout`. The writer goes on waiting until it is told to fail or to break off.
   *
   * @default {The writer fails}
   */
  onTimeout?: (error: FastCgiError) => void;
}

/** Records that leave together. */
export class WriteBatch implements WrittenRecords {
  readonly records: FastCgiRecord[] = [];
  bytes = 0;
  #state: "waiting" | "leaving" | "taken" | "failed" = "waiting";
  #error: unknown;
  /** Few wait, and a promise for each batch would cost more than the batch. */
  #promise: Promise<void> | null = null;
  #resolve!: () => void;
  #reject!: (reason: unknown) => void;

  /**
   * Resolves when the transport has taken these records, and so all before them: waiting for it is back-pressure. Also when it
   * is of no use to wait any longer, because the connection is broken off.
   */
  get taken(): Promise<void> {
    if (this.#promise !== null) return this.#promise;
    if (this.#state === "taken") return Promise.resolve();
    if (this.#state === "failed") {
      this.#promise = Promise.reject(this.#error);
    } else {
      this.#promise = new Promise((resolve, reject) => {
        this.#resolve = resolve;
        this.#reject = reject;
      });
    }
    // Not everybody who asks waits to the end.
    this.#promise.catch(() => {});
    return this.#promise;
  }

  /** Whether the transport has been given them: the peer may have read a part of them. */
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
  readonly #isShared: () => boolean;
  readonly #onError: (error: unknown) => void;
  readonly #onTimeout: (error: FastCgiError) => void;
  /** Made when the transport is busy for the first time: few ever are. */
  #timeout: Deadline | null = null;
  readonly #writeTimeout: number;
  #batches: WriteBatch[] = [];
  #maxBatchBytes = MAX_BATCH_BYTES;
  /** The batch that the transport is taking. */
  #sending: WriteBatch | null = null;
  #isGathering = false;
  #closing: Promise<void> | null = null;
  /** Whether what is under way must not look whole at the end. */
  #breaksOff = false;
  #isEnded = false;
  #onIdle: (() => void)[] = [];
  #pendingBytes = 0;
  #failed = false;
  #error: unknown;

  constructor(channel: ByteChannel, { writeTimeout, isShared = () => false, onError, onTimeout }: RecordWriterOptions) {
    this.#channel = channel;
    this.#isShared = isShared;
    this.#onError = onError;
    this.#onTimeout = onTimeout ?? ((error) => this.fail(error));
    this.#writeTimeout = writeTimeout;
  }

  /** Bytes that wait for the transport. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Whether several streams may want to write. */
  get isShared(): boolean {
    return this.#isShared();
  }

  /** Whether nothing can be written any more. */
  get hasFailed(): boolean {
    return this.#failed;
  }

  /** Whether it was closed, and the peer has not taken everything yet. */
  get isFlushing(): boolean {
    return this.#closing !== null && !this.#isEnded && !this.#failed;
  }

  /**
   * Adds records, in one piece as far as they fit.
   *
   * @param atOnce Whether they leave now, with what has gathered, because nothing else is expected to leave with them. Else they leave
   * within this turn.
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

  /** Resolves when everything so far has been taken, or nothing will be any more. */
  async idle(): Promise<void> {
    this.#flush();
    while (this.#sending !== null) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  /** Half-closes the connection after everything so far. Nothing can be written any more then. Never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /**
   * Half-closes the connection after everything so far so that it can't be taken for the end of what was under way: behind it come
   * eight zero bytes, a record header of no version. Without them nginx, on connections that it does not keep, takes the end
   * of the connection for the end of the response. Also after {@linkcode RecordWriter.close}, as long as that has not come to its end.
   */
  breakOff(): Promise<void> {
    this.#breaksOff = true;
    // Senders are told elsewhere that their requests are over. They must not wait for a peer that may never read.
    this.#sending?.take();
    for (const batch of this.#batches) batch.take();
    return this.close();
  }

  /** Gives up: what waits fails, and so will what comes. */
  fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#error = error;
    this.#timeout?.dispose();
    // Also what is under way: a transport that is stuck may never say so.
    const batches = [this.#sending, ...this.#batches];
    this.#sending = null;
    this.#batches = [];
    this.#pendingBytes = 0;
    for (const batch of batches) batch?.fail(error);
    this.#tellIdle();
    this.#onError(error);
  }

  get #isOver(): boolean {
    return this.#failed || this.#closing !== null;
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
    await this.idle();
    if (this.#failed) return;
    this.#limitWrite();
    try {
      if (this.#breaksOff) await this.#channel.write([new Uint8Array(FCGI_HEADER_LEN)]);
      await this.#channel.end();
    } catch (error) {
      this.fail(error);
    } finally {
      this.#isEnded = true;
      this.#timeout?.dispose();
    }
  }

  #limitWrite(): void {
    this.#timeout ??= new Deadline(() => {
      const message = `Cannot write: the peer took nothing for ${this.#writeTimeout} ms`;
      this.#onTimeout(new FastCgiError("timeout", message, { limit: "writeTimeout" }));
    });
    this.#timeout.restart(this.#writeTimeout);
  }

  #gatherMore(): void {
    if (!this.#isGathering && this.#sending === null) void this.#gather();
  }

  async #gather(): Promise<void> {
    this.#isGathering = true;
    let gathered = 0;
    for (let turn = 0; turn < GATHERING_TURNS && this.#batches.length === 1; turn++) {
      if (this.#pendingBytes > gathered) turn = 0;
      gathered = this.#pendingBytes;
      await null;
    }
    this.#isGathering = false;
    this.#flush();
  }

  /** Writes what has gathered, if the transport is not busy. */
  #flush(): void {
    while (this.#sending === null && this.#batches.length > 0) {
      const batch = this.#batches.shift()!;
      this.#sending = batch;
      batch.leave();
      let busy: Promise<void> | undefined;
      try {
        busy = this.#channel.write(encodePieces(batch.records));
      } catch (error) {
        this.fail(error);
        return;
      }
      if (busy === undefined) this.#onTaken(batch, 0);
      else void this.#waitFor(busy, batch);
    }
    if (this.#sending === null) this.#tellIdle();
  }

  #tellIdle(): void {
    if (this.#onIdle.length > 0) for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  async #waitFor(busy: Promise<void>, batch: WriteBatch): Promise<void> {
    const start = performance.now();
    this.#limitWrite();
    try {
      await busy;
    } catch (error) {
      this.fail(error);
    }
    if (this.#failed) return;
    this.#timeout?.stop();
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
