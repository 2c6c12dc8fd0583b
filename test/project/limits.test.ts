// Every limit has a row in specifications/limits.md: with its default, what happens when it is reached, and a test.

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { withMemory } from "../../scripts/limits_table.mjs";
import { CLIENT_CLOSE_DEFAULTS } from "../../src/client/dispatcher.ts";
import { CLIENT_DEFAULTS } from "../../src/client/options.ts";
import { DEFAULTS as CONNECTOR_DEFAULTS } from "../../src/connect/connectors.ts";
import { DEFAULT_HTTP_CLIENT_OPTIONS } from "../../src/http/call/client_options.ts";
import { SERVER_DEFAULTS } from "../../src/server/options.ts";
import { CLOSE_DEFAULTS } from "../../src/server/server.ts";
import { CLIENT_FLOODS } from "../limits/client_floods.ts";
import { SERVER_FLOODS, SILENCES } from "../limits/server_floods.ts";
import { missingTests } from "../support/named_tests.ts";
import { writtenDefault } from "../support/written_default.ts";

const read = (name: string): string => readFileSync(new URL(`../../specifications/${name}`, import.meta.url), "utf8");
const document = read("limits.md");

/** The defaults behind each table of docs/options.md that has limits. */
const TABLES: Readonly<Record<string, object>> = {
  serve: SERVER_DEFAULTS,
  "`server.close`": CLOSE_DEFAULTS,
  call: { ...CLIENT_DEFAULTS, ...DEFAULT_HTTP_CLIENT_OPTIONS },
  "`php.close`": CLIENT_CLOSE_DEFAULTS,
  "several connectors": CONNECTOR_DEFAULTS,
};

const rows = document
  .split("\n")
  .filter((line) => line.startsWith("| ") && line.includes("`test/"))
  .map((line) => {
    const [side, option, value, reached, test] = line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim());
    return { side: side!, option: option!, value: value!, reached: reached!, test: test! };
  });

it("specifications/limits.md has a row for every limit and timeout, with its default", () => {
  const expected = Object.entries(TABLES).flatMap(([side, defaults]) =>
    Object.entries(defaults)
      .filter(([, value]) => typeof value === "number")
      .map(([name, value]) => `${side} \`${name}\` ${writtenDefault(name, value)}`),
  );
  expect(expected.length).toBeGreaterThan(30);
  const written = new Set(rows.map(({ side, option, value }) => `${side} ${option} ${value}`));
  expect(expected.filter((row) => !written.has(row))).toEqual([]);
  // And none that is no option any more, without saying so.
  const known = new Set(expected);
  const others = rows.filter(({ side, option, value }) => !known.has(`${side} ${option} ${value}`));
  expect(others.map(({ option }) => option)).toEqual([
    "unsent answers",
    "`multiplexing`",
    "`backlog`",
    "open files",
    "FCGI_GET_VALUES",
    "behind the end of a body",
    "a full disk",
    "a full disk of php-fpm",
    "open files",
  ]);
});

it("specifications/limits.md says in every row what happens, and names a test that exists", () => {
  for (const { option, reached, test } of rows) {
    expect(reached.length, option).toBeGreaterThan(10);
    expect(missingTests(test), option).toEqual([]);
  }
});

it("specifications/limits.md has the memory that the ledger has", () => {
  expect(document).toBe(withMemory(document, read("ledger.jsonl")));
});

it("each flood names a limit that has a row", () => {
  const limitsOf = (side: string): string[] =>
    rows.filter((row) => row.side === side).map(({ option }) => option.replaceAll("`", ""));
  // What ends these is the protocol itself.
  const protocol = ["one FCGI_END_REQUEST", "request ids"];
  const server = [...SERVER_FLOODS, ...SILENCES].filter(({ limit }) => !limitsOf("serve").includes(limit));
  const calls = [...limitsOf("call"), ...limitsOf("several connectors"), ...protocol];
  const client = CLIENT_FLOODS.filter(({ limit }) => !calls.includes(limit));
  expect([...server, ...client].map(({ name }) => name)).toEqual([]);
});
