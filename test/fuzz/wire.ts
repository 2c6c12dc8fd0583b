// One end of a connection, given to the library; the other end is the fuzzer's, which decides about every byte.

import fc from "fast-check";
import type { ByteChannel, ByteChannelEvents, FastCgiConnection } from "../../src/toolkit.ts";
import { concatenated } from "./mutations.ts";

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
    const all = this.#rest.length === 0 ? bytes : concatenated(this.#rest, bytes);
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

/** What a connection is to the library. */
export type Transport = "streams" | "channel" | "channel that resets";

/** What the library's `close()` of a connection does, apart from closing it. A channel's only returns. */
export type ClosingHabit = "returns" | "throws" | "rejects" | "never resolves";

/** How a {@linkcode Wire} behaves. */
export interface WireOptions {
  readonly transport: Transport;
  readonly closing: ClosingHabit;
}

/** All forms of connections. */
export const anyTransport: fc.Arbitrary<Transport> = fc.constantFrom("streams", "channel", "channel that resets");

/** All habits of connections. */
export const anyWire: fc.Arbitrary<WireOptions> = fc.record({
  transport: anyTransport,
  closing: fc.constantFrom("returns", "returns", "throws", "rejects", "never resolves"),
});

/** A connection whose other end the fuzzer holds. */
export class Wire {
  /** What the library gets. */
  readonly connection: FastCgiConnection;
  /** How the library's output stands. A reset tells the other end that it is not whole. */
  output: "open" | "ended" | "reset" = "open";
  /** Whether the library has closed the connection. */
  isClosed = false;
  /** Whether the other end has left, so that nothing can be said to it any more. */
  isGone = false;
  /** Whether it has always taken what was written. */
  hasAlwaysRead = true;
  readonly #onOutput: (bytes: Uint8Array) => void;
  readonly #closing: ClosingHabit;
  /** What was sent and is not read yet. */
  readonly #sent: Uint8Array[] = [];
  #isEndDue = false;
  /** Whether the library has read how the input ended. */
  #isInputOver = false;
  #isHeld = false;
  readonly #held: (() => void)[] = [];
  #failure: Error | null = null;
  /** Has the library's end look at what was sent. */
  #deliver: () => void = () => {};
  /** Tells the library's end that writing fails, and that all does; returns whether it hears of it. */
  #failOutput: (error: Error) => void = () => {};
  #breakInput: (error: Error) => boolean = () => true;
  readonly #onClosed: (() => void)[] = [];

  /** @param onOutput Gets what the library writes when the other end takes it. */
  constructor(onOutput: (bytes: Uint8Array) => void, { transport, closing }: WireOptions) {
    this.#onOutput = onOutput;
    this.#closing = closing;
    this.connection = transport === "streams" ? this.#streams() : this.#channel(transport === "channel that resets");
  }

  /** Sends bytes to the library. */
  send(bytes: Uint8Array): void {
    if (this.#isEndDue || this.#isInputOver) return;
    this.#sent.push(bytes.slice());
    this.#deliver();
  }

  /** Half-closes: the library reads an end of file. */
  end(): void {
    this.#isEndDue = true;
    this.#deliver();
  }

  /** Breaks both directions, as a reset does. */
  reset(): void {
    this.failWrites();
    if (this.#isInputOver) return;
    this.#isInputOver = true;
    this.#breakInput(new Error("The connection was reset"));
  }

  /** Lets what the library writes fail, while it can still read. */
  failWrites(): void {
    this.isGone = true;
    this.#failure = new Error("The pipe is broken");
    if (this.output === "open") this.#failOutput(this.#failure);
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
    if (this.isClosed || this.output !== "open") call();
    else this.#onClosed.push(call);
  }

  #streams(): FastCgiConnection {
    let input!: ReadableStreamDefaultController<Uint8Array>;
    let isAsked = false;
    let wake = (): void => {};
    this.#deliver = () => wake();
    this.#breakInput = (error) => {
      input.error(error);
      wake();
      return isAsked;
    };
    const readable = new ReadableStream<Uint8Array>(
      {
        start(controller) {
          input = controller;
        },
        pull: async () => {
          isAsked = true;
          while (this.#sent.length === 0 && !this.#isEndDue && !this.#isInputOver) {
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
          }
          if (this.#isInputOver) return;
          isAsked = false;
          const piece = this.#sent.shift();
          if (piece !== undefined) {
            input.enqueue(piece);
            return;
          }
          this.#isInputOver = true;
          input.close();
        },
        cancel: () => {
          this.#isInputOver = true;
          wake();
        },
      },
      { highWaterMark: 0 },
    );
    const writable = new WritableStream<Uint8Array>({
      start: (controller) => {
        this.#failOutput = (error) => controller.error(error);
      },
      write: (bytes) => this.#take([bytes]),
      close: () => this.#endOutput(),
    });
    const close = (): void | Promise<void> => {
      this.#close();
      if (this.#closing === "throws") throw new Error("This connection can't be closed");
      if (this.#closing === "rejects") return Promise.reject(new Error("This connection can't be closed"));
      if (this.#closing === "never resolves") return new Promise(() => {});
    };
    return { readable, writable, close };
  }

  #channel(canReset: boolean): FastCgiConnection {
    let events: ByteChannelEvents | null = null;
    let isPaused = false;
    let isDelivering = false;
    this.#deliver = async () => {
      if (isDelivering) return;
      isDelivering = true;
      // As by an event of a socket: not within a call.
      await null;
      isDelivering = false;
      while (events !== null && !isPaused && !this.#isInputOver && this.#sent.length > 0)
        events.onData(this.#sent.shift()!);
      if (events === null || isPaused || this.#isInputOver || !this.#isEndDue || this.#sent.length > 0) return;
      this.#isInputOver = true;
      events.onEnd();
    };
    this.#breakInput = (error) => {
      void Promise.resolve().then(() => {
        if (!this.isClosed) events?.onError(error);
      });
      return true;
    };
    const close = (): void => {
      events = null;
      this.#isInputOver = true;
      this.#close();
    };
    const channel: ByteChannel = {
      start: (given) => {
        events = given;
        this.#deliver();
      },
      pause() {
        isPaused = true;
      },
      resume: () => {
        isPaused = false;
        this.#deliver();
      },
      write: (pieces) => {
        if (this.#failure !== null) throw this.#failure;
        if (this.#isHeld) return this.#take(pieces);
        this.#onOutput(concatenated(...pieces));
        return undefined;
      },
      end: () => this.#endOutput(),
      close,
    };
    if (canReset) {
      channel.reset = () => {
        this.output = "reset";
        close();
        return true;
      };
    }
    return channel;
  }

  async #take(pieces: readonly Uint8Array[]): Promise<void> {
    // The library may use its buffers again.
    const bytes = concatenated(...pieces);
    await this.#room();
    if (!this.isClosed) this.#onOutput(bytes);
  }

  async #endOutput(): Promise<void> {
    await this.#room();
    this.output = "ended";
    this.#tellClosed();
  }

  #close(): void {
    this.isClosed = true;
    this.#release();
    this.#tellClosed();
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
