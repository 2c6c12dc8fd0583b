import { expect, it } from "vitest";
import { runCase } from "../../bench/run_case.ts";
import type { Bench } from "../../bench/setup.ts";
import { valuesOf } from "../../bench/statistics.ts";
import { controlOf, type Entry } from "../../bench/types.ts";

const bench = { options: { rounds: 1, seconds: 1, warmUp: 1, tries: 3, base: undefined } } as Bench;

/** A contender with these figures, one for each process that is started. */
function scripted(name: string, ...values: number[]): Entry {
  return {
    name,
    async start() {
      const value = values.shift()!;
      return { measure: async () => ({ value, rate: null, p99: null, errors: 0 }), stop: async () => {} };
    },
  };
}

const run = (...entries: Entry[]) =>
  runCase(bench, { id: "case", title: "Case", figure: "µs", entries, freshRounds: 1 }, () => {});
it("runCase tries a case again while its control is off by more than a tenth", async () => {
  // Each try starts the first contender twice: as itself, and as the control.
  const result = await run(scripted("ours", 12, 10, 10, 10.5), scripted("other", 1, 2));
  expect(result.controls).toEqual([1.2, 10 / 10.5]);
  expect(valuesOf(result, "ours")).toEqual([10]);
  expect(valuesOf(result, controlOf("ours"))).toEqual([10.5]);
  expect(valuesOf(result, "other")).toEqual([2]);
});

it("runCase gives up after three tries and keeps the one whose control was the nearest to 1", async () => {
  const result = await run(scripted("ours", 15, 10, 12, 10, 13, 10), scripted("other", 1, 2, 3));
  expect(result.controls).toEqual([1.5, 1.2, 1.3]);
  expect(valuesOf(result, "other")).toEqual([2]);
});
