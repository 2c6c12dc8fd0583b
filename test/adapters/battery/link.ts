// A client and an application that talk to each other: one of them on the runtime that is tested, the other on Node in this process.

import * as node from "../../../adapters/node/index.ts";
import { waitUntil } from "../../support/process.ts";
import { type RuntimeClient, startRuntimeClient, startRuntimeServer } from "../../support/runtimes.ts";
import { startWorker } from "../../support/workerd.ts";
import type { Runtime } from "./cells.ts";
import { application, type Notice } from "./programs/application.ts";
import { type Operation, type Outcome, operate, type Target } from "./programs/operations.ts";

export const kinds = ["TCP", "Unix"] as const;
export type Kind = (typeof kinds)[number];

/** Variables beyond this are too many for the application. */
export const MAX_PARAMS_BYTES = 16_384;

/** Both ends. */
export interface Link {
  /** The process of the runtime that is tested. */
  readonly pid: number;
  readonly target: Target;
  /** Has the client do something, at the application unless a target is given. */
  run(operation: Omit<Operation, "target"> & Partial<Pick<Operation, "target">>): Promise<Outcome>;
  /** Waits for the next thing of this name that the application notices. */
  noticed(name: string): Promise<unknown>;
  stop(): Promise<void>;
}

/** Starts the application on a runtime, for a client on Node. */
export async function linkToServer(runtime: Exclude<Runtime, "workerd">, place: Target): Promise<Link> {
  const server = await startRuntimeServer(runtime, { ...place, maxParamsBytes: MAX_PARAMS_BYTES });
  const target = targetAt(await server.line("address"));
  return {
    pid: server.pid,
    target,
    run: (operation) => operate(node, { target, ...operation }),
    noticed: (name) => server.line(name),
    stop: () => server.stop(),
  };
}

/** Starts the client on a runtime, and an application on Node for it. */
export async function linkToClient(runtime: Runtime, place: Target): Promise<Link> {
  const notices: Notice[] = [];
  const notice = (what: Notice): void => void notices.push(what);
  const server = await node.serve({
    ...place,
    maxParamsBytes: MAX_PARAMS_BYTES,
    onError: (error) => notice({ error: String(error) }),
    fetch: application(notice),
  });
  const client: RuntimeClient = runtime === "workerd" ? await startWorker() : startRuntimeClient(runtime);
  const target = targetAt(server.address);
  return {
    pid: client.pid,
    target,
    run: (operation) => client.run({ target, ...operation }),
    async noticed(name) {
      const find = (): number => notices.findIndex((one) => name in one);
      await waitUntil(() => find() >= 0, { message: `Cannot go on: the application noticed no ${name}` });
      return notices.splice(find(), 1)[0]![name];
    },
    async stop() {
      await client.stop();
      await server.close({ timeout: 1 });
    },
  };
}

/** Where an application listens that says this of its address. */
export function targetAt(address: unknown): Target {
  const { path, port } = address as { path?: string; port?: number };
  return path === undefined ? { port: port! } : { path };
}
