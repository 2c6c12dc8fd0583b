// Workers of node:cluster. Every worker accepts connections from the shared socket itself (SCHED_NONE): a connection is then either in
// the queue of the socket, where any worker gets it, or with one worker, and no connection is on its way between two processes when one
// of them is killed. An idle worker takes the next connection; a busy one does not.

import cluster from "node:cluster";
import type { ConnectionAddress } from "../../src/toolkit.ts";
import type { Worker } from "./supervisor.ts";

/** What a worker says when it serves, or why it does not. */
type WorkerMessage =
  | { readonly ready: true; readonly address?: ConnectionAddress | undefined }
  | { readonly failed: string };

const CLOSE = "fetchcgi: close";

/** Starts a worker: this program again, with the same arguments. `onAddress` is told where it listens, before it is ready. */
export function forkWorker(onAddress: (address: ConnectionAddress | undefined) => void): Worker {
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  const worker = cluster.fork();
  const name = String(worker.process.pid);
  const exited = new Promise<string>((resolve) => {
    worker.once("exit", (code, signal) => resolve(signal ?? `code ${code}`));
  });
  const ready = new Promise<void>((resolve, reject) => {
    worker.on("message", (message: WorkerMessage) => {
      if ("failed" in message) return reject(new Error(message.failed));
      onAddress(message.address);
      resolve();
    });
    void exited.then((how) => reject(new Error(`worker ${name} ended with ${how} before it served`)));
  });
  return {
    name,
    ready,
    exited,
    close() {
      // It may be dead already.
      if (worker.isConnected()) worker.send(CLOSE, () => {});
    },
    kill: () => void worker.process.kill("SIGKILL"),
  };
}

/** In a worker: the primary process gets the signals too, and says what to do. */
export function ignoreSignals(): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
}

/** In a worker: tells the primary process that it serves and where, and resolves when it is to end. */
export function untilDismissed(address: ConnectionAddress | undefined): Promise<void> {
  return new Promise((resolve) => {
    process.on("message", (message) => {
      if (message === CLOSE) resolve();
    });
    // The primary process is gone.
    process.once("disconnect", resolve);
    tellPrimary({ ready: true, address });
  });
}

/** In a worker: tells the primary process. Resolves when it has been sent. */
export function tellPrimary(message: WorkerMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(message, undefined, undefined, () => resolve());
  });
}
