import type { Finding } from "../../cli/check/report/rule.ts";
import type { CommandContext, Output } from "../../cli/frame/command.ts";
import { runCommand } from "../../cli/frame/run.ts";

/** What a command printed, and its exit code. */
export interface Run {
  readonly code: number;
  readonly text: string;
  readonly errors: string;
}

/** Where a command in this process prints: no terminal, unless `terminal` says otherwise. */
function outputTo(texts: string[], terminal: Partial<Output> = {}): Output {
  return {
    isTerminal: false,
    hasColor: false,
    columns: 80,
    async write(data) {
      texts.push(typeof data === "string" ? data : new TextDecoder().decode(data));
    },
    ...terminal,
  };
}

/** How a command runs in this process. */
export interface RunOptions {
  readonly signal?: AbortSignal;
  readonly terminal?: Partial<Output>;
  readonly stdin?: AsyncIterable<Uint8Array>;
  /** Where what it prints is put, for a test that reads it meanwhile. */
  readonly text?: string[];
  readonly errors?: string[];
}

/** A context whose output is collected. */
export function contextTo(
  text: string[],
  errors: string[],
  { signal = new AbortController().signal, terminal, stdin = nothing() }: RunOptions = {},
): CommandContext {
  const [stdout, stderr] = [outputTo(text, terminal), outputTo(errors, terminal)];
  return {
    stdout,
    stderr,
    stdin: () => stdin,
    signal,
    print: (line) => void stdout.write(`${line}\n`),
    printError: (line) => void stderr.write(`${line}\n`),
  };
}

/** Runs `fetchcgi` with these arguments in this process. */
export async function fetchcgi(args: readonly string[], options: RunOptions = {}): Promise<Run> {
  const { text = [], errors = [] } = options;
  const code = await runCommand(args, contextTo(text, errors, options));
  return { code, text: text.join("").replace(/\n$/, ""), errors: errors.join("").replace(/\n$/, "") };
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** The findings of a command with `--json`. */
export function findingsOf({ text, errors }: Run): Finding[] {
  if (text === "") throw new Error(`There is no report: ${errors}`);
  return (JSON.parse(text) as { findings: Finding[] }).findings;
}

/** A check, as tests name it. */
export function nameOf({ id, title }: Finding): string {
  return `${id} ${title}`;
}

/** The checks that failed, with their reasons, advice left out. */
export function brokenIn(findings: readonly Finding[]): Map<string, string> {
  const broken = findings.filter(({ verdict, isAdvice }) => verdict === "broken" && !isAdvice);
  return new Map(broken.map((finding) => [nameOf(finding), finding.reason]));
}
