import { expect, it } from "vitest";
import { resultsPage, runPage, targetTable } from "../../bench/report.ts";
import { type CaseResult, controlOf, type EntryResult, type Target } from "../../bench/types.ts";

const measured = (name: string, ...values: number[]): EntryResult => ({
  name,
  samples: values.map((value) => ({ value, rate: null, p99: null, errors: 0 })),
});

function result(target: Target, entries: readonly EntryResult[], controls = [1]): CaseResult {
  return { case: { id: "serve", title: "Serving", figure: "µs", entries: [], targets: [target] }, entries, controls };
}

const target = { of: "fetchcgi", against: "Go", most: 0.5 };
const ours = measured("fetchcgi", 10, 11, 12);
const go = measured("Go", 20, 22, 24);
const again = measured(controlOf("fetchcgi"), 10, 11, 15);
const row = (results: CaseResult): string => targetTable([results]).split("\n")[2]!;

it("targetTable shows the ratio of the same build to itself beside every ratio", () => {
  expect(targetTable([result(target, [ours, go, again])])).toBe(
    "| case | contender | target | measured | control |  |\n" +
      "|---|---|---|---|---|---|\n" +
      "| Serving | fetchcgi | ≤ 0.5 × Go | 0.50 (0.50–0.50) | 1.00 (0.80–1.00) | met |\n",
  );
});

it("targetTable says that a case was tried again, and that its control is off all the same", () => {
  const off = measured(controlOf("fetchcgi"), 8, 9, 10);
  expect(row(result(target, [ours, go, off], [1.4, 1.22, 1.3]))).toBe(
    "| Serving | fetchcgi | ≤ 0.5 × Go | 0.50 (0.50–0.50) | 1.22 (1.20–1.25), best of 3 tries | met, but the control is off |",
  );
});

it("targetTable counts runs that took a fifth more than the median, and those of the contender that shows the machine's", () => {
  const runs = measured("fetchcgi", 10, 10, 10, 12, 12.1);
  const floor = measured("floor", 5, 5, 5, 5, 5.5);
  expect(row(result({ of: "fetchcgi", against: "floor", most: 0, slowRuns: true }, [runs, floor]))).toBe(
    "| Serving | fetchcgi | ≤ 0 slow runs | 1 of 5 | 0 of 5 of floor | **missed** |",
  );
});

it("resultsPage lists every target, with what each run has measured, whatever cases it had", () => {
  const other: CaseResult = { ...result({ ...target, most: 0.4 }, [ours, go, again]) };
  const both = [result(target, [ours, go, again]), other];
  const pages = new Map([
    ["first", runPage("first", [], "", both.slice(0, 1), [])],
    ["second", runPage("second", [], "", both, [])],
  ]);
  const never = { ...other.case, targets: [{ ...target, most: 0.3 }] };
  const cases = [...both.map((each) => each.case), never];
  expect(resultsPage(pages, cases).split("\n").slice(-6)).toEqual([
    "| case | contender | target | [first](results/first.md) | control | [second](results/second.md) | control |",
    "|---|---|---|---|---|---|---|",
    "| Serving | fetchcgi | ≤ 0.5 × Go | 0.50 (0.50–0.50) met | 1.00 (0.80–1.00) | 0.50 (0.50–0.50) met | 1.00 (0.80–1.00) |",
    "| Serving | fetchcgi | ≤ 0.4 × Go |  |  | 0.50 (0.50–0.50) **missed** | 1.00 (0.80–1.00) |",
    "| Serving | fetchcgi | ≤ 0.3 × Go |  |  |  |  |",
    "",
  ]);
});
