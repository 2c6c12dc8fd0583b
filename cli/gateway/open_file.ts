// Opens the file that a path leads to. A link may change at any moment, so what was found out about a path before the file is opened
// says nothing of the file that is sent: that is asked of the open file.

import { constants, type Stats } from "node:fs";
import { type FileHandle, open, readlink } from "node:fs/promises";
import type { FolderOnDisk, PathOnDisk } from "../../adapters/system/folder_on_disk.ts";

/** An open file that a path leads to, by the rules of the folder. */
export interface OpenFile {
  readonly handle: FileHandle;
  /** Its path, with links followed. */
  readonly target: string;
  /** Its path inside the folder, or inside the one that a link leads to. */
  readonly inside: string;
  readonly stats: Stats;
  /** Closes it; again does nothing. */
  close(): Promise<void>;
}

/** A path that leads to something. */
export type FoundPath = Extract<PathOnDisk, { kind: "there" }>;

/** No link at its end is followed, and no named pipe is waited for. Windows has neither flag. */
const FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** What `open` says if the path has another file, or none, since it was looked for. */
const HAS_CHANGED: ReadonlySet<string> = new Set(["ENOENT", "ENOTDIR", "ELOOP", "EMLINK"]);

/** How often a path is looked for that has changed each time. */
const MAX_TRIES = 10;

/**
 * Opens the file that `path` leads to. Null if there is none, or if it is no file that the folder's rules allow.
 *
 * @param first What was found at the path, if it was looked for already.
 * @throws {Error} If this user may not read it, or the disk fails.
 */
export async function openFile(files: FolderOnDisk, path: string, first?: PathOnDisk): Promise<OpenFile | null> {
  let found = first ?? (await files.find(path));
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    if (found.kind !== "there" || !found.stats.isFile()) return null;
    const opened = await openFound(found);
    if (opened !== null) return opened;
    found = await files.find(path);
  }
  return null;
}

/** Null if it is another file than the one that was found. */
async function openFound({ target, inside, stats: found }: FoundPath): Promise<OpenFile | null> {
  const handle = await open(target, FLAGS).catch((error: NodeJS.ErrnoException) => {
    if (HAS_CHANGED.has(error.code ?? "")) return null;
    throw error;
  });
  if (handle === null) return null;
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= handle.close();
    return closed;
  };
  try {
    const stats = await handle.stat();
    if (stats.isFile() && (await isAt(handle, stats, target, found))) return { handle, target, inside, stats, close };
  } catch (error) {
    await close();
    throw error;
  }
  await close();
  return null;
}

/**
 * Whether an open file is the one with this path. Linux says which path it has. Other systems say only which file it is, and the path was
 * looked up twice: a folder that was exchanged for a link between both, and back again, is not noticed there.
 */
async function isAt({ fd }: FileHandle, { dev, ino }: Stats, target: string, found: Stats): Promise<boolean> {
  const path = await readlink(`/proc/self/fd/${fd}`).catch(() => null);
  return path === null ? dev === found.dev && ino === found.ino : path === target;
}
