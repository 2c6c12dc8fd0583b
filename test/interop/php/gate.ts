import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { waitUntil } from "../../support/process.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../../support/temporary_directory.ts";

/** Holds gate.php at each chunk until the test lets it go on: no test of order needs a clock. */
export class Gate {
  readonly #directory: TemporaryDirectory;

  private constructor(directory: TemporaryDirectory) {
    this.#directory = directory;
  }

  static async create(): Promise<Gate> {
    return new Gate(await createTemporaryDirectory("gate"));
  }

  /** The query of gate.php. */
  query(chunks: number): string {
    return `directory=${this.#directory.path}&chunks=${chunks}`;
  }

  /** Lets one chunk out, or all. */
  async open(chunk: number | "all"): Promise<void> {
    await writeFile(join(this.#directory.path, `${chunk}`), "");
  }

  /** Waits until the script runs: the id of its process. */
  async started(): Promise<number> {
    return Number(await this.#told("started"));
  }

  /** Waits until the script has sent a chunk: the id of its process. */
  async hasSent(chunk: number): Promise<number> {
    return Number(await this.#told(`sent-${chunk}`));
  }

  /** Whether the script is over. */
  get isOver(): boolean {
    return existsSync(join(this.#directory.path, "end"));
  }

  /** Waits for the end of the script: "aborted" if its connection was closed before. */
  async ended(): Promise<string> {
    return this.#told("end");
  }

  /** Lets the script run to its end, so that the worker is free again, and cleans up. */
  async remove(): Promise<void> {
    await this.open("all");
    await this.#directory.remove();
  }

  async #told(name: string): Promise<string> {
    const path = join(this.#directory.path, name);
    await waitUntil(() => existsSync(path), { message: `gate.php has not told its ${name}` });
    return readFileSync(path, "utf8");
  }
}
