import { expect, it } from "vitest";
import { codeOf, sourceFiles } from "../support/imports.ts";

/** What tells the time of day. Durations are measured by `performance.now()`, because a wall clock can be set. */
const WALL_CLOCK = /\bDate\b|\btimeOrigin\b|\bTemporal\b|\bhrtime\b|\bmtime(?:Ms)?\b/;

/** The files that may name one, and why. */
const REASONS: Readonly<Record<string, string>> = {
  "src/http/call/filter_data.ts": "the program gives the date of the file for a Filter",
  "cli/gateway/access_log.ts": "the access log says when a request came",
  "cli/gateway/certificate.ts": "a certificate says from when and until when it is valid",
  "cli/gateway/files.ts": "HTTP clients ask whether a file has changed since a date",
  "cli/tap/recorder.ts": "a recording says when it began",
  "cli/tap/run.ts": "the page shows requests by the time of day, and exports it",
  "cli/tap/ui.ts": "the page shows requests by the time of day, and exports it",
  "cli/wire/recording.ts": "a recording says when it began",
};

it("src, adapters and cli measure nothing by a wall clock", () => {
  const files = ["src", "adapters", "cli"].flatMap(sourceFiles);
  expect(files.length).toBeGreaterThan(150);
  const named = files.filter((file) => WALL_CLOCK.test(codeOf(file)));
  expect(named.sort()).toEqual(Object.keys(REASONS).sort());
});

it.each(["const now = Date.now;", "const start = new Date();", "performance.timeOrigin + 1", "statSync(path).mtimeMs"])(
  "a wall clock is found in %s",
  (code) => {
    expect(WALL_CLOCK.test(code)).toBe(true);
  },
);
