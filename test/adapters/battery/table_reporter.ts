import { execFileSync } from "node:child_process";
import type { Reporter, TestCase, TestModule, TestSuite } from "vitest/node";
import { requireRuntime } from "../../../scripts/setup.mjs";
import { table } from "../../support/table.ts";
import { type Runtime, rows, runtimes } from "./cells.ts";

/** Closes a run of the battery with the table of runtimes and of what they do. */
export default class TableReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const notes: string[] = [];
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const lines = rows.map((row) => [
      row,
      ...runtimes.map((runtime) => {
        const isHere = ({ runtimeCell: cell }: ReturnType<TestCase["meta"]>): boolean =>
          cell?.runtime === runtime && cell.row === row;
        return cellOf(
          tests.filter((test) => isHere(test.meta())),
          notes,
        );
      }),
    ]);
    process.stdout.write(`\n${table([["", ...runtimes], ["", ...runtimes.map(versionOf)], ...lines])}\n`);
    if (notes.length > 0) process.stdout.write(`\n${notes.map((note, i) => `[${i + 1}] ${note}`).join("\n")}\n`);
  }
}

/** What the tests of a cell say together; nothing where none was run. */
function cellOf(tests: readonly TestCase[], notes: string[]): string {
  const results = tests.map((test) => test.result());
  const reasons = new Set(results.flatMap((result) => (result.state === "skipped" && result.note) || []));
  const isPassed = results.some(({ state }) => state === "passed");
  const isFailed = results.some(({ state }) => state === "failed" || state === "pending");
  if (isFailed || tests.some(isUnreached)) return "FAIL";
  if (!isPassed) return [...reasons].join("; ");
  const marks = [...reasons].map((reason) => {
    const known = notes.indexOf(reason);
    return `[${known < 0 ? notes.push(reason) : known + 1}]`;
  });
  return ["pass", ...marks].join(" ");
}

/** Whether what comes before a test has failed: the test itself counts as skipped then. */
function isUnreached({ parent }: TestCase | TestSuite): boolean {
  return parent.errors().length > 0 || (parent.type === "suite" && isUnreached(parent));
}

function versionOf(runtime: Runtime): string {
  if (runtime === "node") return process.versions.node;
  // Some say more than their version.
  const text = execFileSync(requireRuntime(runtime), ["--version"], { encoding: "utf8" });
  return /\d[\w.-]+/.exec(text)?.[0] ?? "";
}
