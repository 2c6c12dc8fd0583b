// Which file a path leads to.

import { type BigIntStats, lstatSync } from "node:fs";
import type { SystemError } from "../shared/connect.ts";

/** Identifies a file as long as it exists or a socket of it listens. */
export type FileId = Pick<BigIntStats, "dev" | "ino">;

/** What was found at a path. */
export type FoundFile = BigIntStats;

/** The file at a path; undefined if there is none. */
export function fileAt(path: string): FoundFile | undefined {
  try {
    return lstatSync(path, { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    // A file has come in the place of the folder.
    if ((error as SystemError).code === "ENOTDIR") return undefined;
    throw error;
  }
}

/** Identifies the file at a path; undefined if there is none. */
export function idOf(path: string): FileId | undefined {
  return fileAt(path);
}

/** Whether a path leads to a file. */
export function leadsTo(path: string, { dev, ino }: FileId): boolean {
  const found = idOf(path);
  return found !== undefined && found.ino === ino && found.dev === dev;
}

/** Whether what was found at a path is still there. A new file often gets the number (inode) of one that was just removed. */
export function isUnchanged(path: string, { dev, ino, mode, ctimeNs }: FoundFile): boolean {
  const found = fileAt(path);
  if (found === undefined) return false;
  return found.ino === ino && found.dev === dev && found.mode === mode && found.ctimeNs === ctimeNs;
}
