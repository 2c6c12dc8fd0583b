// The file of a listening Unix socket.
//
// The socket is made in a private folder. It gets its permissions there, and its path only when it listens. So a web server that connects to
// the path always finds a process that listens, also while one process takes over from another, and the file never has more permissions
// than it should have. Some runtimes remove the file of a socket that they close: they know only the private name, so they can't remove the
// file of another process.

import { type BigIntStats, chmodSync, linkSync, lstatSync, renameSync, unlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { ListenError } from "./listen_error.ts";
import { LOCK_NAME, type LockSockets, socketExists, visitSocket, withPathLock } from "./path_lock.ts";
import { fitsSocket, withSocketPath } from "./socket_path.ts";

/** The name of the socket in the private folder, if the name that it will have is too long there or is the lock's. */
const SHORT_NAME = "socket";

/** Options of {@linkcode bindSocketFile}. */
export interface SocketFileOptions {
  /** The permissions of the file. */
  readonly mode: number;
  /** Whether to replace the socket of a living process. */
  readonly takeOver: boolean;
}

/** A socket that listens on its path. */
export interface SocketFile<Socket> {
  readonly socket: Socket;
  /** Removes the file, unless another process has taken the path over. */
  remove(): Promise<void>;
}

/** Identifies a file as long as it exists or a socket of it listens. */
export type FileId = Pick<BigIntStats, "dev" | "ino">;

/**
 * Listens on a path that is free or has the socket file of a dead process. The file must be removed while the socket
 * listens.
 *
 * @param bind Listens on the given path.
 * @throws {Error} If the path leads to something else, or the system refuses.
 */
export function bindSocketFile<Socket extends { close(): Promise<void> }>(
  path: string,
  { mode, takeOver }: SocketFileOptions,
  sockets: LockSockets,
  bind: (path: string) => Promise<Socket>,
): Promise<SocketFile<Socket>> {
  return withPathLock(path, sockets, async (folder) => {
    const isFree = await checkFree(path, sockets, takeOver);
    // Lists of sockets show the name that the socket was made with.
    const own = basename(path);
    const name = own !== LOCK_NAME && fitsSocket(folder.file(own)) ? own : SHORT_NAME;
    const socket = await withSocketPath(dirname(path), join(folder.name, name), bind);
    const first = folder.file(name);
    try {
      chmodSync(first, mode);
      const id = idOf(first)!;
      moveTo(path, first, isFree);
      return { socket, remove: () => removeOwn(path, id, sockets) };
    } catch (error) {
      await socket.close();
      throw error;
    }
  });
}

/**
 * Returns whether there is no file; an existing file may be replaced. To be called under the lock of the path.
 *
 * @throws {Error} If there is a file that may not be replaced.
 */
export async function checkFree(path: string, sockets: LockSockets, takeOver: boolean): Promise<boolean> {
  if (!socketExists(path)) return true;
  if (!takeOver && (await visitSocket(path, sockets)) === "living") {
    throw new ListenError(path, "another process listens there (EADDRINUSE)");
  }
  return false;
}

/** Gives a file its path. To be called under the lock of the path. */
export function moveTo(path: string, file: string, isFree: boolean): void {
  // A program that takes no lock may have made the file in between. link(2) does not replace it.
  if (isFree) linkSync(file, path);
  else renameSync(file, path);
}

/** Identifies the file at a path; undefined if there is none. */
export function idOf(path: string): FileId | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false });
}

/** Whether a path leads to a file. */
export function leadsTo(path: string, { dev, ino }: FileId): boolean {
  const found = idOf(path);
  return found !== undefined && found.ino === ino && found.dev === dev;
}

async function removeOwn(path: string, own: FileId, sockets: LockSockets): Promise<void> {
  // When another process has taken the path over, it never becomes ours again.
  if (!leadsTo(path, own)) return;
  await withPathLock(path, sockets, () => {
    if (leadsTo(path, own)) unlinkSync(path);
  });
}
