// Who may change what the path of a socket leads to: one process at a time. Without that, two processes that find the socket file of a
// dead one both remove what they find, and the second removes the socket of the first.
//
// Node, Bun and Deno have no lock in common that ends with its process. A socket does: as long as its process lives, others can connect
// to it. So the lock is a socket that listens, made in a private folder, and then linked to the name of the lock. link(2) gives a name
// to one process only. Another process that wants the lock connects to it, and waits until that connection ends.
//
// A lock whose process died refuses connections. It is removed under a lock of its own, by the same rules: a process that was held up
// between looking and removing must not remove the lock of another one.

import { existsSync, linkSync, lstatSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type FastCgiConnection, fromStreams } from "../../src/toolkit.ts";
import type { SystemError } from "../shared/connect.ts";
import { isListed } from "./listed_sockets.ts";
import { ListenError } from "./listen_error.ts";
import { PrivateFolder } from "./private_folder.ts";
import { REFUSES_WHEN_FULL, withSocketPath } from "./socket_path.ts";

/** How long to wait for a lock, in milliseconds. What is done under a lock takes a few of them. */
const LOCK_TIMEOUT = 10_000;

/** Time before the next attempt where a socket has too many connections waiting to take one more, in milliseconds. */
const CROWDED_DELAY = 10;

/** How often a connection has to be refused where that may mean a full backlog, until the socket counts as a dead process's. */
const REFUSED_ATTEMPTS = 10;

/** The name of the lock's socket in its private folder, which nothing else in there can have. */
export const LOCK_NAME: string = "lock";

/** How a runtime connects to Unix sockets, to find out whether a process listens there. */
export interface UnixSockets {
  /** Connects to a path. Rejects with the runtime's error. */
  openUnix(path: string, signal: AbortSignal): Promise<FastCgiConnection>;
  /** See {@linkcode REFUSES_WHEN_FULL}, which is the default. */
  readonly refusesWhenFull?: boolean | undefined;
}

/** What a lock needs of a runtime. */
export interface LockSockets extends UnixSockets {
  /** Listens on a Unix socket, alone. Resolves with what ends that. */
  bindUnix(path: string, onConnection: (connection: FastCgiConnection) => void): Promise<() => Promise<void>>;
}

/** A socket file that a process listens on, that one has left behind, or that is not there. */
export type SocketState = "living" | "stale" | "missing";

/**
 * Runs `change` while no other process changes what `path` leads to: at once where the lock is free. It gets a private folder beside
 * the path, to make in it what gets the path.
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

  /** Takes the lock if it is free and the socket listens, which every runtime has done when it was called. */
  acquireNow(): boolean {
    return existsSync(this.#folder.file(LOCK_NAME)) && this.#tryLink(0);
  }

  /** Takes the lock, or with a `depth` the lock under which the one above is removed. */
  async acquire(depth = 0): Promise<void> {
    while (!this.#tryLink(depth)) {
      if (performance.now() > this.#deadline) {
        const reason = `another process has been starting or closing there for ${LOCK_TIMEOUT / 1000} s`;
        throw new ListenError(this.#path, `${reason}; its lock is ${this.#fileAt(depth)}`);
      }
      await this.#untilFree(depth);
    }
  }

  /** To be called while the socket listens: no other process may take this lock for a dead process's. */
  release(depth = 0): void {
    rmSync(this.#fileAt(depth), { force: true });
  }

  async #untilFree(depth: number): Promise<void> {
    if ((await this.#waitAt(depth)) !== "stale") return;
    await this.acquire(depth + 1);
    try {
      // Again: what was stale may be gone, and another process have the lock.
      if ((await this.#waitAt(depth, false)) === "stale") this.release(depth);
    } finally {
      this.release(depth + 1);
    }
  }

  /** What became of a lock that others have, after waiting for its end where `untilEnd` says so. */
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
 * Connects to see whether a process listens on a path, and calls `visit` with the connection if so.
 *
 * @throws {Error} If the path leads to something else, or the system does not say.
 */
export async function visitSocket(
  path: string,
  { openUnix, refusesWhenFull = REFUSES_WHEN_FULL }: UnixSockets,
  visit: (connection: FastCgiConnection) => Promise<void> = async () => {},
): Promise<SocketState> {
  // A backlog that is full for a moment must not look as if no process listened.
  for (let attempts = refusesWhenFull ? REFUSED_ATTEMPTS : 1; ; attempts--) {
    if (!socketExists(path)) return "missing";
    try {
      const connection = await openUnix(path, new AbortController().signal);
      await visit(connection).finally(() => connection.close());
      return "living";
    } catch (error) {
      switch ((error as SystemError).code) {
        case "ECONNREFUSED":
          if (attempts === 1) return refusesWhenFull && isListed(path) ? "living" : "stale";
          await delay(CROWDED_DELAY);
          continue;
        case "ENOENT":
          return "missing";
        // The backlog is full, so a process listens.
        case "EAGAIN":
          await delay(CROWDED_DELAY);
          return "living";
        // A process listened, and has closed in between.
        case "ECONNRESET":
          return "living";
        default:
          throw error;
      }
    }
  }
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
  if (stat?.isSocket() === false) throw new ListenError(path, "the file exists and is not a socket");
  return stat !== undefined;
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
