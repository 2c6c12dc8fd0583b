import { type FSWatcher, watch } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, resolve, sep } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";
import type { FastCgiListener } from "../../adapters/node/index.ts";
import { checkDescriptor, inheritedDescriptor, isSocket } from "../../adapters/system/inherited.ts";
import type { ListenTarget } from "../../adapters/system/listen.ts";
import type { CloseOptions, ConnectionAddress } from "../../src/toolkit.ts";
import { listenTargetFor, listenText } from "../address.ts";
import { type CommandContext, type CommandInput, UsageError } from "../frame/command.ts";
import { onHangup } from "../frame/hangup.ts";
import { aborted, endingWith, unlessAborted } from "../frame/signal.ts";
import { checkSocketFileOptions, readMode } from "../mode.ts";
import { startServing } from "./listener.ts";
import { loadHandler, ModuleError } from "./module.ts";
import { serveOptions } from "./options.ts";
import { linesFor } from "./paste.ts";
import { Supervisor } from "./supervisor.ts";
import { followPrimary, forkWorker, inheritedByWorker, isWorker, tellPrimary } from "./workers.ts";

type Input = CommandInput<typeof serveOptions>;

/** The exit code when the module can't be loaded, or the address can't be listened on. */
const EXIT_FAILED = 1;

/** Milliseconds without another change of a file before workers are replaced: editors write in several steps. */
const QUIET_TIME = 100;

