// One end of a connection, given to the library; the other end is the fuzzer's, which decides about every byte.

import type { FastCgiConnection } from "../../src/toolkit.ts";

/** A record as this folder reads it. */
export interface WireRecord {
  readonly type: number;
  readonly requestId: number;
  readonly content: Uint8Array;
}

/** Raised where the library has done what it must not do. */
export class Fault extends Error {
  override readonly name = "Fault";
}

/** @throws {Fault} `message`, unless `condition` holds. */
export function must(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Fault(message);
}

/** Cuts bytes into records. It has no line in common with the library, whose decoder might have the fault of its encoder. */
export class RecordReader {
  #rest: Uint8Array = new Uint8Array(0);
  #paddingDue = 0;

  /** The records whose content `bytes` complete. Stops for good before the first that is of another version. */
  read(bytes: Uint8Array): WireRecord[] {
    const all = new Uint8Array(this.#rest.length + bytes.length);
    all.set(this.#rest);
    all.set(bytes, this.#rest.length);
    const records: WireRecord[] = [];
    let at = this.#skipPadding(all, 0);
    while (all.length - at >= 8 && all[at] === 1) {
      const start = at + 8;
      const end = start + all[at + 4]! * 256 + all[at + 5]!;
      if (end > all.length) break;
      records.push({
        type: all[at + 1]!,
        requestId: all[at + 2]! * 256 + all[at + 3]!,
        content: all.slice(start, end),
      });
      this.#paddingDue = all[at + 6]!;
      at = this.#skipPadding(all, end);
    }
    this.#rest = all.slice(at);
    return records;
  }

  /** What came and belongs to no record that is whole. */
  get rest(): Uint8Array {
    return this.#rest;
  }

  /** Whether nothing is missing of the last record. */
  get isBetweenRecords(): boolean {
    return this.#rest.length === 0 && this.#paddingDue === 0;
  }

  #skipPadding(bytes: Uint8Array, at: number): number {
    const skipped = Math.min(this.#paddingDue, bytes.length - at);
    this.#paddingDue -= skipped;
    return at + skipped;
  }
}

/** What the library's `close()` of a connection does, apart from closing it. */
export type ClosingHabit = "returns" | "throws" | "rejects" | "never resolves";

/** A connection whose other end the fuzzer holds. */
export class Wire {
  /** What the library gets. */
  readonly connection: FastCgiConnection;
  /** How the library's output stands. */
  output: "open" | "ended" | "aborted" = "open";
  /** Whether the library has closed the connection. */
  isClosed = false;
  /** Whether the other end has left, so that nothing can be said to it any more. */
  isGone = false;
  /** Whether it has always taken what was written. */
  hasAlwaysRead = true;
  /** What was sent and not read yet. */
  readonly #sent: Uint8Array[] = [];
  #input!: ReadableStreamDefaultController<Uint8Array>;
  #isInputOver = false;
  #isPulled = false;
  #isResetUnread = false;
  #isEndDue = false;
  #onSent: () => void = () => {};
  #isHeld = false;
  #held: (() => void)[] = [];
  #failure: Error | null = null;
  #fail: (error: Error) => void = () => {};
  readonly #onClosed: (() => void)[] = [];

  /** @param onOutput Gets what the library writes when the other end takes it. */
  constructor(onOutput: (bytes: Uint8Array) => void, habit: ClosingHabit = "returns") {
    const readable = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#input = controller;
        },
        pull: async () => {
          this.#isPulled = true;
          if (this.#sent.length === 0 && !this.#isEndDue) {
            await new Promise<void>((resolve) => {
              this.#onSent = resolve;
            });
          }
          if (this.#isInputOver) return;
          this.#isPulled = false;
          const piece = this.#sent.shift();
          if (piece !== undefined) {
            this.#input.enqueue(piece);
            return;
          }
          this.#isInputOver = true;
          this.#input.close();
        },
        cancel: () => {
          this.#isInputOver = true;
        },
      },
      { highWaterMark: 0 },
    );
    const writable = new WritableStream<Uint8Array>({
      start: (controller) => {
        this.#fail = (error) => controller.error(error);
      },
      write: async (bytes) => {
        // The library may use its buffer again.
        const copy = bytes.slice();
        await this.#room();
        if (!this.isClosed) onOutput(copy);
      },
      close: async () => {
        await this.#room();
        this.output = "ended";
        this.#tellClosed();
      },
      abort: () => {
        if (this.output === "open") this.output = "aborted";
      },
    });
    const close = (): void | Promise<void> => {
      this.isClosed = true;
      this.#release();
      this.#tellClosed();
      if (habit === "throws") throw new Error("This connection can't be closed");
      if (habit === "rejects") return Promise.reject(new Error("This connection can't be closed"));
      if (habit === "never resolves") return new Promise(() => {});
    };
    this.connection = { readable, writable, close };
  }

  /** Sends bytes to the library. */
  send(bytes: Uint8Array): void {
    if (this.#isEndDue || this.#isInputOver) return;
    this.#sent.push(bytes.slice());
    this.#onSent();
  }

  /** Whether the library has not read all that was sent, and how it ended. */
  get isUnread(): boolean {
    return this.#isResetUnread || (!this.#isInputOver && (this.#sent.length > 0 || this.#isEndDue));
  }

  /** Half-closes: the library reads an end of file. */
  end(): void {
    this.#isEndDue = true;
    this.#onSent();
  }

  /** Breaks both directions, as a reset does. */
  reset(): void {
    this.failWrites();
    this.#isResetUnread = !this.#isPulled && !this.#isInputOver;
    if (!this.#isInputOver) this.#input.error(new Error("The connection was reset"));
    this.#isInputOver = true;
    this.#onSent();
  }

  /** Lets what the library writes fail, while it can still read. */
  failWrites(): void {
    this.isGone = true;
    this.#failure = new Error("The pipe is broken");
    if (this.output === "open") this.#fail(this.#failure);
    this.#release();
  }

  /** Takes nothing from the library for now. */
  hold(): void {
    this.#isHeld = true;
    this.hasAlwaysRead = false;
  }

  /** Takes all again. */
  read(): void {
    this.#isHeld = false;
    this.#release();
  }

  /** Takes one write. */
  readOnce(): void {
    this.#held.shift()?.();
  }

  /** Calls when the library has closed its side or all. */
  onClosed(call: () => void): void {
    if (this.isClosed || this.output === "ended") call();
    else this.#onClosed.push(call);
  }

  async #room(): Promise<void> {
    if (this.#isHeld && !this.isClosed) await new Promise<void>((resolve) => this.#held.push(resolve));
    if (this.#failure !== null) throw this.#failure;
  }

  #release(): void {
    for (const resolve of this.#held.splice(0)) resolve();
  }

  #tellClosed(): void {
    for (const call of this.#onClosed.splice(0)) call();
  }
}
