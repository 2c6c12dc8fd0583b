import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { namedTest, testExists } from "../support/named_tests.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const text = readFileSync(join(root, "SECURITY.md"), "utf8");

/** The rows of the table of defaults: each default with the cell of its tests. */
const rows = text
  .slice(text.indexOf("| default | why | test |"))
  .split("\n\n", 1)[0]!
  .split("\n")
  .slice(2)
  .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()))
  .map(([, name = "", , tests = ""]) => ({ name, tests: tests.match(/`test\/[^`]+`/g) ?? [] }));

it("SECURITY.md names a test that exists for each default", () => {
  expect(rows.length).toBeGreaterThan(10);
  const missing = rows.flatMap(({ name, tests }) => {
    if (tests.length === 0) return [`${name}: none`];
    return tests
      .filter((entry) => {
        const test = namedTest(entry);
        return test === null || !testExists(test);
      })
      .map((entry) => `${name}: ${entry}`);
  });
  expect(missing).toEqual([]);
});
