// Workers over one socket. Every worker accepts connections from it itself (SCHED_NONE): a connection is then either in the queue of the
// socket, where any worker gets it, or with one worker, and no connection is on its way between two processes when one of them is killed.
// An idle worker takes the next connection; a busy one does not.
//
// node:cluster shares a path or a port. It closes the socket when the last worker has ended. An inherited one can't be opened again, so
// each worker inherits it as well.

import { type ChildProcess, fork } from "node:child_process";
import cluster from "node:cluster";
import type { ConnectionAddress } from "../../src/toolkit.ts";
import type { Worker } from "./supervisor.ts";

/** What a worker says: it has loaded the module, it serves, or why it does not. The mark tells it from messages of the module. */
type WorkerMessage =
  | { readonly fetchcgi: "loaded" }
  | { readonly fetchcgi: "serves"; readonly address?: ConnectionAddress | undefined }
  | { readonly fetchcgi: "failed"; readonly reason: string };

/** What the primary process says. */
const LISTEN = "fetchcgi: listen";
const CLOSE = "fetchcgi: close";

/** In a worker: the descriptor of the inherited socket. Those before are for input, output, errors and the primary process. */
const INHERITED = 4;

/** In the environment of a worker with the inherited socket: the primary process. Its own children have the variable too. */
const PRIMARY = "FETCHCGI_PRIMARY";

/** Whether this process is a worker. */
export function isWorker(): boolean {
  return cluster.isWorker || hasInherited();
}

/** In a worker: the descriptor that it has from the primary process. */
export function inheritedByWorker(): number | undefined {
  return hasInherited() ? INHERITED : undefined;
}

function hasInherited(): boolean {
  return process.env[PRIMARY] === String(process.ppid) && process.connected;
}

/**
 * Starts a worker: this program again, with the same arguments. `onAddress` is told where it listens, before it is ready.
 *
 * @param fd The inherited socket, if it is to serve on that.
 */
export function forkWorker(fd: number | undefined, onAddress: (address?: ConnectionAddress) => void): Worker {
  let child: ChildProcess | undefined;
  let mayListen = false;
  const exited = new Promise<string>((resolve) => {
    try {
      child = fd === undefined ? forkInCluster() : forkWith(fd);
    } catch (error) {
      return resolve((error as Error).message);
    }
    const { pid } = child;
    child.once("exit", (code, signal) => resolve(signal ?? `code ${code}`));
    child.on("error", (error) => {
      if (pid === undefined) resolve(error.message);
    });
  });
  const pid = child?.pid;
  const name = String(pid ?? "without a process");
  // It may be dead already.
  const tell = (text: string): void => void (child?.connected && child.send(text, () => {}));
  const ready = new Promise<void>((resolve, reject) => {
    child?.on("message", (message: WorkerMessage | null) => {
      switch (message?.fetchcgi) {
        case "loaded":
          mayListen = true;
          return tell(LISTEN);
        case "serves":
          onAddress(message.address);
          return resolve();
        case "failed":
          return reject(new Error(message.reason));
      }
    });
    void exited.then((how) =>
      reject(
        new Error(
          pid === undefined ? `Cannot start a worker: ${how}` : `worker ${name} ended with ${how} before it served`,
        ),
      ),
    );
  });
  const kill = (): void => void child?.kill("SIGKILL");
  return {
    name,
    ready,
    exited,
    giveUp() {
      if (!mayListen) kill();
      return !mayListen;
    },
    close: () => tell(CLOSE),
    kill,
  };
}

function forkInCluster(): ChildProcess {
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  const worker = cluster.fork();
  // The process tells it as well.
  worker.on("error", () => {});
  return worker.process;
}

function forkWith(fd: number): ChildProcess {
  return fork(process.argv[1]!, process.argv.slice(2), {
    // Not as standard input, where it may be: that is made to block, for all processes that have it.
    stdio: ["ignore", "inherit", "inherit", "ipc", fd],
    env: { ...process.env, [PRIMARY]: String(process.pid) },
  });
}

/** In a worker: what the primary process says. It gets the signals too. */
export function followPrimary(): { readonly mayListen: Promise<void>; readonly dismissed: Promise<void> } {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
  // The primary process is gone. node:cluster does the same.
  process.once("disconnect", () => process.exit());
  return { mayListen: heard(LISTEN), dismissed: heard(CLOSE) };
}

function heard(text: string): Promise<void> {
  return new Promise((resolve) => {
    process.on("message", (message) => {
      if (message === text) resolve();
    });
  });
}

/** In a worker: tells the primary process. Resolves when it has been sent. */
export function tellPrimary(message: WorkerMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(message, undefined, undefined, () => resolve());
  });
}
