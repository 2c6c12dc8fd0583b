import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { missingTests } from "../support/named_tests.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const text = readFileSync(join(root, "SECURITY.md"), "utf8");

/** The rows of a table: the cells before the last, and the last, which names tests. */
function rowsOf(head: string): { name: string; tests: string }[] {
  return text
    .slice(text.indexOf(head))
    .split("\n\n", 1)[0]!
    .split("\n")
    .slice(2)
    .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()))
    .map((cells) => ({ name: cells.slice(1, -2).join(" "), tests: cells.at(-2)! }));
}

it.each([
  ["party", "| party | trusted? | with what | test |", 20],
  ["default", "| default | why | test |", 17],
])("SECURITY.md names tests that exist for each row about a %s", (_, head, count) => {
  const rows = rowsOf(head);
  expect(rows.length).toBeGreaterThanOrEqual(count);
  const missing = rows.flatMap(({ name, tests }) => missingTests(tests).map((entry) => `${name}: ${entry || "none"}`));
  expect(missing).toEqual([]);
});

it("SECURITY.md says of each row about a party whether it is trusted, and has no other table", () => {
  const heads = text.split("\n").filter((_, index, lines) => /^\|[-|]+\|$/.test(lines[index + 1] ?? ""));
  expect(heads).toHaveLength(2);
  for (const { name } of rowsOf("| party | trusted? | with what | test |"))
    expect(name).toMatch(/^(?:.+ )? ?(?:yes|no) \S/);
});
