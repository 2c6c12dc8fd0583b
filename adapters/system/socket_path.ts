// Paths that a Unix socket can have. Runtimes cut off a path that is too long and give no error: the socket then has another path.

import { symlinkSync, unlinkSync } from "node:fs";
import { platform } from "node:os";
import { join, resolve } from "node:path";
import { shown, unexpected } from "../../src/base/unexpected.ts";

/** The folder for links to long folders: the shortest one that every Unix lets every user write to. */
const SHORT_FOLDER = "/tmp";

/**
 * Whether the system refuses a connection to a socket whose queue of connections is full with the same error (ECONNREFUSED) as if no process
 * listened. All systems do but Linux, which says EAGAIN. Bun says ECONNREFUSED on Linux too.
 */
export const REFUSES_WHEN_FULL: boolean = platform() !== "linux";

/** 108 bytes with the zero at the end on Linux, 104 on macOS and BSD. The name of a pipe on Windows has no such limit. */
function mostBytes(): number {
  const system = platform();
  if (system === "win32") return Number.POSITIVE_INFINITY;
  return system === "linux" ? 107 : 103;
}

function lengthOf(path: string): number {
  return new TextEncoder().encode(path).length;
}

/** @throws {TypeError} If no socket can have this path. */
export function checkSocketPath(path: string, verb: string): void {
  if (typeof path !== "string" || path.includes("\0")) {
    throw unexpected(`Cannot ${verb} a socket: expected path to be a string without NUL`, path);
  }
  if (path === "") throw new TypeError(`Cannot ${verb} a socket: its path is empty`);
  const [most, length] = [mostBytes(), lengthOf(path)];
  if (length <= most) return;
  throw new TypeError(
    `Cannot ${verb} ${shown(path)}: the path of a socket may have ${most} bytes, this one has ${length}`,
  );
}

/** Whether a socket can have this path. */
export function fitsSocket(path: string): boolean {
  return lengthOf(path) <= mostBytes();
}

/**
 * Calls `use` with a path to `name` in `folder` that a socket can have: the path itself, or if that is too long, a path
 * through a symbolic link to the folder, which exists until `use` is done.
 */
export async function withSocketPath<Result>(
  folder: string,
  name: string,
  use: (path: string) => Promise<Result>,
): Promise<Result> {
  const path = join(folder, name);
  if (fitsSocket(path)) return use(path);
  const link = join(SHORT_FOLDER, `.${crypto.randomUUID().slice(0, 8)}`);
  symlinkSync(resolve(folder), link);
  try {
    return await use(join(link, name));
  } finally {
    unlinkSync(link);
  }
}
