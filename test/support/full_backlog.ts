import { connect, type Socket } from "node:net";
import { freePort } from "./free_port.ts";
import { startProcess, waitUntil } from "./process.ts";

/** Where a connection is neither accepted nor refused: the owner is stopped, and its queue is full. */
export interface FullBacklog {
  close(): Promise<void>;
}

/** A port of 127.0.0.1 with a full backlog. */
export async function fullPort(): Promise<FullBacklog & { readonly port: number }> {
  const port = await freePort();
  return { port, ...(await fillBacklog({ port, host: "127.0.0.1" })) };
}

/** Makes a Unix socket with a full backlog. */
export function fullSocket(path: string): Promise<FullBacklog> {
  return fillBacklog({ path });
}

async function fillBacklog(target: { port: number; host: string } | { path: string }): Promise<FullBacklog> {
  const code = `const server = require("net").createServer((socket) => socket.on("error", () => {}));
  server.listen(${JSON.stringify({ ...target, backlog: 1 })}, () => console.log("ready"));`;
  const child = await startProcess(process.execPath, { name: "the application", args: ["-e", code], graceTime: 100 });
  const fillers: Socket[] = [];
  const close = async (): Promise<void> => {
    for (const socket of fillers) socket.destroy();
    process.kill(child.pid, "SIGKILL");
    await child.exited;
  };
  try {
    await waitUntil(() => child.stdout() !== "");
    process.kill(child.pid, "SIGSTOP");
    for (let count = 0; count < 8; count++) fillers.push(connect(target).on("error", () => {}));
    // The queue takes backlog + 1.
    await waitUntil(() => fillers.filter(({ connecting }) => !connecting).length >= 2);
  } catch (error) {
    await close();
    throw error;
  }
  return { close };
}
