// The file of a Unix socket that several processes listen on together, as the workers of node:cluster do. They all ask
// the primary process for a path, and it binds that path once. So they ask for a path in a private folder, which stays
// as long as one of them listens, and the first process also gives the socket its public path.

import { chmodSync, existsSync, linkSync, lstatSync, mkdirSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { SystemError } from "../shared/connect.ts";
import { type FileId, idOf, leadsTo } from "./file_id.ts";
import { ListenError } from "./listen_error.ts";
import { type LockSockets, visitSocket, withPathLock } from "./path_lock.ts";
import { makeUsable, type PrivateFolder } from "./private_folder.ts";
import { checkFree, moveTo, type SocketFile, type SocketFileOptions } from "./socket_file.ts";
import { checkSocketPath, withSocketPath } from "./socket_path.ts";

/**
 * Listens on a path together with the other processes of a group. The file must be removed when this process has
 * stopped listening: the last process does it.
 *
 * @param group A name that only the processes of the group have.
 * @param bind Listens on the given path, together with the other processes of the group.
 * @throws {Error} If the path leads to something else, or the system refuses.
 */
export function bindSharedSocketFile<Socket extends { close(): Promise<void> }>(
  path: string,
  { mode, takeOver }: SocketFileOptions,
  group: string,
  sockets: LockSockets,
  bind: (path: string) => Promise<Socket>,
): Promise<SocketFile<Socket>> {
  const names = new GroupNames(path, group, sockets);
  return withPathLock(path, sockets, async (folder) => {
    await names.open(folder);
    let socket: Socket | undefined;
    try {
      const served = idOf(names.own);
      const isPublished = served !== undefined && leadsTo(path, served);
      // A process of the group that starts late does not take the path back from a process that has taken it over.
      const stale = isPublished ? undefined : await checkFree(path, sockets, takeOver && served === undefined);
      socket = await bind(names.own);
      const own = idOf(names.own)!;
      if (!isPublished) {
        const name = folder.file("shared");
        chmodSync(names.own, mode);
        linkSync(names.own, name);
        moveTo(path, name, stale);
      }
      return { socket, remove: () => removeLast(path, own, names, sockets) };
    } catch (error) {
      await socket?.close();
      await names.close();
      throw error;
    }
  });
}

/**
 * Removes the files if no process of the group listens any more. Called when this one has stopped. Resolves with whether it was the last.
 */
function removeLast(path: string, own: FileId, names: GroupNames, sockets: LockSockets): Promise<boolean> {
  return withPathLock(path, sockets, async () => {
    // Nothing is removed if another group has taken the path over.
    const isLast = leadsTo(path, own) && (await visitSocket(path, sockets)) === "stale";
    if (isLast) unlinkSync(path);
    await names.close();
    return isLast;
  });
}

/**
 * The private folder of a path, with a name in it for each group of processes: one group, and two while another group
 * takes over. It is changed only under the lock of the path.
 */
class GroupNames {
  /** The name of this group's socket. */
  readonly own: string;
  readonly #path: string;
  readonly #folder: string;
  readonly #sockets: LockSockets;

  constructor(path: string, group: string, sockets: LockSockets) {
    const name = basename(path);
    this.#path = path;
    // Short, because names of sockets must be short.
    this.#folder = join(dirname(path), `.${shortHash(name)}`);
    this.own = join(this.#folder, shortHash(`${name} ${group}`));
    this.#sockets = sockets;
    checkSocketPath(this.own, "share a socket as");
  }

  /** Makes the folder, or checks that it is as private as `mine`, and removes the names of dead groups in it. */
  async open(mine: PrivateFolder): Promise<void> {
    try {
      mkdirSync(this.#folder, 0o700);
      makeUsable(this.#folder);
    } catch (error) {
      if ((error as SystemError).code !== "EEXIST") throw error;
      const [found, expected] = [lstatSync(this.#folder), lstatSync(mine.path)];
      if (found.uid !== expected.uid || found.mode !== expected.mode) {
        throw new ListenError(this.#path, `${this.#folder} is not a private folder of this user`);
      }
    }
    await this.#removeDead();
  }

  /** Removes the names of groups that no longer listen, and the folder if no name is left. */
  async close(): Promise<void> {
    if (!existsSync(this.#folder)) return;
    await this.#removeDead();
    if (readdirSync(this.#folder).length === 0) rmdirSync(this.#folder);
  }

  async #removeDead(): Promise<void> {
    for (const name of readdirSync(this.#folder)) {
      const state = await withSocketPath(this.#folder, name, (path) => visitSocket(path, this.#sockets));
      if (state === "stale") unlinkSync(join(this.#folder, name));
    }
  }
}

/** Four characters for a text: FNV-1a, because loading node:crypto takes a tenth of the time of a start. */
function shortHash(text: string): string {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  const folded = hash ^ (hash >>> 24);
  return Buffer.from([folded >>> 16, folded >>> 8, folded]).toString("base64url");
}
