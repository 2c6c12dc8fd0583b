import { type ChildProcess, execFile, type IOType, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Stream } from "node:stream";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "tsup";
import { requireRuntime } from "../../scripts/setup.mjs";
import type { RuntimeName } from "../adapters/programs/adapter.ts";
import type { Check, Outcome } from "../adapters/programs/client_checks.ts";
import { freePort } from "./free_port.ts";
import { guardAgainstLoss, unguard } from "./guard.ts";
import { startProcess, waitUntil } from "./process.ts";
import { createTemporaryDirectory } from "./temporary_directory.ts";

/** Runtimes that serve and connect. */
export const runtimeNames = ["bun", "deno"] as const satisfies readonly RuntimeName[];

/** How a runtime runs a program. Deno gets the permissions that the documentation of its adapter names, and no more. */
const COMMANDS: Readonly<Record<RuntimeName, () => [command: string, ...args: string[]]>> = {
  node: () => [process.execPath, "--import", "tsx"],
  bun: () => [requireRuntime("bun")],
  deno: () => [
    requireRuntime("deno"),
    "run",
    "--quiet",
    "--no-prompt",
    "--allow-net",
    "--allow-read",
    "--allow-write",
    "--allow-env=FCGI_WEB_SERVER_ADDRS",
  ],
};

const programs = fileURLToPath(new URL("../adapters/programs", import.meta.url));

/** A program that serves: runtime_server.ts. */
export interface RuntimeServer {
  readonly pid: number;
  /** What it printed, a value for each line. */
  lines(): Record<string, unknown>[];
  /** Waits for a line that has this property; returns its value. */
  line(property: string): Promise<unknown>;
  /** Asks it to close, and does not wait. */
  askToClose(): void;
  /** How it ended: its exit code, or the signal. */
  readonly exited: Promise<number | string>;
  stop(): Promise<void>;
}

/** Starts runtime_server.ts with options of serve, and waits for its first line. */
export async function startRuntimeServer(
  runtime: RuntimeName,
  options: object,
  { stdin = "ignore", env = {} }: { stdin?: IOType | Stream; env?: NodeJS.ProcessEnv } = {},
): Promise<RuntimeServer> {
  const [command, ...args] = COMMANDS[runtime]();
  const child: ChildProcess = spawn(
    command,
    [...args, join(programs, "runtime_server.ts"), runtime, JSON.stringify(options)],
    {
      stdio: [stdin, "pipe", "inherit"],
      env: { ...process.env, ...env },
    },
  );
  let output = "";
  child.stdout!.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const exited = once(child, "exit").then(([code, signal]) => (signal ?? code) as number | string);
  const pid = child.pid!;
  guardAgainstLoss(pid);
  void exited.then(() => unguard(pid));
  const lines = (): Record<string, unknown>[] =>
    output
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  await waitUntil(() => lines().length > 0 || child.exitCode !== null, { timeout: 20_000 });
  return {
    pid,
    lines,
    async line(property) {
      const find = (): Record<string, unknown> | undefined => lines().find((line) => property in line);
      await waitUntil(() => find() !== undefined, { message: `No line with ${property}: ${output}` });
      return find()![property];
    },
    askToClose: () => void child.kill("SIGTERM"),
    exited,
    async stop() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

/** Sends requests from a runtime, one after the other. */
export async function runChecks(runtime: RuntimeName, checks: readonly Check[]): Promise<Outcome[]> {
  const [command, ...args] = COMMANDS[runtime]();
  const program = join(programs, "runtime_client.ts");
  const { stdout } = await promisify(execFile)(command, [...args, program, runtime, JSON.stringify(checks)]);
  return JSON.parse(stdout);
}

/** A Worker that sends requests: worker.ts in workerd. */
export interface Worker {
  runChecks(checks: readonly Check[]): Promise<Outcome[]>;
  stop(): Promise<void>;
}

/** Bundles worker.ts without anything of Node, and starts it in workerd. */
export async function startWorker(): Promise<Worker> {
  const command = requireRuntime("workerd");
  const directory = await createTemporaryDirectory("workerd");
  await build({
    entry: { worker: join(programs, "worker.ts") },
    outDir: directory.path,
    config: false,
    silent: true,
    format: "esm",
    platform: "neutral",
    target: "es2022",
    external: ["cloudflare:sockets"],
  });
  const port = await freePort();
  const configuration = join(directory.path, "config.capnp");
  await writeFile(configuration, workerdConfiguration(port));
  const workerd = await startProcess(command, {
    name: "workerd",
    args: ["serve", configuration],
    ready: () => answers(port),
  });
  return {
    async runChecks(checks) {
      const response = await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body: JSON.stringify(checks) });
      if (!response.ok) throw new Error(`The Worker answered ${response.status}: ${await response.text()}`);
      return (await response.json()) as Outcome[];
    },
    async stop() {
      await workerd.stop();
      await directory.remove();
    },
  };
}

async function answers(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body: "[]" });
    return response.ok;
  } catch {
    return false;
  }
}

/** One Worker, without compatibility with Node, that may connect to this machine. */
function workerdConfiguration(port: number): string {
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker), (name = "internet", network = (allow = ["public", "private", "local"]))],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = "2025-01-01",
);
`;
}
