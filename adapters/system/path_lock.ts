// A lock, so that only one process at a time changes what the path of a socket leads to. Without it, two processes that find the socket
// file of a dead process both remove the file at that path, and the second one removes the new socket of the first.
//
// The lock must end when its process dies, and Node, Bun and Deno have no such lock in common. But they have sockets: other processes can
// connect to a socket as long as its process lives. So the lock is a socket that listens. A process makes it in a private folder, and then
// links it to the name of the lock; link(2) gives that name to one process only. Another process that wants the lock connects to it, and
// waits until that connection ends.
//
// A lock whose process died refuses connections. The process that removes it takes a second lock first, by the same rules. Otherwise it
// could be held up between its look at the lock and the removal, and then remove the lock of a process that has come in between.

import { existsSync, linkSync, lstatSync, rmSync, type Stats } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type FastCgiConnection, fromStreams } from "../../src/toolkit.ts";
import type { SystemError } from "../shared/connect.ts";
import { idOf, leadsTo } from "./file_id.ts";
import { listedKinds } from "./listed_sockets.ts";
import { ListenError } from "./listen_error.ts";
import { PrivateFolder } from "./private_folder.ts";
import { REFUSES_WHEN_FULL, withSocketPath } from "./socket_path.ts";

/** Milliseconds to wait for a lock. Work under a lock takes a few of them. */
const LOCK_TIMEOUT = 10_000;

/** Milliseconds before the next attempt to connect to a socket whose queue of connections is full. */
const CROWDED_DELAY = 10;

/** Refusals after which a socket counts as that of a dead process, on systems where a full queue of connections refuses as well. */
const REFUSED_ATTEMPTS = 10;

/** The name of the lock's socket in its private folder. No other file there may have it. */
export const LOCK_NAME: string = "lock";

/** How a runtime connects to Unix sockets, to find out whether a process listens there. */
export interface UnixSockets {
  /** Connects to a path. Rejects with the runtime's error. */
  openUnix(path: string, signal: AbortSignal): Promise<FastCgiConnection>;
  /** See {@linkcode REFUSES_WHEN_FULL}, which is the default. */
  readonly refusesWhenFull?: boolean | undefined;
}

/** The functions of a runtime that a lock needs. */
export interface LockSockets extends UnixSockets {
  /** Listens on a Unix socket that no other process shares. Resolves with a function that stops listening. */
  bindUnix(path: string, onConnection: (connection: FastCgiConnection) => void): Promise<() => Promise<void>>;
}

/**
 * A process listens on the socket file; one has it for datagrams or packets, which is nothing to connect to; a dead process has left it
 * behind; or there is no file.
 */
export type SocketState = "living" | "another kind" | "stale" | "missing";

/**
 * Runs `change` while no other process can change what `path` leads to: at once if the lock is free. `change` gets a
 * private folder beside the path, in which it makes the file for the path.
 *
 * @throws {Error} If another process has the lock for too long.
 */
export async function withPathLock<Result>(
  path: string,
  sockets: LockSockets,
  change: (folder: PrivateFolder) => Result | Promise<Result>,
): Promise<Result> {
  const folder = new PrivateFolder(dirname(path));
  try {
    const lock = new PathLock(path, sockets, folder);
    const listening = lock.listen();
    try {
      if (!lock.acquireNow()) {
        await listening;
        await lock.acquire();
      }
      try {
        return await change(folder);
      } finally {
        lock.release();
      }
    } finally {
      await (await listening)();
    }
  } finally {
    folder.remove();
  }
}

class PathLock {
  readonly #path: string;
  readonly #sockets: LockSockets;
  readonly #folder: PrivateFolder;
  readonly #deadline = performance.now() + LOCK_TIMEOUT;
  readonly #waiting = new Set<FastCgiConnection>();

  constructor(path: string, sockets: LockSockets, folder: PrivateFolder) {
    this.#path = path;
    this.#sockets = sockets;
    this.#folder = folder;
  }

