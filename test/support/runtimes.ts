import { type ChildProcess, type IOType, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Stream } from "node:stream";
import { finished } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { requireRuntime } from "../../scripts/setup.mjs";
import type { RuntimeName } from "../adapters/battery/programs/adapter.ts";
import type { Operation, Outcome } from "../adapters/battery/programs/operations.ts";
import type { RacerOperation, RacerOutcome } from "../adapters/battery/programs/racer.ts";
import { guardAgainstLoss, unguard } from "./guard.ts";
import { waitUntil } from "./process.ts";

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

const programs = fileURLToPath(new URL("../adapters/battery/programs", import.meta.url));

interface ProgramOptions {
  readonly stdin?: IOType | Stream;
  readonly env?: NodeJS.ProcessEnv;
  /** The program in one file, for Node: it starts in a moment. */
  readonly bundled?: string;
}

/** A program of the battery in a runtime. */
class RuntimeProgram {
  readonly child: ChildProcess;
  /** How it ended: its exit code, or the signal. */
  readonly exited: Promise<number | string>;
  #output = "";
  /** Lines that `line` gave. */
  readonly #taken = new Set<number>();

  constructor(runtime: RuntimeName, [program, ...args]: [string, ...string[]], options: ProgramOptions) {
    const { bundled } = options;
    const run =
      bundled === undefined
        ? [...COMMANDS[runtime](), join(programs, program), runtime, ...args]
        : [process.execPath, bundled, runtime, ...args];
    const [command, ...rest] = run;
    this.child = spawn(command!, rest, {
      stdio: [options.stdin ?? "ignore", "pipe", "inherit"],
      env: { ...process.env, ...options.env },
    });
    this.child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      this.#output += text;
    });
    const { pid } = this;
    guardAgainstLoss(pid);
    this.exited = once(this.child, "exit").then(([code, signal]) => (signal ?? code) as number | string);
    void this.exited.then(() => unguard(pid));
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** What it printed, a value for each line. */
  lines(): Record<string, unknown>[] {
    const lines = this.#output.split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line));
  }

  /** Waits for the next line that has this property; returns its value. */
  async line(property: string): Promise<unknown> {
    const find = (): number => this.lines().findIndex((line, i) => property in line && !this.#taken.has(i));
    await waitUntil(() => find() >= 0, {
      message: `Cannot go on: the program printed no ${property}, but ${this.#output}`,
    });
    const at = find();
    this.#taken.add(at);
    return this.lines()[at]![property];
  }

  async stop(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.exited;
  }
}

/** A program that serves: server.ts. */
export interface RuntimeServer extends Pick<RuntimeProgram, "pid" | "lines" | "line" | "exited" | "stop"> {
  /** Asks it to close, and does not wait. */
  askToClose(): void;
}

/** Starts server.ts with options of serve, and waits for its first line. */
export async function startRuntimeServer(
  runtime: RuntimeName,
  options: object,
  programOptions: ProgramOptions = {},
): Promise<RuntimeServer> {
  const program = new RuntimeProgram(runtime, ["server.ts", JSON.stringify(options)], programOptions);
  const { child } = program;
  await waitUntil(() => program.lines().length > 0 || child.exitCode !== null);
  return Object.assign(program, { askToClose: () => void child.kill("SIGTERM") });
}

/** Runs a program to its end. Returns the last line that it printed. */
export async function runRuntimeProgram(runtime: RuntimeName, name: string, ...args: string[]): Promise<unknown> {
  const program = new RuntimeProgram(runtime, [name, ...args], {});
  const how = await program.exited;
  // The last words of a process can arrive after the news of its end.
  await finished(program.child.stdout!, { writable: false });
  if (how !== 0) throw new Error(`${name} on ${runtime} ended with ${how}`);
  return program.lines().at(-1);
}

/** A program that does one thing after the other. */
export interface Operator<Operation, Outcome> {
  readonly pid: number;
  run(operation: Operation): Promise<Outcome>;
  stop(): Promise<void>;
}

/** A program that sends requests. */
export type RuntimeClient = Operator<Operation, Outcome>;

/** A program that starts and closes servers. */
export type RuntimeRacer = Operator<RacerOperation, RacerOutcome>;

/** Starts client.ts. */
export function startRuntimeClient(runtime: RuntimeName, options: ProgramOptions = {}): RuntimeClient {
  return startOperator(runtime, "client.ts", options);
}

/** Starts racer.ts. */
export function startRuntimeRacer(runtime: RuntimeName, options: ProgramOptions = {}): RuntimeRacer {
  return startOperator(runtime, "racer.ts", options);
}

function startOperator<Operation, Outcome>(
  runtime: RuntimeName,
  name: string,
  options: ProgramOptions = {},
): Operator<Operation, Outcome> {
  const program = new RuntimeProgram(runtime, [name], { ...options, stdin: "pipe" });
  const { child } = program;
  // How it ended says more.
  child.stdin!.on("error", () => {});
  const waiting: ((outcome: Outcome) => void)[] = [];
  // Each line once, not all of them again: some programs run thousands of operations.
  createInterface({ input: child.stdout! }).on("line", (line) => waiting.shift()!(JSON.parse(line) as Outcome));
  return {
    pid: program.pid,
    async run(operation) {
      const outcome = new Promise<Outcome>((resolve) => waiting.push(resolve));
      child.stdin!.write(`${JSON.stringify(operation)}\n`);
      const ended = program.exited.then((how) => {
        throw new Error(`${name} on ${runtime} ended with ${how}`);
      });
      return Promise.race([outcome, ended]);
    },
    stop: () => program.stop(),
  };
}
