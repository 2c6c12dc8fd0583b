// What the documents say of PHP sites behind the gateway comes from runs of npm run sites.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { EXPLANATIONS } from "../sites/explanations.ts";
import { type Result, sitesTable, withSites } from "../sites/results.ts";
import { sites } from "../sites/sites.ts";

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

const results: Readonly<Record<string, Result>> = JSON.parse(read("test/sites/results.json"));

it("the document of the gateway has the table that the results make", () => {
  const document = read("cli/gateway/README.md");
  expect(document).toBe(withSites(document, Object.values(results)));
});

it("more than 200 answers are compared", () => {
  const requests = Object.values(results).reduce((sum, result) => sum + result.requests, 0);
  expect(requests).toBeGreaterThan(200);
});

it("every site has a result", () => {
  expect(Object.keys(results)).toEqual(Object.keys(sites));
});

describe.each(Object.entries(sites))("%s", (key, { name, tasks, changing }) => {
  it("was used as it is now, without an error and without a difference that is not explained", () => {
    const { requests, same, explained } = results[key]!;
    expect(results[key]).toMatchObject({ name, tasks, anew: Object.keys(changing), errors: [], unexplained: [] });
    expect(requests).toBeGreaterThan(20);
    expect(same).toBeGreaterThan(0);
    const texts = EXPLANATIONS.map(({ text }) => text);
    for (const text of Object.keys(explained)) expect(texts).toContain(text);
  });
});

it("the table counts the answers that differ by their reasons, and says what has none", () => {
  const found = {
    name: "A",
    version: "1",
    nginx: "2",
    php: "3",
    tasks: "log in",
    anew: ["times", "tokens"],
    requests: 9,
    same: 4,
  };
  const first = { ...found, explained: { "It is weak": 3 }, unexplained: ["GET /, body"], errors: [] };
  const second = {
    ...found,
    name: "B",
    explained: { "It is older": 5, "It is weak": 1 },
    unexplained: [],
    errors: ["404 /a"],
  };
  expect(sitesTable([first, second]).split("\n").slice(2)).toEqual([
    "| A 1 | nginx 2, PHP 3 | log in | 0 | 9 | 4 | 3 [1], **1 without a reason** |",
    "| B 1 | nginx 2, PHP 3 | log in | 1 | 9 | 4 | 1 [1], 5 [2] |",
    "",
    "18 requests: 8 answers are the same, 10 differ, 1 of them without a reason.",
    "",
    "1. It is weak",
    "2. It is older",
    "",
    "Each answer has anew, and so it is not compared:",
    "",
    "- A: times; tokens",
    "- B: times; tokens",
    "",
  ]);
});
