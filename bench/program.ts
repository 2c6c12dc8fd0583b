import { spawn } from "node:child_process";
import { once } from "node:events";
import { guardAgainstLoss, unguard } from "../test/support/guard.ts";
import { childrenOf, killTree } from "../test/support/process_tree.ts";
import { findBinary } from "./find_binary.ts";

/** A program of the bench that runs, bound to one core. */
export interface Program {
  /** The process ids of the program and of all its descendants. */
  pids(): number[];
  /** Sends a line to its stdin and resolves to the line that it answers. */
  ask(line: string): Promise<string>;
  /** The text that it wrote to stderr. */
  stderr(): string;
  /** Makes it end by itself, by the end of its stdin and SIGTERM. */
  stop(): Promise<void>;
}

export interface ProgramOptions {
  readonly name: string;
  /** The core to run on. */
  readonly core: number;
  /** The text in its first line once it can be used; without one, it is usable at once. */
  readonly ready?: string;
  readonly env?: NodeJS.ProcessEnv;
}

const READY_TIMEOUT = 20_000;
const STOP_TIMEOUT = 5_000;

const taskset = findBinary("taskset");

/** Whether processes can be bound to cores here. */
export const canPin = taskset !== undefined;

/** A command on one core, where that can be had. */
export function pinned(core: number, command: string, args: readonly string[]): [string, string[]] {
  return taskset === undefined ? [command, [...args]] : [taskset, ["-c", String(core), command, ...args]];
}

/** Binds a process that runs, with its threads and children, to a core. */
export async function pin(core: number, pids: readonly number[]): Promise<void> {
  if (taskset === undefined) return;
  for (const pid of pids) await once(spawn(taskset, ["-a", "-c", "-p", String(core), String(pid)]), "exit");
}

/** A process and all its descendants. */
export function treeOf(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(treeOf)];
}

/** Starts a program and waits until it is ready. */
export async function startProgram(
  command: string,
  args: readonly string[],
  { name, core, ready, env = process.env }: ProgramOptions,
): Promise<Program> {
  const child = spawn(...pinned(core, command, args), { stdio: ["pipe", "pipe", "pipe"], env });
  const { pid } = child;
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-10_000);
  });
  child.stdin.on("error", () => {});
  let ended: string | null = null;
  const exited = new Promise<void>((resolve) => {
    const end = (how: string): void => {
      ended = how;
      if (pid !== undefined) unguard(pid);
      resolve();
    };
    child.once("error", ({ message }) => end(message));
    child.once("close", (code, signal) => end(signal ?? `code ${code}`));
  });
  if (pid !== undefined) guardAgainstLoss(pid);
  const lines = new Lines(child.stdout);
  const nextLine = async (): Promise<string> => {
    const line = await Promise.race([lines.next(), exited]);
    if (line === undefined) throw new Error(`Cannot go on with ${name}: it ended with ${ended}\n${stderr}`);
    return line;
  };
  const stop = async (): Promise<void> => {
    if (ended !== null || pid === undefined) return;
    child.stdin.end();
    child.kill("SIGTERM");
    const timer = setTimeout(() => killTree(pid), STOP_TIMEOUT);
    await exited;
    clearTimeout(timer);
  };

  if (ready !== undefined) {
    const timer = setTimeout(() => pid !== undefined && killTree(pid), READY_TIMEOUT);
    try {
      for (let line = await nextLine(); !line.includes(ready); line = await nextLine());
    } finally {
      clearTimeout(timer);
    }
  }
  return {
    pids: () => (pid === undefined || ended !== null ? [] : treeOf(pid)),
    ask(line) {
      child.stdin.write(`${line}\n`);
      return nextLine();
    },
    stderr: () => stderr,
    stop,
  };
}

/** Runs a program to its end and resolves to what it wrote to stdout. */
export async function runProgram(command: string, args: readonly string[], core: number): Promise<string> {
  const child = spawn(...pinned(core, command, args), { stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  if (child.pid !== undefined) guardAgainstLoss(child.pid);
  await once(child, "close");
  if (child.pid !== undefined) unguard(child.pid);
  if (stdout === "") throw new Error(`Cannot measure: ${command} said nothing. ${stderr.trim()}`);
  return stdout;
}

/** The lines of a stream, one at a time. */
class Lines {
  readonly #lines: string[] = [];
  #rest = "";
  #wake: (() => void) | null = null;

  constructor(stream: NodeJS.ReadableStream) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      const lines = (this.#rest + text).split("\n");
      this.#rest = lines.pop()!;
      this.#lines.push(...lines);
      this.#wake?.();
    });
  }

  async next(): Promise<string> {
    while (this.#lines.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#lines.shift()!;
  }
}
