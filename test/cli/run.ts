import { runCommand } from "../../cli/command.ts";
import type { Finding } from "../../cli/report/rule.ts";

/** What a command printed, and its exit code. */
export interface Run {
  readonly code: number;
  readonly text: string;
  readonly errors: string;
}

/** Runs `fetchcgi` with these arguments in this process. */
export async function fetchcgi(
  args: readonly string[],
  signal: AbortSignal = new AbortController().signal,
): Promise<Run> {
  const lines: string[] = [];
  const errors: string[] = [];
  const context = {
    print: (text: string) => void lines.push(text),
    printError: (text: string) => void errors.push(text),
    signal,
  };
  const code = await runCommand(args, context);
  return { code, text: lines.join("\n"), errors: errors.join("\n") };
}

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
