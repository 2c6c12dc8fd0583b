// Prints without waiting for the reader: what waits is bounded, and what is left out is counted. A write to a terminal holds up the whole
// process (Ctrl+S), and so does one to a file on a slow disk; so the bytes go to the descriptor, by another thread.

import { write } from "node:fs";
import type { Output } from "../frame/command.ts";

/** The most characters that wait to be written: some seconds of a busy site. */
const MAX_WAITING = 4 * 1024 * 1024;
/** Milliseconds until a full pipe is tried again. */
const RETRY_TIME = 20;

export class Printer {
  readonly #write: (text: string) => Promise<void>;
  readonly #onSkipped: (lines: number) => string;
  readonly #onClosed: () => void;
  #waiting: string[] = [];
  #length = 0;
  #skipped = 0;
  #writing: Promise<void> | null = null;
  #isClosed = false;

  /**
   * @param onSkipped Makes the line that says how many lines were not printed.
   * @param onClosed Called when the reader has left.
   */
  constructor(output: Output, onSkipped: (lines: number) => string, onClosed: () => void) {
    const { descriptor } = output;
    this.#write = descriptor === undefined ? (text) => output.write(text) : (text) => writeTo(descriptor, text);
    this.#onSkipped = onSkipped;
    this.#onClosed = onClosed;
  }

  /** Prints all lines, or none. */
  print(lines: readonly string[]): void {
    if (lines.length === 0 || this.#isClosed) return;
    if (this.#length > MAX_WAITING) {
      this.#skipped += lines.length;
      return;
    }
    for (const line of lines) {
      this.#waiting.push(line);
      this.#length += line.length + 1;
    }
    this.#writing ??= this.#writeAll();
  }

  /** Resolves when everything is written. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#waiting.length > 0 || this.#skipped > 0) {
        const lines = this.#waiting.splice(0);
        if (this.#skipped > 0) lines.push(this.#onSkipped(this.#skipped));
        this.#skipped = 0;
        const text = `${lines.join("\n")}\n`;
        await this.#write(text);
        this.#length = this.#waiting.reduce((sum, line) => sum + line.length + 1, 0);
      }
    } catch {
      this.#isClosed = true;
      this.#waiting = [];
      this.#onClosed();
    }
    this.#writing = null;
  }
}

/** Writes a text to a descriptor, and waits while a pipe is full. */
async function writeTo(descriptor: number, text: string): Promise<void> {
  const bytes = Buffer.from(text);
  for (let offset = 0; offset < bytes.length; ) {
    try {
      offset += await new Promise<number>((resolve, reject) => {
        write(descriptor, bytes, offset, (error, written) => (error ? reject(error) : resolve(written)));
      });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_TIME));
    }
  }
}
