// Files of Unix sockets. The runtimes with Unix sockets all have node:fs.

import { lstatSync, type Stats, statSync, unlinkSync } from "node:fs";
import { platform } from "node:os";
import type { OpenSocket, SystemError } from "../shared/connect.ts";
import { cannotListen } from "./listen_error.ts";

/**
 * A path that is too long is cut without a word, and then it is another socket. 108 bytes with the zero at the end on Linux, 104
 * on macOS and BSD; a name of a pipe on Windows is none of this.
 */
export function checkSocketPath(path: string, verb: string): void {
  if (path === "") throw new TypeError(`Cannot ${verb} a socket: its path is empty`);
  const system = platform();
  const most = system === "linux" ? 107 : 103;
  const { length } = new TextEncoder().encode(path);
  if (length <= most || system === "win32") return;
  throw new TypeError(`Cannot ${verb} ${path}: the path of a socket may have ${most} bytes, this one has ${length}`);
}

/** Linux refuses a connection to a file of another kind as it does where nobody listens. */
export function codeOfUnixError(error: SystemError, path: string): string | undefined {
  const isFile = error.code === "ECONNREFUSED" && statSync(path, { throwIfNoEntry: false })?.isSocket() === false;
  return isFile ? "ENOTSOCK" : error.code;
}

/** Removes a socket file that a dead process left. A file that is not a socket, or that answers, stays. */
export async function removeStale(path: string, open: OpenSocket<string>): Promise<void> {
  let stat: Stats | undefined;
  try {
    stat = lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw cannotListen(path, error as SystemError);
  }
  if (stat === undefined) return;
  if (!stat.isSocket()) throw new Error(`Cannot listen on ${path}: the file exists and is not a socket`);
  if (await answers(path, open))
    throw new Error(`Cannot listen on ${path}: another process listens there (EADDRINUSE)`);
  unlinkSync(path);
}

async function answers(path: string, open: OpenSocket<string>): Promise<boolean> {
  try {
    const connection = await open(path, new AbortController().signal);
    await connection.close();
    return true;
  } catch (error) {
    const { code } = error as SystemError;
    if (code === "ECONNREFUSED" || code === "ENOENT") return false;
    // EAGAIN: its backlog is full, so somebody is there. Anything else is not ours to judge.
    if (code === "EAGAIN") return true;
    throw cannotListen(path, error as SystemError);
  }
}
