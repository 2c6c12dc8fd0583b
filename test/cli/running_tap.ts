import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Output } from "../../cli/frame/command.ts";
import { runCommand } from "../../cli/frame/run.ts";
import type { ExchangeReport, Report } from "../../cli/wire/report.ts";
import { waitUntil } from "../support/process.ts";
import { createTemporaryDirectory } from "../support/temporary_directory.ts";
import { contextTo } from "./run.ts";

/** A `fetchcgi tap` in this process. */
export interface RunningTap {
  /** Its Unix socket. */
  readonly path: string;
  /** The folder of the socket, for other files. */
  readonly folder: string;
  text(): string;
  errors(): string;
  /** What it has printed with `--json`. */
  reports(): Report[];
  exchanges(): ExchangeReport[];
  /** Asks it to end. Resolves with the exit code. */
  stop(): Promise<number>;
}

/**
 * Starts a tap to an application. The arguments may hold `{folder}`.
 *
 * @param taken What each write to its output waits for. What is written to its errors is there at once, but seems to wait as well.
 */
export async function startTap(
  to: string,
  args: readonly string[] = [],
  taken: Promise<void> = Promise.resolve(),
): Promise<RunningTap> {
  const directory = await createTemporaryDirectory("tap");
  const path = join(directory.path, "tap.sock");
  const [text, errors]: [string[], string[]] = [[], []];
  const ending = new AbortController();
  const more = args.map((arg) => arg.replace("{folder}", directory.path));
  const context = contextTo(text, errors, { signal: ending.signal });
  const stdout: Output = {
    ...context.stdout,
    async write(data) {
      await taken;
      await context.stdout.write(data);
    },
  };
  const stderr: Output = {
    ...context.stderr,
    async write(data) {
      await context.stderr.write(data);
      await taken;
    },
  };
  const code = runCommand(["tap", "--listen", `unix:${path}`, "--to", to, ...more], { ...context, stdout, stderr });
  const stop = (): Promise<number> => {
    ending.abort();
    return code;
  };
  onTestFinished(async () => {
    await stop();
    await directory.remove();
  });
  await waitUntil(() => errors.join("").includes("listening on"));
  const reports = (): Report[] =>
    text
      .join("")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Report);
  return {
    path,
    folder: directory.path,
    text: () => text.join(""),
    errors: () => errors.join(""),
    reports,
    exchanges: () => reports().filter((report): report is ExchangeReport => report.event === "exchange"),
    stop,
  };
}