export async function run(input: Input, context: CommandContext): Promise<number> {
  const {
    options,
    given,
    operands: [file = ""],
  } = input;
  const target = targetOf(options);
  checkSocketFileOptions(given, target, options.listen);
  const ending: CloseOptions = { timeout: options.drain, grace: options.grace };
  if (isWorker()) return work(file, target, ending);
  const { print, printError } = context;
  if (options.print !== undefined) {
    const lines = linesFor(options.print, target);
    if (lines === null) throw new UsageError("Cannot print lines for a web server: expected --listen unix:… or tcp:…");
    print(lines);
    return 0;
  }
  const isSupervised = options.workers !== undefined || options.watch;
  if (isSupervised && ("Bun" in globalThis || "Deno" in globalThis))
    throw new UsageError("Cannot use --workers and --watch: only Node has them; start several processes instead");
  try {
    if (isSupervised) await supervise(file, target, options, context);
    else await serveHere(file, target, ending, context);
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
  return isSentence ? error.message : thrownText(error);
}

/** An error that the module has thrown, with the places in it. */
function thrownText({ stack, message }: Error): string {
  if (stack === undefined) return message;
  // What called the module is no place for the user to look at.
  const own = new URL(".", import.meta.url).href;
  // Deno writes places in colours, wherever they are printed.
  return stripVTControlCharacters(stack)
    .split("\n")
    .filter((line) => !/^\s+at /.test(line) || !(line.includes("node:") || line.includes(own)))
    .join("\n");
}

function targetOf({ listen, mode: modeText, "take-over": takeOver }: Input["options"]): ListenTarget {
  const mode = readMode("--mode", modeText);
  const inherited = inheritedByWorker();
  if (inherited !== undefined) return { fd: inherited };
  if (listen !== undefined) {
    const target = listenTargetFor(listen);
    return target.path === undefined ? target : { ...target, mode, takeOver };
  }
  try {
    return { fd: inheritedDescriptor((name) => process.env[name], process.pid) };
  } catch (error) {
    if (process.env.LISTEN_FDS === undefined && !isSocket(0))
      throw new UsageError(
        "Cannot serve: expected --listen ADDRESS, such as --listen unix:/run/app.sock or --listen tcp:127.0.0.1:9000; this process was started with no socket either",
      );
    throw new UsageError(`${(error as Error).message}; --listen ADDRESS says where to listen`);
  }
}

/** Serves in this process, until the signal or SIGHUP. */
async function serveHere(
  file: string,
  target: ListenTarget,
  ending: CloseOptions,
  context: CommandContext,
): Promise<void> {
  const { signal, end } = endingWith(context.signal);
  // A terminal that is closed sends it twice, itself and through its shell: the second one must not cut requests.
  process.on("SIGHUP", end);
  const fetch = await unlessAborted(loadHandler(file), signal);
  if (fetch !== null) {
    // To its end: it may have requests as soon as it listens.
    const listener = await startServing(fetch, target);
    announce(`serving ${file}`, target, listener.address, context);
    await aborted(signal);
    await listener.close(ending);
  }
  // Timers and sockets of the module may be left.
  setTimeout(() => process.exit(), 0).unref();
}

/** Serves as a worker. */
async function work(file: string, target: ListenTarget, ending: CloseOptions): Promise<number> {
  const { mayListen, dismissed } = followPrimary();
  let listener: FastCgiListener;
  try {
    const fetch = await loadHandler(file);
    await tellPrimary({ fetchcgi: "loaded" });
    await mayListen;
    listener = await startServing(fetch, target);
  } catch (error) {
    await tellPrimary({ fetchcgi: "failed", reason: reasonOf(error) });
    process.exit(EXIT_FAILED);
  }
  await tellPrimary({ fetchcgi: "serves", address: listener.address });
  await dismissed;
  await listener.close(ending);
  process.exit(0);
}

/** Serves with workers, until the signal or until the terminal is closed. SIGHUP replaces the workers. */
async function supervise(
  file: string,
  target: ListenTarget,
  options: Input["options"],
  context: CommandContext,
): Promise<void> {
  const { printError, stderr } = context;
  const { drain } = options;
  const workers = options.workers === 0 ? availableParallelism() : (options.workers ?? 1);
  // Workers have it under another number.
  if (target.fd !== undefined) {
    checkDescriptor(target.fd);
    if (!isSocket(target.fd))
      throw new Error(
        `Cannot listen on descriptor ${target.fd}: it is not a socket that this process was started with`,
      );
  }
  const { signal, end } = endingWith(context.signal);
  let address: ConnectionAddress | undefined;
  const supervisor = new Supervisor({
    workers,
    fork: () =>
      forkWorker(target.fd, (at) => {
        address = at;
      }),
    report: (line) => printError(`fetchcgi: ${line}`),
    sleep: (milliseconds) => sleep(milliseconds, undefined, { signal }).catch(() => {}),
    now: () => performance.now(),
  });
  const started = supervisor.start();
  const reload = (): void =>
    void started
      .then(() => supervisor.reload())
      .then(
        (isReloaded) => isReloaded && printError("fetchcgi: reloaded"),
        // Told below.
        () => {},
      );
  const reloadUnlessEnding = (): void => {
    if (!signal.aborted) reload();
  };
  const ignoreHangup = onHangup(stderr, reloadUnlessEnding, end);
  let stopWatching = (): void => {};
  // Workers abort their requests after `drain`; this is for those that are stuck.
  const limit = (): Promise<void> => sleep(drain + 5000, undefined, { ref: false });
  try {
    if ((await unlessAborted(started, signal)) === null) return;
    if (options.watch) stopWatching = watchFolder(dirname(resolve(file)), reload, printError);
    const what = `serving ${file} with ${workers} ${workers === 1 ? "worker" : "workers"}`;
    announce(what, target, target.fd === undefined ? address : undefined, context);
    await aborted(signal);
    printError("fetchcgi: ending when the running requests have been answered");
  } finally {
    stopWatching();
    await supervisor.close(limit());
    // Not before: a terminal that is closed sends it twice, itself and through its shell.
    ignoreHangup();
  }
}

/** Calls back after files in a folder have changed, but not in node_modules and folders with a dot. */
function watchFolder(folder: string, onChange: () => void, printError: (text: string) => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const onEvent = (_: string, name: string | null): void => {
    if (name?.split(sep).some((part) => part === "node_modules" || part.startsWith("."))) return;
    clearTimeout(timer);
    timer = setTimeout(onChange, QUIET_TIME);
  };
  const told = (error: Error): string => `Cannot watch ${folder}: ${error.message}`;
  let watcher: FSWatcher;
  try {
    watcher = watch(folder, { recursive: true }, onEvent);
  } catch (error) {
    throw new Error(told(error as Error), { cause: error });
  }
  watcher.on("error", (error) => printError(`fetchcgi: ${told(error)}`));
  return () => {
    clearTimeout(timer);
    watcher.close();
  };
}

function announce(
  what: string,
  target: ListenTarget,
  address: ConnectionAddress | undefined,
  { printError, stderr }: CommandContext,
): void {
  printError(`fetchcgi: ${what} on ${listenText(target, address)}`);
  if (!stderr.isTerminal) return;
  for (const server of serveOptions.print.choices) {
    const lines = linesFor(server, { ...target, ...address });
    if (lines !== null) printError(`\n# ${server}\n${lines}`);
  }
}
