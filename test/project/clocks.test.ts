import { expect, it } from "vitest";
import { codeOf, sourceFiles } from "../support/imports.ts";

/** What tells the time of day. Durations are measured by `performance.now()`, because a wall clock can be set. */
const WALL_CLOCK = /\bDate\b|\btimeOrigin\b|\bTemporal\b|\bhrtime\b|\bmtime(?:Ms)?\b/;

/** The files that may name one, and why. */
const REASONS: Readonly<Record<string, string>> = {
  "src/http/call/filter_data.ts": "the program gives the date of the file for a Filter",
};

it("src, adapters and cli measure nothing by a wall clock", () => {
  const files = ["src", "adapters", "cli"].flatMap(sourceFiles);
  expect(files.length).toBeGreaterThan(150);
  const named = files.filter((file) => WALL_CLOCK.test(codeOf(file)));
  expect(named).toEqual(Object.keys(REASONS));
});

it.each(["const now = Date.now;", "const start = new Date();", "performance.timeOrigin + 1", "statSync(path).mtimeMs"])(
  "a wall clock is found in %s",
  (code) => {
    expect(WALL_CLOCK.test(code)).toBe(true);
  },
);
