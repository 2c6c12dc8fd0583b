import { connect, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { freePort } from "./free_port.ts";
import { startProcess, waitUntil } from "./process.ts";

/** A port on which a connection is neither accepted nor refused: its owner is stopped, and its queue is full. */
export async function unansweredPort(): Promise<{ port: number }> {
  const target = { port: await freePort(), host: "127.0.0.1" };
  await fillBacklog(target);
  return target;
}

/** A Unix socket whose owner is stopped, and whose backlog is full. */
export function unansweredSocket(path: string): Promise<void> {
  return fillBacklog({ path });
}

async function fillBacklog(target: { port: number; host: string } | { path: string }): Promise<void> {
  const code = `const server = require("net").createServer((socket) => socket.on("error", () => {}));
  server.listen(${JSON.stringify({ ...target, backlog: 1 })}, () => console.log("ready"));`;
  const child = await startProcess(process.execPath, { name: "the application", args: ["-e", code], graceTime: 100 });
  await waitUntil(() => child.stdout() !== "");
  process.kill(child.pid, "SIGSTOP");
  const fillers: Socket[] = [];
  for (let count = 0; count < 8; count++) fillers.push(connect(target).on("error", () => {}));
  onTestFinished(async () => {
    for (const socket of fillers) socket.destroy();
    process.kill(child.pid, "SIGKILL");
    await child.exited;
  });
  // The queue takes backlog + 1.
  await waitUntil(() => fillers.filter(({ connecting }) => !connecting).length >= 2);
}
