import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { missingTests } from "../support/named_tests.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (file: string): string => readFileSync(join(root, file), "utf8");

/** The rows of a table whose first cell is the id of a field rule, cell by cell. */
function rowsOf(file: string): string[][] {
  return read(file)
    .split("\n")
    .filter((line) => /^\| FIELD-/.test(line))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

const rows = rowsOf("specifications/field-rules.md");

describe("specifications/field-rules.md", () => {
  it("has every field rule of the conformance table, each once", () => {
    const ids = (file: string): string[] => rowsOf(file).map(([id]) => id!);
    expect(ids("specifications/field-rules.md").toSorted()).toEqual(ids("specifications/conformance.md").toSorted());
  });

  it("says in every row who does what, and what we do", () => {
    for (const [id, who, what, tests, ...more] of rows) {
      expect(who?.length, id).toBeGreaterThan(10);
      expect(what?.length, id).toBeGreaterThan(10);
      expect(tests, id).not.toBe("");
      expect(more, id).toEqual([]);
    }
  });

  it("names tests that exist", () => {
    const missing = rows.flatMap(([id, , , tests = ""]) => missingTests(tests).map((entry) => `${id}: ${entry}`));
    expect(missing).toEqual([]);
  });

  it("proves every rule with a program that is not ours, but where none can show it", () => {
    const ours = rows.filter(([, , , tests = ""]) => !tests.includes("`test/interop/")).map(([id]) => id);
    // What a socket waits for is not to be seen from outside; and FIELD-53 is of a runtime, where its test runs too.
    expect(ours.toSorted()).toEqual(["FIELD-30", "FIELD-53"]);
  });
});
