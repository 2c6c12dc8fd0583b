import { isDeepStrictEqual } from "node:util";
import type { Reporter, TestModule } from "vitest/node";
import type { Cell } from "../../interop/web_servers/battery.ts";
import { table } from "../table.ts";

/** Closes a run with the table of web servers and cases, and with the limits that it refers to. */
export default class MatrixReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const cells = new Map<string, Map<string, string>>();
    const columns = new Map<string, string>();
    const notes: string[] = [];
    const others: string[] = [];
    const noteOf = ({ limit, outcome }: Cell): string => {
      const { reason, reference } = limit!;
      const note = `${say(outcome)}: ${reason} (${reference})`;
      const known = notes.indexOf(note);
      return `[${known < 0 ? notes.push(note) : known + 1}]`;
    };
    const sorted = [...modules].sort((a, b) => a.moduleId.localeCompare(b.moduleId));
    for (const test of sorted.flatMap((module) => [...module.children.allTests()])) {
      const { cell } = test.meta();
      const { state } = test.result();
      if (cell === undefined) {
        // What is about some web servers only; the tables of limits themselves only where they are wrong.
        if (state === "failed" || !test.name.startsWith("the limits")) {
          others.push(`${state === "passed" ? "pass" : "FAIL"}  ${test.fullName}`);
        }
        continue;
      }
      const { column, version, row, outcome, limit } = cell;
      columns.set(column, version);
      if (!cells.has(row)) cells.set(row, new Map());
      const isLimit = limit !== undefined && isDeepStrictEqual(outcome, limit.outcome);
      const passed = isLimit ? noteOf(cell) : "pass";
      cells.get(row)!.set(column, state === "passed" ? passed : "FAIL");
    }
    const rows = [...cells].map(([row, byColumn]) => [
      row,
      ...[...columns.keys()].map((name) => byColumn.get(name) ?? ""),
    ]);
    process.stdout.write(`\n${table([["", ...columns.keys()], ["", ...columns.values()], ...rows])}\n`);
    if (others.length > 0) process.stdout.write(`\n${others.join("\n")}\n`);
    if (notes.length > 0) process.stdout.write(`\nThe web servers' own limits\n${numbered(notes)}\n`);
    for (const error of modules.flatMap((module) => module.errors())) process.stdout.write(`\n${error.message}\n`);
  }
}

function say(outcome: unknown): string {
  return typeof outcome === "string" ? outcome : JSON.stringify(outcome);
}

function numbered(notes: readonly string[]): string {
  return notes.map((note, i) => `${`[${i + 1}]`.padStart(5)} ${note}`).join("\n");
}
