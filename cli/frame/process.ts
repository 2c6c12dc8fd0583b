// The process as a command sees it.

import type { CommandContext, Output } from "./command.ts";

/** Columns where there is no terminal. */
const DEFAULT_COLUMNS = 80;

/** The process that runs the program. */
export function processContext(): CommandContext {
  const controller = new AbortController();
  // Once: a second Ctrl+C ends the process whatever it does.
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => controller.abort());
  const [stdout, stderr] = [outputOf(process.stdout), outputOf(process.stderr)];
  return {
    stdout,
    stderr,
    stdin: () => process.stdin,
    signal: controller.signal,
    print: (text) => void stdout.write(`${text}\n`).catch(() => {}),
    printError: (text) => void stderr.write(`${text}\n`).catch(() => {}),
  };
}

/** A stream of the process as an output. */
export function outputOf(stream: NodeJS.WriteStream, environment: NodeJS.ProcessEnv = process.env): Output {
  const isTerminal = stream.isTTY === true;
  // A failed write is told to its callback.
  stream.on("error", () => {});
  return {
    isTerminal,
    hasColor: isTerminal && !environment.NO_COLOR && environment.TERM !== "dumb",
    get columns() {
      return stream.columns ?? DEFAULT_COLUMNS;
    },
    write: (data) =>
      new Promise((resolve, reject) => {
        stream.write(data, (error) => (error ? reject(error) : resolve()));
      }),
  };
}
