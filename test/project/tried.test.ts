import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { needsRuntimes } from "../../scripts/tried.mjs";

it.each<[what: string, line: string, needs: boolean]>([
  ["fuzz", "10", false],
  ["fuzz", "10 --runtime node --ledger", false],
  ["fuzz", "10 --runtime bun", true],
  ["fuzz", "10 --runtime node26", true],
  ["races", "4", false],
  ["soak", "10 --runtime deno", true],
  ["processes", "100", true],
  ["processes", "100 --on node", false],
  ["processes", "100 --on bun", true],
  ["processes", "100 --on node --runtime node22", true],
  ["limits", "", true],
  ["limits", "--mib 16 --on node", false],
  ["limits", "--on deno", true],
  ["reload", "5 --on node", true],
])("npm run %s -- %s installs other runtimes: %s", (what, line, needs) => {
  expect(needsRuntimes(what, line.split(" "))).toBe(needs);
});

it("no command of scripts/ loads a package before it can install it", () => {
  const folder = new URL("../../scripts/", import.meta.url);
  const files = readdirSync(folder).filter((name) => name.endsWith(".mjs"));
  expect(files).toContain("mutation.mjs");
  const loading = files.filter((name) =>
    /^import .*from "(?!node:|\.\.?\/)/m.test(readFileSync(new URL(name, folder), "utf8")),
  );
  expect(loading).toEqual([]);
});
