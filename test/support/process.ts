import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { guardAgainstLoss, unguard } from "./guard.ts";
import { killTree } from "./process_tree.ts";

export interface ProcessOptions {
  /** What messages call the program. */
  readonly name: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** The user that runs the program, where root starts it. */
  readonly uid?: number;
  /** Says whether the program can be used; asked again and again. Without it, a program is ready once it runs. */
  readonly ready?: () => boolean | Promise<boolean>;
  /** In milliseconds, a minute by default. */
  readonly readyTimeout?: number;
  /** How the program is asked to stop: SIGTERM by default. */
  readonly stopSignal?: NodeJS.Signals;
  /** How long it has to stop before it is killed with all its children: milliseconds, 20 seconds by default. */
  readonly graceTime?: number;
  /** More to show when it does not start, such as its log file. */
  readonly log?: () => string;
}

export interface RunningProcess {
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  /** How it ended, such as "code 1" or "SIGKILL". */
  readonly exited: Promise<string>;
  /** Resolves when the process is gone; does nothing when it already is. */
  stop(): Promise<void>;
}

/** Starts a program in the foreground and waits until it is ready. A program that does not start is cleaned up. */
export async function startProcess(command: string, options: ProcessOptions): Promise<RunningProcess> {
  const { name, args, ready, readyTimeout = 60_000, stopSignal = "SIGTERM", graceTime = 20_000 } = options;
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: options.env ?? process.env,
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    ...(options.uid !== undefined && { uid: options.uid }),
  });
  const output = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].setEncoding("utf8").on("data", (text: string) => {
      output[stream] += text;
    });
  }

  // The last words of a process can arrive after the news of its end.
  const outputEnded = once(child, "close").catch(() => {});
  let ended: string | undefined;
  const exited = new Promise<string>((resolve) => {
    const end = (how: string): void => {
      ended = how;
      if (child.pid !== undefined) unguard(child.pid);
      resolve(how);
    };
    child.once("error", (error) => end(error.message));
    child.once("exit", (code, signal) => end(signal ?? `code ${code}`));
  });

  const stop = async (): Promise<void> => {
    if (ended !== undefined || child.pid === undefined) return;
    const { pid } = child;
    child.kill(stopSignal);
    const killTimer = setTimeout(() => killTree(pid), graceTime);
    await exited;
    clearTimeout(killTimer);
  };

  if (child.pid === undefined) throw new Error(`Cannot start ${name}: ${await exited}`);
  guardAgainstLoss(child.pid);
  try {
    await waitUntil(
      async () => {
        if (ended !== undefined) throw new Error(`Cannot start ${name}: ended with ${ended}`);
        return (await ready?.()) ?? true;
      },
      { timeout: readyTimeout, message: `Cannot start ${name}: not ready after ${readyTimeout} ms` },
    );
  } catch (error) {
    await stop();
    // A child of its own that lives on holds them open.
    await Promise.race([outputEnded, sleep(5_000, undefined, { ref: false })]);
    const details = [output.stdout, output.stderr, options.log?.() ?? ""].filter((text) => text !== "").join("\n");
    throw new Error(`${(error as Error).message}\n${details}`, { cause: error });
  }
  return { pid: child.pid, stdout: () => output.stdout, stderr: () => output.stderr, exited, stop };
}

export interface WaitOptions {
  /** In milliseconds, a minute by default: what happens at all has happened then, on a busy machine as well. */
  readonly timeout?: number;
  /** What the error says when the time is over: a function tells what is known only then. */
  readonly message?: string | (() => string);
}

/** Asks until the answer is yes. For what tests cannot await: other processes and their files. */
export async function waitUntil(probe: () => boolean | Promise<boolean>, options: WaitOptions = {}): Promise<void> {
  const { timeout = 60_000, message = `Cannot go on: still waiting after ${timeout} ms` } = options;
  const deadline = Date.now() + timeout;
  while (!(await probe())) {
    if (Date.now() > deadline) throw new Error(typeof message === "string" ? message : message());
    await sleep(10);
  }
}
