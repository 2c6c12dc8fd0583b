import { type FileHandle, open } from "node:fs/promises";
import { UsageError } from "./command.ts";
import { untilAborted } from "./signal.ts";

/**
 * Opens a file. Rejects with the reason of `signal` when that aborts first: a named pipe is open only when another process has opened
 * its other end. A command that ends then calls `endSoon`, or ends with EXIT_INTERRUPTED.
 *
 * @param flags Those of open(2). Without them, a file to write is emptied.
 * @throws {UsageError} If the file can't be opened.
 */
export async function openFile(
  path: string,
  task: "read" | "write",
  signal: AbortSignal,
  flags: string | number = task === "read" ? "r" : "w",
  mode = 0o666,
): Promise<FileHandle> {
  if (path === "") throw new UsageError(`Cannot ${task} a file: its name is empty`);
  const opening = open(path, flags, mode);
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
