import cluster from "node:cluster";
import { watch } from "node:fs";
import { dirname, resolve, sep } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { FastCgiListener } from "../../adapters/node/index.ts";
import { inheritedDescriptor } from "../../adapters/system/inherited.ts";
import type { ListenTarget } from "../../adapters/system/listen.ts";
import { listenTargetFor } from "../address.ts";
import { type CommandContext, type CommandInput, UsageError } from "../frame/command.ts";
import { readMode } from "../mode.ts";
import { startServing } from "./listener.ts";
import { ModuleError } from "./module.ts";
import type { serveOptions } from "./options.ts";
import { linesFor, WEB_SERVERS } from "./paste.ts";
import { Supervisor } from "./supervisor.ts";
import { forkWorker, tellPrimary, untilDismissed } from "./workers.ts";

type Input = CommandInput<typeof serveOptions>;

/** The exit code when the module can't be loaded, or the address can't be listened on. */
const EXIT_FAILED = 1;

/** Milliseconds without another change of a file before workers are replaced: editors write in several steps. */
const QUIET_TIME = 100;

export async function run({ options, operands: [file = ""] }: Input, context: CommandContext): Promise<number> {
  const target = targetOf(options);
  if (cluster.isWorker) return work(file, target, options.drain);
  const { print, printError } = context;
  if (options.print !== undefined) {
    const lines = linesFor(options.print as (typeof WEB_SERVERS)[number], target);
    if (lines === null) throw new UsageError("Cannot print lines for a web server: expected --listen unix:… or tcp:…");
    print(lines);
    return 0;
  }
  const isSupervised = options.workers !== undefined || options.watch;
  if (isSupervised && ("Bun" in globalThis || "Deno" in globalThis))
    throw new UsageError("Cannot use --workers and --watch: only Node has them; start several processes instead");
  try {
    if (isSupervised) await supervise(file, target, options, context);
    else await serveHere(file, target, options.drain, context);
    return 0;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    printError(`fetchcgi: ${isSupervised ? (error as Error).message : reasonOf(error)}`);
    return EXIT_FAILED;
  }
}

/** What went wrong: a sentence of ours, or what the module has thrown, with the place where it did. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return `the module threw ${String(error)}`;
  const isSentence = error instanceof ModuleError || error.message.startsWith("Cannot ");
  return isSentence ? error.message : (error.stack ?? error.message);
}

function targetOf({ listen, mode: modeText, "take-over": takeOver }: Input["options"]): ListenTarget {
  const mode = readMode("--mode", modeText);
  if (listen !== undefined) {
    const target = listenTargetFor(listen);
    return target.path === undefined ? target : { ...target, mode, takeOver };
  }
  try {
    // Told to workers by its number: it was inherited by this process, not by them.
    return {
      fd: cluster.isWorker
        ? Number(process.env.FETCHCGI_FD)
        : inheritedDescriptor((name) => process.env[name], process.pid),
    };
  } catch (error) {
    throw new UsageError(`${(error as Error).message}; --listen ADDRESS says where to listen`);
  }
}

/** Serves in this process. */
async function serveHere(file: string, target: ListenTarget, drain: number, context: CommandContext): Promise<void> {
  const { signal } = context;
  const listener = await startServing(file, target);
  announce(`serving ${file}`, target, listener, context);
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
  await listener.close({ timeout: drain });
  // Timers and sockets of the module may be left.
  setTimeout(() => process.exit(), 0).unref();
}

/** Serves as a worker. */
async function work(file: string, target: ListenTarget, drain: number): Promise<number> {
  let listener: FastCgiListener;
  try {
    listener = await startServing(file, target);
  } catch (error) {
    await tellPrimary({ failed: reasonOf(error) });
    process.exit(EXIT_FAILED);
  }
  await untilDismissed();
  await listener.close({ timeout: drain });
  process.exit(0);
}

/** Serves with workers, until the signal. */
async function supervise(
  file: string,
  target: ListenTarget,
  options: Input["options"],
  context: CommandContext,
): Promise<void> {
  const { printError, signal } = context;
  const { workers = 1, drain } = options;
  if (target.fd !== undefined) process.env.FETCHCGI_FD = String(target.fd);
  const supervisor = new Supervisor({
    workers,
    fork: forkWorker,
    report: (line) => printError(`fetchcgi: ${line}`),
    sleep: (milliseconds) => sleep(milliseconds, undefined, { signal }).catch(() => {}),
    now: () => performance.now(),
  });
  await supervisor.start();
  announce(`serving ${file} with ${workers} ${workers === 1 ? "worker" : "workers"}`, target, undefined, context);
  const onHangup = (): void => void supervisor.reload().then(() => printError("fetchcgi: reloaded"));
  process.on("SIGHUP", onHangup);
  const stopWatching = options.watch ? watchFolder(dirname(resolve(file)), onHangup, printError) : () => {};
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
  process.off("SIGHUP", onHangup);
  stopWatching();
  printError("fetchcgi: ending when the running requests have been answered");
  // Workers abort them after `drain`; this is for those that are stuck.
  await supervisor.close(sleep(drain + 5000, undefined, { ref: false }));
}

/** Calls back after files in a folder have changed, but not in node_modules and folders with a dot. */
function watchFolder(folder: string, onChange: () => void, printError: (text: string) => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const watcher = watch(folder, { recursive: true }, (_, name) => {
    if (name?.split(sep).some((part) => part === "node_modules" || part.startsWith("."))) return;
    clearTimeout(timer);
    timer = setTimeout(onChange, QUIET_TIME);
  });
  watcher.on("error", (error) => printError(`fetchcgi: Cannot watch ${folder}: ${error.message}`));
  return () => {
    clearTimeout(timer);
    watcher.close();
  };
}

function announce(
  what: string,
  target: ListenTarget,
  listener: FastCgiListener | undefined,
  { printError, stderr }: CommandContext,
): void {
  const { path, fd, hostname, port } = { ...target, ...listener?.address };
  const where = path ?? (fd === undefined ? `${hostname}:${port}` : `descriptor ${fd}`);
  printError(`fetchcgi: ${what} on ${where}`);
  if (!stderr.isTerminal) return;
  for (const server of WEB_SERVERS) {
    const lines = linesFor(server, target);
    if (lines !== null) printError(`\n# ${server}\n${lines}`);
  }
}
