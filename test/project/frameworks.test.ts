// What the README says of web frameworks comes from runs of npm run frameworks.

import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Result } from "../frameworks/framework.ts";
import { frameworks } from "../frameworks/frameworks.ts";
import { withFrameworks } from "../frameworks/table.ts";

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

const results: Readonly<Record<string, Result>> = JSON.parse(read("test/frameworks/results.json"));

it("the README has the table that the results make", () => {
  const readme = read("README.md");
  expect(readme).toBe(withFrameworks(readme, Object.values(results)));
});

it("every framework has a result", () => {
  expect(Object.keys(results)).toEqual(Object.keys(frameworks));
});

describe.each(Object.entries(frameworks))("%s", (name, framework) => {
  it("was tried as its app is now, and without a difference that is not explained", () => {
    const { dependencies } = JSON.parse(read(`test/frameworks/apps/${name}/package.json`));
    const { title, nativeServer, served, differences = {} } = framework;
    expect(results[name]).toMatchObject({
      title,
      nativeServer,
      served,
      version: dependencies[framework.package],
      differences: Object.entries(differences).map(([start, { reason }]) => ({ start, reason })),
      faults: [],
    });
  });

  it("is served by the line that the table shows", () => {
    const program = [`test/frameworks/apps/${name}/fastcgi.js`, `examples/${name}/main.js`].find(existsSync)!;
    expect(oneLine(read(program))).toContain(framework.served);
  });
});

/** Without the places where the formatter breaks a line. */
function oneLine(program: string): string {
  return program
    .replace(/\(\n\s+/g, "(")
    .replace(/,?\n\s*\)/g, ")")
    .replace(/,\n\s*\}/g, " }")
    .replace(/\s+/g, " ");
}
