// A disk that is soon full. Only root may mount one, and seldom in a container: elsewhere each program gets a limit for the size of its
// files (`ulimit -f`), which fails a write in the same place.

import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Bytes of the disk, or of each file. */
export const SMALL_DISK = 512 * 1024;

export interface SmallDisk {
  readonly path: string;
  /** Starts a program that can store little here. */
  readonly command: (program: string, args: readonly string[]) => [program: string, args: readonly string[]];
  remove(): Promise<void>;
}

/** Makes a small disk of a path where nothing is. */
export async function createSmallDisk(path: string): Promise<SmallDisk> {
  await mkdir(path);
  const mounted = await run("mount", ["-t", "tmpfs", "-o", `size=${SMALL_DISK}`, "tmpfs", path]).then(
    () => true,
    () => false,
  );
  if (mounted) {
    return {
      path,
      command: (program, args) => [program, args],
      async remove() {
        await run("umount", ["-l", path]);
      },
    };
  }
  // POSIX: in blocks of 512 bytes. The signal that comes with the error ends a program that does not ignore it.
  const limit = `trap '' XFSZ; ulimit -f ${SMALL_DISK / 512} && exec "$@"`;
  return {
    path,
    command: (program, args) => ["sh", ["-c", limit, "sh", program, ...args]],
    async remove() {},
  };
}
