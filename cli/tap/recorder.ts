// Writes what crosses the wire into a file. A disk that is too slow, or full, holds nothing up: what does not fit is counted.

import { constants, type FileHandle } from "node:fs/promises";
import { UsageError } from "../frame/command.ts";
import { openFile } from "../frame/open_file.ts";
import { recordingHeader, recordingLine } from "../wire/recording.ts";
import type { Party, TraceEvent } from "../wire/trace.ts";

/** The most characters that wait for the disk. Beyond, bytes are left out. */
const MAX_WAITING = 64 * 1024 * 1024;
/** What else happens on connections is little, but not nothing: beyond, the recording ends. */
const MAX_EVER = 2 * MAX_WAITING;

export class Recorder {
  readonly #file: FileHandle;
  readonly #isRegular: boolean;
  readonly #onError: (error: Error) => void;
  #waiting: string[] = [];
  #length = 0;
  #writing: Promise<void> | null = null;
  #hasBegun = false;
  #isClosed = false;
  /** Whether it ended early. */
  hasFailed = false;
  /** What was left out of each connection, until there is room again. */
  readonly #lost = new Map<string, { connection: number; from: Party; length: number }>();

  private constructor(file: FileHandle, isRegular: boolean, onError: (error: Error) => void) {
    this.#file = file;
    this.#isRegular = isRegular;
    this.#onError = onError;
  }

  /**
   * Opens the file, and leaves in it what it holds. Only this user can read it from now on, because the secrets will be in it.
   *
   * @param signal Ends the wait for the reader of a named pipe: rejects with its reason.
   * @param onError Called once, when nothing can be written any more.
   * @throws {UsageError} If the file can't be written.
   */
  static async open(path: string, signal: AbortSignal, onError: (error: Error) => void): Promise<Recorder> {
    const file = await openFile(path, "write", signal, constants.O_WRONLY | constants.O_CREAT, 0o600);
    try {
      // Not of a pipe or a device.
      const isRegular = (await file.stat()).isFile();
      if (isRegular) await file.chmod(0o600);
      return new Recorder(file, isRegular, onError);
    } catch (error) {
      await file.close();
      throw new UsageError(`Cannot write ${path}: ${(error as Error).message}`, { cause: error });
    }
  }

  /** Begins to write, in place of what the file holds. */
  begin(): void {
    const header = recordingHeader(new Date());
    this.#waiting.unshift(header);
    this.#length += header.length;
    this.#hasBegun = true;
    this.#writing = this.#writeAll(true);
  }

  take(event: TraceEvent): void {
    if (this.#isClosed) return;
    if (this.#length > MAX_EVER) {
      this.#fail(new Error(`the disk is too slow: ${MAX_EVER} characters wait for it`));
      return;
    }
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

  /** Whether what takes the bytes may stop for ever, as the reader of a pipe can. A disk does not. */
  get canStop(): boolean {
    return !this.#isRegular;
  }

  /** Ends a recording that is not taken any more. The file stays open, because a write to it waits. */
  giveUp(): void {
    this.#fail(new Error("what reads it takes no more"));
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
    if (this.#hasBegun) this.#writing ??= this.#writeAll(false);
  }

  async #writeAll(isFirst: boolean): Promise<void> {
    try {
      if (isFirst && this.#isRegular) await this.#file.truncate();
      while (this.#waiting.length > 0) {
        const text = this.#waiting.splice(0).join("");
        await this.#file.appendFile(text);
        this.#length -= text.length;
      }
    } catch (error) {
      this.#fail(error as Error);
    }
    this.#writing = null;
  }

  #fail(error: Error): void {
    if (this.hasFailed) return;
    this.hasFailed = true;
    this.#isClosed = true;
    this.#waiting = [];
    this.#lost.clear();
    this.#onError(error);
  }
}
