// One connection to the application: sends records, collects those that come, and waits for them. Everything is kept,
// because some rules are about all that ever came.

import { type FastCgiConnection, FastCgiError } from "../../../adapters/node/index.ts";
import {
  decodeEndRequestBody,
  type EndRequestBody,
  encodeRecords,
  type FastCgiRecord,
  RecordDecoder,
  RecordType,
  type StreamConnection,
  toStreams,
} from "../../../src/toolkit.ts";
import { HeaderBytes } from "../header_bytes.ts";
import { describeRecords } from "../report/records.ts";
import type { ConversationLog } from "../report/rule.ts";

/** A connection and its traffic. */
export class Conversation {
  readonly #connection: StreamConnection;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #decoder = new RecordDecoder();
  readonly #timeout: number;
  readonly #sent: string[] = [];
  readonly #headers = new HeaderBytes();
  #wake: (() => void)[] = [];
  #isClosedByUs = false;
  /** Everything the application has sent. */
  readonly records: FastCgiRecord[] = [];
  /** The ids of the requests that were sent. */
  readonly ids: Set<number> = new Set();
  /** Whether the application closed the connection or its side of it. */
  isClosed = false;
  /** Why the bytes that came can't be read as records. */
  unreadable: string | null = null;
  /** Whether an invalid request was sent, so that its answer is not compared with usual ones. */
  readonly isOdd: boolean;

  constructor(connection: FastCgiConnection, { timeout, isOdd }: { timeout: number; isOdd: boolean }) {
    this.#connection = toStreams(connection);
    this.#timeout = timeout;
    this.isOdd = isOdd;
    this.#writer = this.#connection.writable.getWriter();
    this.#writer.closed.catch(() => {});
    void this.#read();
  }

  /** Sends records in one piece. */
  send(...records: FastCgiRecord[]): Promise<void> {
    for (const { type, requestId } of records) if (type === RecordType.BeginRequest) this.ids.add(requestId);
    return this.sendPieces([encodeRecords(records)], ...describeRecords(records));
  }

  /** Sends bytes, each piece by itself. The report shows `description` in their place. */
  async sendPieces(pieces: Iterable<Uint8Array>, ...description: string[]): Promise<void> {
    this.#sent.push(...description);
    let count = 0;
    for (const piece of pieces) {
      // Pieces that are written in the same turn could leave in one TCP segment.
      if (count++ > 0) await new Promise((resolve) => setImmediate(resolve));
      // An application that no longer reads, or is gone, is found by what it answers.
      if (!(await this.#settles(this.#writer.write(piece)))) return;
    }
  }

  /** Ends the connection's input. */
  async halfClose(): Promise<void> {
    this.#sent.push("end of the connection's input");
    await this.#settles(this.#writer.close());
  }

  /** Waits until `enough` returns true. Resolves with false if the application closes or the time is over before. */
  async until(enough: () => boolean, timeout: number = this.#timeout): Promise<boolean> {
    const deadline = performance.now() + timeout;
    while (!enough() && !this.isClosed) {
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
    return this.until(() => this.isClosed, timeout);
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
    return this.#headers.reserved;
  }

  /** Why a request got no end, in words. */
  get silence(): string {
    if (this.unreadable !== null) return this.unreadable;
    return this.isClosed ? "the connection was closed" : `nothing came for ${this.#timeout} ms`;
  }

  close(): void {
    this.#isClosedByUs = true;
    void this.#connection.close();
  }

  log(): ConversationLog {
    const came = describeRecords(this.records);
    if (this.unreadable !== null) came.push(this.unreadable);
    if (this.isClosed) came.push("closed");
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
      if (error instanceof FastCgiError && !this.#isClosedByUs) this.unreadable ??= error.message;
    }
    this.isClosed ||= !this.#isClosedByUs;
    this.#notify();
  }

  #take(chunk: Uint8Array): void {
    if (this.unreadable !== null) return;
    this.#headers.push(chunk);
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
