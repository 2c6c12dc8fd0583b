import { expect, it } from "vitest";
import { targetTable } from "../../bench/report.ts";
import { type CaseResult, controlOf, type EntryResult } from "../../bench/types.ts";

const measured = (name: string, ...values: number[]): EntryResult => ({
  name,
  samples: values.map((value) => ({ value, rate: null, p99: null, errors: 0 })),
});

it("targetTable shows the ratio of the same build to itself beside every ratio", () => {
  const result: CaseResult = {
    case: {
      id: "serve",
      title: "Serving",
      figure: "µs",
      entries: [],
      targets: [{ of: "fetchcgi", against: "Go", most: 0.5 }],
    },
    entries: [
      measured("fetchcgi", 10, 11, 12),
      measured("Go", 20, 22, 24),
      measured(controlOf("fetchcgi"), 10, 10, 10),
    ],
  };
  expect(targetTable([result])).toBe(
    "| case | contender | target | measured | the same build twice |  |\n" +
      "|---|---|---|---|---|---|\n" +
      "| Serving | fetchcgi | ≤ 0.5 × Go | 0.50 (0.50–0.50) | 1.10 (1.00–1.20) | met |\n",
  );
});
