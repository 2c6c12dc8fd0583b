// The file of a listening Unix socket.
//
// The socket is made in a private folder. It gets its permissions there, and its path only when it listens. So a web server that connects to
// the path always finds a process that listens, also while one process takes over from another, and the file never has more permissions
// than it should have. Some runtimes remove the file of a socket that they close: they know only the private name, so they can't remove the
// file of another process.

import { chmodSync, linkSync, lstatSync, renameSync, unlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type FileId, type FoundFile, fileAt, idOf, isUnchanged, leadsTo } from "./file_id.ts";
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
  /**
   * Removes the file, unless the path leads to another one by now: another process has taken it over, or the file was
   * moved, removed or replaced. Resolves with whether it was the socket's last name: then no client can connect any more.
   */
  remove(): Promise<boolean>;
}

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
    const stale = await checkFree(path, sockets, takeOver);
    // Lists of sockets show the name that the socket was made with.
    const own = basename(path);
    const name = own !== LOCK_NAME && fitsSocket(folder.file(own)) ? own : SHORT_NAME;
    const socket = await withSocketPath(dirname(path), join(folder.name, name), bind);
    const first = folder.file(name);
    try {
      chmodSync(first, mode);
      const id = idOf(first)!;
      moveTo(path, first, stale);
      return { socket, remove: () => removeOwn(path, id, sockets) };
    } catch (error) {
      await socket.close();
      throw error;
    }
  });
}

/**
 * Returns the socket file that may be replaced; undefined if there is none. To be called under the lock of the path.
 *
 * @throws {Error} If there is a file that may not be replaced.
 */
export async function checkFree(path: string, sockets: LockSockets, takeOver: boolean): Promise<FoundFile | undefined> {
  if (!socketExists(path)) return undefined;
  const found = fileAt(path);
  const state = await visitSocket(path, sockets);
  if (state === "another kind") {
    throw new ListenError(path, "another process has a socket there that is not for streams; choose another path");
  }
  if (state === "living" && !takeOver) throw new ListenError(path, "another process listens there (EADDRINUSE)");
  return found;
}

/** Gives a file its path, in the place of `replaced`. To be called under the lock of the path. */
export function moveTo(path: string, file: string, replaced: FoundFile | undefined): void {
  // A program that takes no lock may have made another file in between. link(2) does not replace it.
  if (replaced !== undefined && isUnchanged(path, replaced)) renameSync(file, path);
  else linkSync(file, path);
}

async function removeOwn(path: string, own: FileId, sockets: LockSockets): Promise<boolean> {
  // When another process has taken the path over, it never becomes ours again.
  if (!leadsTo(path, own)) return false;
  return withPathLock(path, sockets, () => {
    if (!leadsTo(path, own)) return false;
    const names = lstatSync(path).nlink;
    unlinkSync(path);
    return names === 1;
  });
}
