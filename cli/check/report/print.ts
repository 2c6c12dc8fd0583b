import { safeJson, safeLine } from "../../frame/style.ts";
import { type Finding, passes, type Verdict } from "./rule.ts";

/** What a report shows. */
export interface TextOptions {
  /** Whether it shows what was sent and what came for every check, not only for those that failed. */
  readonly isVerbose?: boolean;
}

const WIDTH = "broken (advice)".length;
const INDENT = " ".repeat(WIDTH + 2);

/** A line for a finding, and what led to it if that matters. */
export function findingText(found: Finding, { isVerbose = false }: TextOptions = {}): string {
  const { verdict, id, title, reason, isAdvice, exchanges } = found;
  const word = verdict === "broken" && isAdvice ? "broken (advice)" : verdict;
  const lines = [`${word.padEnd(WIDTH)}  ${id.padEnd(12)}  ${title}`];
  if (isVerbose || verdict !== "kept") lines.push(`${INDENT}${reason}`);
  if (isVerbose || verdict === "broken") {
    for (const { sent, came } of exchanges) {
      if (sent.length > 0) lines.push(`${INDENT}sent: ${sent.join(", ")}`);
      lines.push(`${INDENT}came: ${came.join(", ") || "nothing"}`);
    }
  }
  return lines.map(safeLine).join("\n");
}

/** How many findings of each kind there are, in one line. */
export function countText(findings: readonly Finding[]): string {
  const count = (verdict: Verdict, isAdvice?: boolean): number =>
    findings.filter((one) => one.verdict === verdict && (isAdvice === undefined || one.isAdvice === isAdvice)).length;
  const counts = [
    [count("kept"), "kept"],
    [count("broken", false), "broken"],
    [count("broken", true), "broken (advice)"],
    [count("not told"), "not told"],
    [count("not applicable"), "not applicable"],
  ] as const;
  const parts = counts.filter(([number]) => number > 0).map(([number, what]) => `${number} ${what}`);
  return `${passes(findings) ? "passed" : "failed"}: ${parts.join(", ")}`;
}

/** The report as JSON. */
export function reportJson(subject: object, findings: readonly Finding[]): string {
  return safeJson({ ...subject, passed: passes(findings), findings }, 2);
}
