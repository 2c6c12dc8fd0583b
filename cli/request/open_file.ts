import { type FileHandle, open } from "node:fs/promises";
import { UsageError } from "../frame/command.ts";
import { untilAborted } from "../frame/signal.ts";

/**
 * Opens a file. Rejects with the reason of `signal` when that aborts first: a named pipe is open only when another process has opened
 * its other end.
 *
 * @throws {UsageError} If the file can't be opened.
 */
export async function openFile(path: string, task: "read" | "write", signal: AbortSignal): Promise<FileHandle> {
  const opening = open(path, task === "read" ? "r" : "w");
  try {
    return await untilAborted(opening, signal);
  } catch (error) {
    if (!signal.aborted) throw new UsageError(`Cannot ${task} ${path}: ${(error as Error).message}`, { cause: error });
    opening.then(
      (file) => file.close(),
      () => {},
    );
    throw error;
  }
}
