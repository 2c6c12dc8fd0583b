// Workers of node:cluster. Every worker accepts connections from the shared socket itself (SCHED_NONE): a connection is then either in
// the queue of the socket, where any worker gets it, or with one worker, and no connection is on its way between two processes when one
// of them is killed. An idle worker takes the next connection; a busy one does not.

import cluster from "node:cluster";
import type { Worker } from "./supervisor.ts";

/** What a worker says when it serves, or why it does not. */
type WorkerMessage = { readonly ready: true } | { readonly failed: string };

const CLOSE = "fetchcgi: close";

/** Starts a worker: this program again, with the same arguments. */
export function forkWorker(): Worker {
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  const worker = cluster.fork();
  const name = String(worker.process.pid);
  const exited = new Promise<string>((resolve) => {
    worker.once("exit", (code, signal) => resolve(signal ?? `code ${code}`));
  });
  const ready = new Promise<void>((resolve, reject) => {
    worker.on("message", (message: WorkerMessage) => {
      if ("ready" in message) resolve();
      else reject(new Error(message.failed));
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

/** In a worker: tells the primary process that it serves, and resolves when it is to end. */
export function untilDismissed(): Promise<void> {
  return new Promise((resolve) => {
    process.on("message", (message) => {
      if (message === CLOSE) resolve();
    });
    // The primary process is gone.
    process.once("disconnect", resolve);
    // The primary process gets these too, and says what to do.
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
    tellPrimary({ ready: true });
  });
}

/** In a worker: tells the primary process. Resolves when it has been sent. */
export function tellPrimary(message: WorkerMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(message, undefined, undefined, () => resolve());
  });
}
