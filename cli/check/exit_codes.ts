import { EXIT_USAGE } from "../frame/command.ts";
import { type Finding, passes } from "./report/rule.ts";

/** The exit codes of both checks. */
export const CHECK_EXIT_CODES: readonly (readonly [code: number, meaning: string])[] = [
  [0, "no rule is broken, apart from advice"],
  [1, "a rule is broken"],
  [EXIT_USAGE, "nothing could be checked, or the arguments are wrong"],
];

/** The exit code for what a check found. */
export function exitCodeFor(findings: readonly Finding[]): number {
  if (findings.length === 0) return EXIT_USAGE;
  return passes(findings) ? 0 : 1;
}
