// Writes what crosses the wire into a file. A disk that is too slow, or full, holds nothing up: what does not fit is counted.

import { type FileHandle, open } from "node:fs/promises";
import { UsageError } from "../frame/command.ts";
import { recordingHeader, recordingLine } from "../wire/recording.ts";
import type { Party, TraceEvent } from "../wire/trace.ts";

/** The most characters that wait for the disk. */
const MAX_WAITING = 64 * 1024 * 1024;

export class Recorder {
  readonly #file: FileHandle;
  readonly #onError: (error: Error) => void;
  #waiting: string[] = [];
  #length = 0;
  #writing: Promise<void> | null = null;
  #isClosed = false;
  /** What was left out of each connection, until there is room again. */
  #lost = new Map<string, { connection: number; from: Party; length: number }>();

  private constructor(file: FileHandle, onError: (error: Error) => void) {
    this.#file = file;
    this.#onError = onError;
  }

  /**
   * Begins a recording. Only this user can read it, because the secrets are in it.
   *
   * @param onError Called once, when nothing can be written any more.
   * @throws {UsageError} If the file can't be written.
   */
  static async open(path: string, onError: (error: Error) => void): Promise<Recorder> {
    try {
      const file = await open(path, "w", 0o600);
      await file.chmod(0o600).catch(() => {}); // It may be a device.
      await file.write(recordingHeader(new Date()));
      return new Recorder(file, onError);
    } catch (error) {
      throw new UsageError(`Cannot write ${path}: ${(error as Error).message}`, { cause: error });
    }
  }

  take(event: TraceEvent): void {
    if (this.#isClosed) return;
    if (event.what === "bytes" && this.#length > MAX_WAITING) {
      const { connection, from, bytes } = event;
      const key = `${connection} ${from}`;
      const length = (this.#lost.get(key)?.length ?? 0) + bytes.length;
      this.#lost.set(key, { connection, from, length });
      return;
    }
    for (const [key, lost] of this.#lost) {
      if (lost.connection !== event.connection) continue;
      this.#lost.delete(key);
      this.#add(recordingLine({ time: event.time, what: "lost", ...lost }));
    }
    this.#add(recordingLine(event));
  }

  /** Writes the rest. */
  async close(): Promise<void> {
    await this.#writing;
    this.#isClosed = true;
    await this.#file.close();
  }

  #add(line: string): void {
    this.#waiting.push(line);
    this.#length += line.length;
    this.#writing ??= this.#writeAll();
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const text = this.#waiting.splice(0).join("");
        await this.#file.appendFile(text);
        this.#length -= text.length;
      }
    } catch (error) {
      this.#isClosed = true;
      this.#waiting = [];
      this.#onError(error as Error);
    }
    this.#writing = null;
  }
}
