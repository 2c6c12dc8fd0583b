// Programs of this folder in processes of their own on any runtime.

import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { FastCgiHttpClient, FastCgiTcpConnector } from "../../adapters/node/index.ts";
import { commandOf } from "../../scripts/setup.mjs";
import type { RuntimeName } from "../adapters/battery/programs/adapter.ts";
import { type RunningProcess, startProcess, waitUntil } from "../support/process.ts";
import { Neighbour } from "./neighbour.ts";

/** Milliseconds. Only a hang reaches it. */
const HANG = 200_000;

/** What a server says of itself. */
export interface Held {
  /** Bytes that are still reachable. */
  readonly held: number;
  readonly descriptors: number;
  /** How often each limit was reported since the last question. */
  readonly reached: Readonly<Record<string, number>>;
}

/** Starts a program of this folder on a runtime. It is ready when it has printed a line. */
export async function startProgram(
  runtime: RuntimeName,
  file: string,
  args: readonly string[],
): Promise<RunningProcess> {
  const [command, ...before] = commandOf(runtime);
  const path = fileURLToPath(new URL(`programs/${file}`, import.meta.url));
  const program = await startProcess(command!, {
    name: `${file} on ${runtime}`,
    args: [...before, path, runtime, ...args],
  });
  let ended: string | null = null;
  void program.exited.then((how) => {
    ended = how;
  });
  await waitUntil(() => program.stdout().includes("\n") || ended !== null, { timeout: HANG }).catch(async (error) => {
    await program.stop();
    throw error;
  });
  if (!program.stdout().includes("\n"))
    throw new Error(`${file} on ${runtime} ended with ${ended}\n${program.stderr()}`);
  return program;
}

/** Runs a program of this folder that is told a task and prints what came of it. */
export async function runProgram<Outcome>(runtime: RuntimeName, file: string, task: object): Promise<Outcome> {
  const program = await startProgram(runtime, file, [JSON.stringify(task)]);
  const how = await program.exited;
  if (how !== "code 0") throw new Error(`Expected ${file} to end well, got ${how}: ${program.stderr()}`);
  return JSON.parse(program.stdout()) as Outcome;
}

/** A server in a process of its own. */
export class TargetServer {
  readonly port: number;
  readonly pid: number;
  readonly #process: RunningProcess;

  private constructor(process: RunningProcess) {
    this.#process = process;
    this.pid = process.pid;
    this.port = (JSON.parse(process.stdout().split("\n", 1)[0]!) as { port: number }).port;
  }

  static async start(runtime: RuntimeName, options: object = {}): Promise<TargetServer> {
    return new TargetServer(await startProgram(runtime, "server.ts", [JSON.stringify(options)]));
  }

  /** Asks on a connection of its own. */
  async ask(path: string): Promise<string> {
    const client = new FastCgiHttpClient(new FastCgiTcpConnector({ port: this.port }));
    return (await client.fetch(`http://a.test${path}`)).text();
  }

  async held(): Promise<Held> {
    return JSON.parse(await this.ask("/held")) as Held;
  }

  /** Asks again and again on a connection of its own. */
  neighbour(): Promise<Neighbour> {
    const connector = new FastCgiTcpConnector({ port: this.port });
    return Neighbour.start(new FastCgiHttpClient(connector, { keepAlive: true }), "/hello");
  }

  /** The number of open descriptors. */
  get descriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  stop(): Promise<void> {
    return this.#process.stop();
  }
}
