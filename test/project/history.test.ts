import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { missingTests } from "../support/named_tests.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const rows = readFileSync(join(root, "specifications/history.md"), "utf8")
  .split("\n")
  .filter((line) => line.startsWith("| ") && line.includes("`test/"))
  .map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );

describe("specifications/history.md", () => {
  it("says in every row where it was, what happened and what this library does", () => {
    expect(rows.length).toBeGreaterThan(20);
    for (const [source, happened, library, tests, ...more] of rows) {
      expect(source?.length, source).toBeGreaterThan(5);
      expect(happened?.length, source).toBeGreaterThan(20);
      expect(library?.length, source).toBeGreaterThan(15);
      expect(tests, source).not.toBe("");
      expect(more, source).toEqual([]);
    }
  });

  it("names tests that exist", () => {
    const missing = rows.flatMap(([source, , , tests = ""]) =>
      missingTests(tests).map((entry) => `${source}: ${entry}`),
    );
    expect(missing).toEqual([]);
  });
});
