// Prints without waiting for the reader: what waits is bounded, and what is left out is counted. A write to a terminal holds up the whole
// process (Ctrl+S), and so does one to a file on a slow disk; so the bytes go to the descriptor, by another thread.

import { write } from "node:fs";
import type { Output } from "./command.ts";

/** The most characters that wait to be written: some seconds of a busy site. */
const MAX_WAITING = 4 * 1024 * 1024;
/** Milliseconds until a full pipe is tried again. */
const RETRY_TIME = 20;
/** Milliseconds that readers have at the end. */
const FLUSH_TIME = 1000;

/** What a full disk says. It may have room again. */
const IS_FULL: ReadonlySet<unknown> = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

export class Printer {
  readonly #write: (text: string) => Promise<void>;
  readonly #onSkipped: (lines: number) => string;
  readonly #onClosed: () => void;
  #waiting: string[] = [];
  #length = 0;
  #skipped = 0;
  #writing: Promise<void> | null = null;
  #isClosed = false;
  /** Whether the last line may have been written in part. */
  #isCut = false;

  /**
   * @param onSkipped Makes the line that says how many lines were not printed.
   * @param onClosed Called when the reader has left.
   */
  constructor(output: Output, onSkipped: (lines: number) => string, onClosed: () => void = () => {}) {
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
    while (this.#waiting.length > 0 || this.#skipped > 0) {
      const lines = this.#waiting.splice(0);
      const skipped = this.#skipped;
      this.#skipped = 0;
      const shown = skipped > 0 ? [...lines, this.#onSkipped(skipped)] : lines;
      try {
        await this.#write(`${this.#isCut ? "\n" : ""}${shown.join("\n")}\n`);
        this.#isCut = false;
      } catch (error) {
        if (IS_FULL.has((error as NodeJS.ErrnoException).code)) {
          // The next line tries again, and says how many are missing.
          this.#skipped += skipped + lines.length + this.#waiting.splice(0).length;
          this.#length = 0;
          this.#isCut = true;
        } else {
          this.#isClosed = true;
          this.#waiting = [];
          this.#onClosed();
        }
        break;
      }
      this.#length = this.#waiting.reduce((sum, line) => sum + line.length + 1, 0);
    }
    this.#writing = null;
  }
}

/**
 * Waits until everything is written, but not for a reader that has stopped. Resolves with whether it is; if it is not, `endSoon` must end
 * the process, which a thread that writes would keep.
 */
export function flushed(printers: readonly Printer[]): Promise<boolean> {
  return isInTime(Promise.all(printers.map((printer) => printer.flush())));
}

/** Waits for what can be late. Resolves with whether it was in time. */
export async function isInTime(done: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(resolve, FLUSH_TIME, "late");
  });
  const how = await Promise.race([done, late]);
  clearTimeout(timer);
  return how !== "late";
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
