// Files of Unix sockets. The runtimes with Unix sockets all have node:fs.

import {
  type BigIntStats,
  chmodSync,
  linkSync,
  lstatSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  unlinkSync,
} from "node:fs";
import { platform } from "node:os";
import { dirname, join } from "node:path";
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

/**
 * The file of a socket that listens. The socket is made under a name of its own, and gets its path when it listens and has its mode:
 * whoever connects finds somebody there, also while one process takes over from another. Runtimes that remove the file of a socket
 * that they close know that first name only, and so don't remove somebody else's.
 */
export class SocketFile {
  readonly #path: string;
  /** The name to make the socket with. In the same folder, as a file can't get a name on another disk. */
  readonly firstName: string;
  #own: BigIntStats | undefined;

  constructor(path: string) {
    this.#path = path;
    this.firstName = join(dirname(path), `.${Math.random().toString(36).slice(2, 8)}`);
    checkSocketPath(this.firstName, "listen on");
  }

  /** Refuses a path that is not ours to take, and removes a socket file that a dead process left. */
  async checkPath(open: OpenSocket<string>, takeOver: boolean): Promise<void> {
    const path = this.#path;
    let stat: Stats | undefined;
    try {
      stat = lstatSync(path, { throwIfNoEntry: false });
    } catch (error) {
      throw cannotListen(path, error as SystemError);
    }
    if (stat === undefined) return;
    if (!stat.isSocket()) throw new Error(`Cannot listen on ${path}: the file exists and is not a socket`);
    if (takeOver) return;
    if (await answers(path, open)) {
      throw new Error(`Cannot listen on ${path}: another process listens there (EADDRINUSE)`);
    }
    unlinkSync(path);
  }

  /** Gives the socket its path. Only to take over it replaces what is there. */
  publish(mode: number, takeOver: boolean): void {
    chmodSync(this.firstName, mode);
    this.#own = lstatSync(this.firstName, { bigint: true });
    if (takeOver) renameSync(this.firstName, this.#path);
    else linkSync(this.firstName, this.#path);
  }

  removeFirstName(): void {
    rmSync(this.firstName, { force: true });
  }

  /** Removes the file, unless another process has taken the path over. To be called while the socket listens. */
  remove(): void {
    const found = lstatSync(this.#path, { bigint: true, throwIfNoEntry: false });
    if (found?.ino === this.#own?.ino && found?.dev === this.#own?.dev) rmSync(this.#path, { force: true });
  }
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
