import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { type RunningProcess, startProcess, waitUntil } from "./process.ts";

/** A program that is started again each time it has died, as process managers do. */
export interface RevivedProcess {
  readonly port: number;
  /** How often it was started again. */
  readonly revivals: number;
  stop(): Promise<void>;
}

/**
 * Starts a program of Node's that prints its port, and starts it again on that port when a client in this process was refused there.
 * A process manager that waits for nothing would be back at times before the client has seen that the program was gone.
 */
export async function startRevived(name: string, program: string): Promise<RevivedProcess> {
  const start = async (...args: string[]): Promise<RunningProcess> => {
    const running = await startProcess(process.execPath, { name, args: [program, ...args] });
    await waitUntil(() => running.stdout().includes("\n"), { message: `Cannot start ${name}: it printed no port` });
    return running;
  };
  let current = start();
  const port = Number((await current).stdout());
  let revivals = 0;

  const revive = async (dead: RunningProcess): Promise<RunningProcess> => {
    await dead.exited;
    revivals++;
    return start(String(port));
  };
  let isReviving = false;
  const onSocket = (message: unknown): void => {
    const { socket } = message as { socket: Socket };
    socket.once("error", (error: NodeJS.ErrnoException & { port?: number }) => {
      if (error.code !== "ECONNREFUSED" || error.port !== port || isReviving) return;
      isReviving = true;
      current = current.then(revive).finally(() => {
        isReviving = false;
      });
    });
  };
  subscribe("net.client.socket", onSocket);
  return {
    port,
    get revivals() {
      return revivals;
    },
    async stop() {
      unsubscribe("net.client.socket", onSocket);
      await (await current).stop();
    },
  };
}