  async listen(): Promise<() => Promise<void>> {
    const name = join(this.#folder.name, LOCK_NAME);
    const close = await withSocketPath(dirname(this.#path), name, (path) =>
      this.#sockets.bindUnix(path, (connection) => this.#waiting.add(connection)),
    );
    return async () => {
      await close();
      await Promise.all(Array.from(this.#waiting, (connection) => connection.close()));
    };
  }

  /** Takes the lock if it is free and our socket listens already. Every runtime listens as soon as it is called. */
  acquireNow(): boolean {
    return existsSync(this.#folder.file(LOCK_NAME)) && this.#tryLink(0);
  }

  /** Takes the lock. With a `depth` above 0: the lock that a process must have to remove the one of `depth - 1`. */
  async acquire(depth = 0): Promise<void> {
    while (!this.#tryLink(depth)) {
      if (performance.now() > this.#deadline) {
        const reason = `another process has been starting or closing there for ${LOCK_TIMEOUT / 1000} s`;
        throw new ListenError(this.#path, `${reason}; its lock is ${this.#fileAt(depth)}`);
      }
      await this.#untilFree(depth);
    }
  }

  /** Call this while our socket listens: otherwise another process takes the lock for that of a dead process. */
  release(depth = 0): void {
    // If another program has removed the lock, it may be that of another process by now.
    const own = idOf(this.#folder.file(LOCK_NAME));
    if (own !== undefined && leadsTo(this.#fileAt(depth), own)) rmSync(this.#fileAt(depth), { force: true });
  }

  async #untilFree(depth: number): Promise<void> {
    if ((await this.#waitAt(depth)) !== "stale") return;
    await this.acquire(depth + 1);
    try {
      // Look again: the stale lock may be gone, and another process may have taken the lock.
      if ((await this.#waitAt(depth, false)) === "stale") rmSync(this.#fileAt(depth), { force: true });
    } finally {
      this.release(depth + 1);
    }
  }

  /** The state of a lock that another process has taken. With `untilEnd`, it is looked at when that process has given the lock back. */
  #waitAt(depth: number, untilEnd = true): Promise<SocketState> {
    const name = this.#nameAt(depth);
    return withSocketPath(dirname(this.#path), name, (path) =>
      visitSocket(path, this.#sockets, async (connection) => {
        if (untilEnd) await ended(connection, this.#deadline - performance.now());
      }),
    );
  }

  /** Gives the socket the name of the lock. Returns false if another socket has it. */
  #tryLink(depth: number): boolean {
    try {
      linkSync(this.#folder.file(LOCK_NAME), this.#fileAt(depth));
      return true;
    } catch (error) {
      if ((error as SystemError).code === "EEXIST") return false;
      throw error;
    }
  }

  #fileAt(depth: number): string {
    return join(dirname(this.#path), this.#nameAt(depth));
  }

  #nameAt(depth: number): string {
    return `.${basename(this.#path)}.lock${depth || ""}`;
  }
}

/**
 * Connects to find out whether a process listens on a path, and calls `visit` with the connection if one does.
 *
 * @throws {Error} If the path leads to something else, or the system does not say.
 */
export async function visitSocket(
  path: string,
  { openUnix, refusesWhenFull = REFUSES_WHEN_FULL }: UnixSockets,
  visit: (connection: FastCgiConnection) => Promise<void> = async () => {},
): Promise<SocketState> {
  // Where a full queue refuses connections too, one refusal does not say that no process listens.
  for (let attempts = refusesWhenFull ? REFUSED_ATTEMPTS : 1; ; attempts--) {
    if (!socketExists(path)) return "missing";
    try {
      const connection = await openUnix(path, new AbortController().signal);
      await visit(connection).finally(() => connection.close());
      return "living";
    } catch (error) {
      switch ((error as SystemError).code) {
        case "ECONNREFUSED":
          if (attempts === 1) return stateOfRefusing(path, refusesWhenFull);
          await delay(CROWDED_DELAY);
          continue;
        case "ENOENT":
          return "missing";
        // The queue of connections is full, so a process listens.
        case "EAGAIN":
          await delay(CROWDED_DELAY);
          return "living";
        // A process listened, and has closed in between.
        case "ECONNRESET":
          return "living";
        // The system says so only of a living process's socket: that of a dead one refuses.
        case "EPROTOTYPE":
          return "another kind";
        default: {
          const state = listedState(path);
          if (state === undefined) throw error;
          return state;
        }
      }
    }
  }
}

/** The state of a socket that refuses connections. */
function stateOfRefusing(path: string, refusesWhenFull: boolean): SocketState {
  if (refusesWhenFull) return listedState(path) ?? "stale";
  // Otherwise a socket that listens does not refuse: one that is listed has lost its path to this file. A process may be about to listen.
  return listedKinds(path).has("silent") ? "living" : "stale";
}

/** The state of a socket that Linux lists. */
function listedState(path: string): SocketState | undefined {
  const kinds = listedKinds(path);
  if (kinds.has("another kind")) return "another kind";
  return kinds.size > 0 ? "living" : undefined;
}

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/**
 * Whether there is a socket file.
 *
 * @throws {Error} If there is a file of another kind.
 */
export function socketExists(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat?.isSocket() === false) throw new ListenError(path, `${kindOf(stat)}; remove it, or choose another path`);
  return stat !== undefined;
}

function kindOf(stat: Stats): string {
  if (stat.isSymbolicLink()) return "a symbolic link is there, and no socket";
  if (stat.isDirectory()) return "a folder is there, and no socket";
  return "the file exists and is not a socket";
}

/** Resolves when the peer has ended the connection, or it broke, or after `limit` milliseconds. */
function ended(connection: FastCgiConnection, limit: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, Math.max(limit, 0));
    const onEnd = (): void => {
      clearTimeout(timer);
      resolve();
    };
    fromStreams(connection).start({ onData() {}, onEnd, onError: onEnd });
  });
}
