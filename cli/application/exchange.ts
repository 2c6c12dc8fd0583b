// One connection to the application: what is sent, what comes, and when enough has come. Everything is remembered, because
// some rules are about all that ever came.

import { type FastCgiConnection, FastCgiError } from "../../adapters/node/index.ts";
import {
  decodeEndRequestBody,
  type EndRequestBody,
  encodeRecords,
  type FastCgiRecord,
  RecordDecoder,
  RecordType,
} from "../../src/toolkit.ts";
import { describeRecords } from "../report/records.ts";
import type { ExchangeLog } from "../report/rule.ts";
import { ReservedBytes } from "../reserved_bytes.ts";

/** A connection and its traffic. */
export class Exchange {
  readonly #connection: FastCgiConnection;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #decoder = new RecordDecoder();
  readonly #timeout: number;
  readonly #sent: string[] = [];
  readonly #reserved = new ReservedBytes();
  #wake: (() => void)[] = [];
  #closedByUs = false;
  /** Everything the application has sent. */
  readonly records: FastCgiRecord[] = [];
  /** The ids of the requests that were sent. */
  readonly ids: Set<number> = new Set();
  /** Whether the application closed the connection or its side of it. */
  closed = false;
  /** Why what came can't be read as records. */
  unreadable: string | null = null;
  /** Whether what was sent is not a request as it should be, so that its answer says nothing of usual ones. */
  readonly isOdd: boolean;

  constructor(connection: FastCgiConnection, { timeout, isOdd }: { timeout: number; isOdd: boolean }) {
    this.#connection = connection;
    this.#timeout = timeout;
    this.isOdd = isOdd;
    this.#writer = connection.writable.getWriter();
    this.#writer.closed.catch(() => {});
    void this.#read();
  }

  /** Sends records in one piece. */
  send(...records: FastCgiRecord[]): Promise<void> {
    for (const { type, requestId } of records) if (type === RecordType.BeginRequest) this.ids.add(requestId);
    return this.sendPieces([encodeRecords(records)], ...describeRecords(records));
  }

  /** Sends bytes, each piece by itself. `description` stands for them in the report. */
  async sendPieces(pieces: Iterable<Uint8Array>, ...description: string[]): Promise<void> {
    this.#sent.push(...description);
    let count = 0;
    for (const piece of pieces) {
      // What is written in one turn may leave in one segment.
      if (count++ > 0) await new Promise((resolve) => setImmediate(resolve));
      // An application that reads no more, or has gone, shows by what comes.
      if (!(await this.#settles(this.#writer.write(piece)))) return;
    }
  }

  /** Says that nothing more will be sent. */
  async halfClose(): Promise<void> {
    this.#sent.push("end of the connection's input");
    await this.#settles(this.#writer.close());
  }

  /** Waits until `enough`; false when the application closes or the time is over before. */
  async until(enough: () => boolean, timeout: number = this.#timeout): Promise<boolean> {
    const deadline = performance.now() + timeout;
    while (!enough() && !this.closed) {
      const left = deadline - performance.now();
      if (left <= 0) break;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return enough();
  }

  /** Waits for FCGI_END_REQUEST. */
  async untilEnd(requestId: number): Promise<EndRequestBody | null> {
    await this.until(() => this.end(requestId) !== null);
    return this.end(requestId);
  }

  /** Waits until the application closes. */
  untilClosed(timeout?: number): Promise<boolean> {
    return this.until(() => this.closed, timeout);
  }

  /** The first FCGI_END_REQUEST of a request. */
  end(requestId: number): EndRequestBody | null {
    const found = this.of(RecordType.EndRequest, requestId).find(({ contentData }) => contentData.length >= 8);
    return found === undefined ? null : decodeEndRequestBody(found.contentData);
  }

  /** The records of one type and id. */
  of(type: RecordType, requestId: number): FastCgiRecord[] {
    return this.records.filter((record) => record.type === type && record.requestId === requestId);
  }

  /** What came on FCGI_STDOUT. */
  stdout(requestId: number): Uint8Array {
    return Buffer.concat(this.of(RecordType.Stdout, requestId).map(({ contentData }) => contentData));
  }

  /** The reserved bytes of the headers that came. */
  get reservedBytes(): readonly number[] {
    return this.#reserved.values;
  }

  /** What the end was, in words, where a request got none. */
  get silence(): string {
    if (this.unreadable !== null) return this.unreadable;
    return this.closed ? "the connection was closed" : `nothing came for ${this.#timeout} ms`;
  }

  close(): void {
    this.#closedByUs = true;
    void this.#connection.close();
  }

  log(): ExchangeLog {
    const came = describeRecords(this.records);
    if (this.unreadable !== null) came.push(this.unreadable);
    if (this.closed) came.push("closed");
    return { sent: this.#sent, came };
  }

  async #read(): Promise<void> {
    const reader = this.#connection.readable.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        this.#take(value);
      }
      this.#decoder.flush();
    } catch (error) {
      if (error instanceof FastCgiError && !this.#closedByUs) this.unreadable ??= error.message;
    }
    this.closed ||= !this.#closedByUs;
    this.#notify();
  }

  #take(chunk: Uint8Array): void {
    if (this.unreadable !== null) return;
    this.#reserved.push(chunk);
    try {
      this.#decoder.transform(chunk, { enqueue: (record) => this.records.push(record) });
    } catch (error) {
      this.unreadable = (error as Error).message;
    }
    this.#notify();
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  /** Whether a write succeeds in time. */
  async #settles(write: Promise<void>): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, this.#timeout, false);
    });
    const done = write.then(
      () => true,
      () => false,
    );
    const settled = await Promise.race([done, late]);
    clearTimeout(timer);
    return settled;
  }
}
