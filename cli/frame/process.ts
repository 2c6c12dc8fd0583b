// The process as a command sees it.

import { type CommandContext, EXIT_USAGE, type Output } from "./command.ts";

/** Milliseconds in which an interrupted process ends by itself, unless the system keeps it. */
const END_TIME = 200;

/** Columns where there is no terminal. */
const DEFAULT_COLUMNS = 80;

/** The process that runs the program. */
export function processContext(): CommandContext {
  let signal: AbortSignal | undefined;
  const signalOnce = (): AbortSignal => {
    signal ??= signalOfProcess();
    return signal;
  };
  // Each is opened when it is used: that takes its time, and many commands print only to one.
  let [stdout, stderr]: (Output | undefined)[] = [];
  const context: CommandContext = {
    get stdout() {
      stdout ??= outputOf(process.stdout);
      return stdout;
    },
    get stderr() {
      stderr ??= outputOf(process.stderr);
      return stderr;
    },
    stdin() {
      // Otherwise the process would wait for its next piece.
      signalOnce().addEventListener("abort", () => process.stdin.destroy(), { once: true });
      return process.stdin;
    },
    // The system ends a command that does not use it.
    get signal() {
      return signalOnce();
    },
    print(text) {
      context.stdout.write(`${text}\n`).catch((error: NodeJS.ErrnoException) => {
        // A reader that has left, as `head` does, wants to hear no more.
        if (error.code === "EPIPE") return;
        context.printError(`fetchcgi: ${error.message}`);
        process.exitCode = EXIT_USAGE;
      });
    },
    printError: (text) => void context.stderr.write(`${text}\n`).catch(() => {}),
  };
  return context;
}

/** Aborts with the first Ctrl+C or SIGTERM. The second one ends the process, whatever it does. */
function signalOfProcess(): AbortSignal {
  const controller = new AbortController();
  const names = ["SIGINT", "SIGTERM"] as const;
  const onFirst = (): void => {
    // The second one may be the other one.
    for (const name of names) process.off(name, onFirst);
    controller.abort();
  };
  for (const name of names) process.on(name, onFirst);
  return controller.signal;
}

/**
 * Ends a process that was interrupted, and whose command has ended. A named pipe that no other process opens keeps a thread of it waiting:
 * that can't be cancelled, and `process.exit()` would wait for it too. A shell sees the same code, 130, in both cases.
 */
export function endSoon(): void {
  const end = (): void => {
    for (const name of ["SIGINT", "SIGTERM"] as const) process.removeAllListeners(name);
    process.kill(process.pid, "SIGINT");
  };
  setTimeout(end, END_TIME).unref();
}

/** Ends a process whose command has ended, with its exit code, if what the command could not close keeps it. */
export function exitSoon(): void {
  setTimeout(() => process.exit(), END_TIME).unref();
}

/** Whether colours are shown. FORCE_COLOR comes before everything else, as with Node and Bun: users set it for a log that shows colours. */
function hasColor(isTerminal: boolean, { FORCE_COLOR, NO_COLOR, TERM }: NodeJS.ProcessEnv): boolean {
  if (FORCE_COLOR) return !["0", "false"].includes(FORCE_COLOR);
  return isTerminal && !NO_COLOR && TERM !== "dumb";
}

/** A stream of the process as an output. */
export function outputOf(stream: NodeJS.WriteStream, environment: NodeJS.ProcessEnv = process.env): Output {
  const isTerminal = stream.isTTY === true;
  const { fd } = stream as { fd?: number };
  // A failed write is told to its callback.
  stream.on("error", () => {});
  return {
    isTerminal,
    hasColor: hasColor(isTerminal, environment),
    get columns() {
      return stream.columns ?? DEFAULT_COLUMNS;
    },
    ...(fd !== undefined && { descriptor: fd }),
    write: (data) =>
      new Promise<void>((resolve, reject) => {
        // Deno may throw at once.
        stream.write(data, (error) => (error ? reject(error) : resolve()));
      }).catch((error) => {
        throw writeError(error);
      }),
  };
}

/** An error of writing, in words. One without them says that the reader has left. */
function writeError(error: NodeJS.ErrnoException): Error {
  return error.code === "EPIPE" ? error : new Error(`Cannot write the result: ${error.message}`, { cause: error });
}
