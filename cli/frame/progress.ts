import type { Output } from "./command.ts";

/** Milliseconds between two changes of the line. */
const INTERVAL = 100;

/** A line on a terminal that says how far a command is. Elsewhere nothing is printed. */
export class Progress {
  readonly #output: Output;
  #shownAt = Number.NEGATIVE_INFINITY;
  #isShown = false;

  constructor(output: Output) {
    this.#output = output;
  }

  /** Shows a text, unless the last one was shown a moment ago. */
  show(text: () => string): void {
    const now = performance.now();
    if (!this.#output.isTerminal || now - this.#shownAt < INTERVAL) return;
    this.#shownAt = now;
    this.#isShown = true;
    this.#write(`\r${text().slice(0, this.#output.columns - 1)}\u001b[K`);
  }

  /** Takes the line away. Called before anything else is printed. */
  clear(): void {
    if (!this.#isShown) return;
    this.#isShown = false;
    this.#shownAt = Number.NEGATIVE_INFINITY;
    this.#write("\r\u001b[K");
  }

  #write(text: string): void {
    // Nothing depends on it.
    void this.#output.write(text).catch(() => {});
  }
}

const UNITS = ["kB", "MB", "GB"] as const;

/** A number of bytes for people. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  let [value, unit] = [bytes / 1000, 0];
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value.toFixed(1)} ${UNITS[unit]}`;
}
