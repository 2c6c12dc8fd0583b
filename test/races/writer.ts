// The writer of a connection, with a transport that takes, holds up and fails writes when it is told to.

import { RecordType } from "../../src/toolkit.ts";
import type { ByteChannel } from "../../src/transport/byte_channel.ts";
import { RecordWriter } from "../../src/transport/record_writer.ts";
import type { FakeClock } from "../fuzz/clock.ts";
import { concatenated, textOf } from "../fuzz/mutations.ts";
import { must, RecordReader } from "../fuzz/wire.ts";
import { record } from "../support/records.ts";
import { mustSettle, type World, type WorldKind } from "./explore.ts";

const MAX_WRITES = 4;

class WriterWorld implements World {
  readonly #clock: FakeClock;
  readonly #writer: RecordWriter;
  /** What the transport has taken, or will. */
  readonly #given: Uint8Array[] = [];
  readonly #pending: Promise<void>[] = [];
  readonly #closings: Promise<void>[] = [];
  /** Records that the writer took on. */
  readonly #written: string[] = [];
  #isHeld = false;
  #busy: { resolve(): void; reject(error: Error): void } | null = null;
  #isEnded = false;
  #hasFailed = false;
  #breaksOff = false;
  #errors = 0;
  #fault: string | null = null;

  constructor(clock: FakeClock) {
    this.#clock = clock;
    const transport = {
      write: (pieces: readonly Uint8Array[]) => this.#take(pieces),
      end: () => {
        this.#isEnded = true;
        return Promise.resolve();
      },
      close: () => {},
    };
    this.#writer = new RecordWriter(transport as unknown as ByteChannel, {
      options: { writeTimeout: 60_000 },
      isShared: false,
      onWriteError: () => void this.#errors++,
    });
  }

  enabled(): string {
    const writes = this.#written.length < MAX_WRITES ? "wW" : "";
    const transport = this.#busy === null ? (this.#isHeld ? "d" : "h") : "df";
    return `${writes}${transport}icbF${this.#clock.pending > 0 ? "t" : ""}`;
  }

  do(operation: string): void {
    switch (operation) {
      case "w":
      case "W": {
        const text = `<${this.#written.length}>`;
        const isOver = this.#writer.hasFailed || this.#closings.length > 0;
        const batch = this.#writer.write([record(RecordType.Stdout, 1, text)], operation === "W");
        if (batch.taken !== undefined) this.#pending.push(batch.taken);
        this.#written.push(isOver ? "" : text);
        return;
      }
      case "h":
        this.#isHeld = true;
        return;
      case "d":
        this.#isHeld = false;
        this.#busy?.resolve();
        this.#busy = null;
        return;
      case "f":
        this.#hasFailed = true;
        this.#busy?.reject(new Error("The transport failed"));
        this.#busy = null;
        return;
      case "i":
        this.#pending.push(this.#writer.idle());
        return;
      case "c":
        this.#closings.push(this.#writer.close());
        return;
      case "b":
        this.#breaksOff ||= !this.#isEnded && !this.#writer.hasFailed;
        this.#closings.push(this.#writer.breakOff());
        return;
      case "F":
        this.#hasFailed = true;
        this.#writer.fail(new Error("It is given up"));
        return;
      case "t":
        this.#clock.fire();
    }
  }

  async finish(): Promise<void> {
    if (this.#isHeld) this.do("d");
    for (const each of this.#pending) await mustSettle(this.#clock, each, "What was written");
    this.#closings.push(this.#writer.close());
    for (const each of this.#closings) await mustSettle(this.#clock, each, "close()");
    must(this.#fault === null, `${this.#fault}`);
    must(this.#errors <= 1, `onError was called ${this.#errors} times`);
    must(this.#writer.hasFailed || this.#writer.pendingBytes === 0, `${this.#writer.pendingBytes} bytes are pending`);
    must(this.#isEnded || this.#writer.hasFailed, "The output has no end");
    const bytes = concatenated(...this.#given);
    const reader = new RecordReader();
    const text = textOf(reader.read(bytes).map(({ content }) => content));
    const wanted = this.#written.join("");
    must(wanted.startsWith(text), `${text} was written, of ${wanted}`);
    if (!this.#writer.hasFailed) must(text === wanted, `Only ${text} was written, of ${wanted}`);
    const { rest } = reader;
    must(rest.length === 0 || (this.#breaksOff && rest.length === 8), `${rest.length} bytes are no record`);
    if (this.#breaksOff && !this.#writer.hasFailed) must(rest.length === 8, "The output does not look broken off");
    must(this.#clock.pending === 0, `${this.#clock.pending} timers run at the end`);
  }

  #take(pieces: readonly Uint8Array[]): Promise<void> | undefined {
    if (this.#busy !== null) this.#fault = "The transport was given a write while it was busy";
    if (this.#isEnded) this.#fault = "The transport was given a write behind its end";
    if (this.#hasFailed && this.#errors > 0) this.#fault = "The transport was given a write when it had failed";
    this.#given.push(concatenated(...pieces));
    if (!this.#isHeld) return undefined;
    return new Promise((resolve, reject) => {
      this.#busy = { resolve, reject };
    });
  }
}

/** A RecordWriter and its transport. */
export const writerWorld: WorldKind = { name: "writer", make: (clock) => new WriterWorld(clock) };
