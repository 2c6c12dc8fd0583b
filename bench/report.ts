// Results as Markdown: a page for each run, and RESULTS.md, which sets the target tables of all pages side by side.

import { control, isOff, measured, ratios, type Spread, slowRuns, spreadOf, valuesOf } from "./statistics.ts";
import type { BenchCase, CaseResult, EntryResult, Sample, Target } from "./types.ts";

/** A case as a table: a row for each contender. The ratio is that of the first contender to this one. */
export function caseTable({ case: { id, title, figure }, entries, controls }: CaseResult): string {
  const [first] = entries;
  const rows = entries.map((entry) => [entry.name, ...cells(entry, first!)]);
  const note = controls.length > 1 ? `\n${triesNote(controls)}\n` : "";
  return `### ${title}\n\n\`${id}\`\n\n${table([["", figure, "a second", "p99", `${first!.name} ÷ this`, "errors"], ...rows])}${note}`;
}

function triesNote(controls: readonly number[]): string {
  return `Tried ${controls.length} times, because the control was off: ${controls.map(ratio).join(", ")}. The figures are those of the try with the control nearest to 1.`;
}

function cells(entry: EntryResult, first: EntryResult): string[] {
  if (!("samples" in entry)) return [`not run: ${firstLine(entry.reason)}`, "", "", "", ""];
  const { samples } = entry;
  const errors = samples.reduce((sum, sample) => sum + sample.errors, 0);
  return [
    spread(spreadOf(values(samples)), amount),
    optional(
      samples,
      ({ rate }) => rate,
      (rate) => Math.round(rate).toLocaleString("en"),
    ),
    optional(samples, ({ p99 }) => p99, duration),
    entry === first || !("samples" in first)
      ? ""
      : spread(spreadOf(ratios(values(first.samples), values(samples))), ratio),
    errors.toLocaleString("en"),
  ];
}

function optional(
  samples: readonly Sample[],
  pick: (sample: Sample) => number | null,
  format: (value: number) => string,
): string {
  const picked = samples.map(pick).filter((value) => value !== null);
  return picked.length === 0 ? "" : format(spreadOf(picked).median);
}

const TARGET_HEAD = ["case", "contender", "target", "measured", "control", ""];

/** The targets of all cases that were run: what was measured, and beside it the control. */
export function targetTable(results: readonly CaseResult[]): string {
  return table([TARGET_HEAD, ...results.flatMap((result) => (result.case.targets ?? []).map(targetRow(result)))]);
}

function targetRow(result: CaseResult): (target: Target) => string[] {
  return (target) => {
    const { against, most } = target;
    const named = namingCells(result.case, target);
    if (target.slowRuns) return [...named, ...slowRunCells(result, target)];
    const found = measured(result, target);
    if (found === null) return [...named, "not run", "", ""];
    const format = against === null ? amount : ratio;
    return [...named, spread(found, format), controlCell(result), verdict(found.median, most, result)];
  };
}

/** The cells that name a target. They are the same in every run. */
function namingCells({ title, figure }: BenchCase, { of, against, most, slowRuns: countsRuns }: Target): string[] {
  if (countsRuns) return [title, of, `≤ ${most} slow runs`];
  return [title, of, against === null ? `≤ ${most} ${figure}` : `≤ ${most} × ${against}`];
}

function slowRunCells(result: CaseResult, { of, against, most }: Target): string[] {
  const [own, other] = [of, against].map((name) => name && valuesOf(result, name));
  if (!own || !other) return ["not run", "", ""];
  const count = slowRuns(own);
  return [
    `${count} of ${own.length}`,
    `${slowRuns(other)} of ${other.length} of ${against}`,
    verdict(count, most, result),
  ];
}

function controlCell(result: CaseResult): string {
  const found = control(result);
  if (found === null) return "";
  const tries = result.controls.length;
  return `${spread(found, ratio)}${tries > 1 ? `, best of ${tries} tries` : ""}`;
}

function verdict(found: number, most: number, result: CaseResult): string {
  const off = isOff(control(result)?.median ?? 1) ? ", but the control is off" : "";
  return `${found <= most ? "met" : "**missed**"}${off}`;
}

/** The page of a run. */
export function runPage(
  date: string,
  machine: readonly string[],
  how: string,
  results: readonly CaseResult[],
  left: readonly BenchCase[],
): string {
  const notRun = left.map(({ id, title }) => `- \`${id}\`: ${title}`);
  return `# Run of ${date}

Made by \`npm run bench\`; do not edit. How it measures: [README.md](../README.md).

- ${machine.join("\n- ")}
- ${how}

Figures are medians of the rounds, with the least and the most in brackets. A ratio is made in each round; its median counts.
Below 1 the first contender takes less. "The same again" is the control: the first contender once more, whose true ratio is 1. A ratio
that lies no farther from 1 than that of the control shows no difference.

## Targets

${targetTable(results)}
## Cases

${results.map(caseTable).join("\n")}${notRun.length === 0 ? "" : `\n## Left out of this run\n\n${notRun.join("\n")}\n`}`;
}

/** The page with all targets of `cases`, and what runs have measured side by side. `pages` are those of the runs, by their names. */
export function resultsPage(pages: ReadonlyMap<string, string>, cases: readonly BenchCase[]): string {
  const runs = [...pages].map(([name, page]) => ({ name, rows: targetRows(page) }));
  const row = (named: string[]): string[] => [
    ...named,
    ...runs.flatMap(({ rows }) => {
      const found = rows.get(keyOf(named));
      return found === undefined ? ["", ""] : [`${found[3]} ${found[5]}`.trim(), found[4]!];
    }),
  ];
  const rows = cases.flatMap((each) => (each.targets ?? []).map((target) => row(namingCells(each, target))));
  const head = [
    "case",
    "contender",
    "target",
    ...runs.flatMap(({ name }) => [`[${name}](results/${name}.md)`, "control"]),
  ];
  return `# Results

Made by \`npm run bench\`, which adds each run of all cases to [results](results); do not edit. What each case does and how it is
measured: [README.md](README.md). Why targets are missed: [FINDINGS.md](FINDINGS.md).

Figures are medians of the ratios of the rounds, with the least and the most in brackets. The control is the ratio of the case's first
contender to itself, in the same rounds: a ratio can be off by as much as the control is from 1.

![CPU time of serving hello](results.svg)

${table([head, ...rows])}`;
}

/** The rows of the target table of a run's page, by the cells that name their targets. */
function targetRows(page: string): Map<string, string[]> {
  const section = page.slice(page.indexOf("\n## Targets\n"), page.indexOf("\n## Cases\n"));
  const lines = section.split("\n").filter((line) => line.startsWith("| "));
  const rows = lines.slice(1).map((line) => line.slice(2, -2).split(" | "));
  return new Map(rows.map((row) => [keyOf(row), row]));
}

function keyOf(row: readonly string[]): string {
  return row.slice(0, 3).join(" | ");
}

function values(samples: readonly Sample[]): number[] {
  return samples.map(({ value }) => value);
}

function spread({ median, least, most }: Spread, format: (value: number) => string): string {
  return `${format(median)} (${format(least)}–${format(most)})`;
}

/** Three digits that mean something. */
function amount(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString("en");
  return value.toFixed(value >= 10 ? 1 : value >= 1 ? 2 : 3);
}

function ratio(value: number): string {
  return value.toFixed(2);
}

function duration(microseconds: number): string {
  return microseconds < 1000 ? `${Math.round(microseconds)} µs` : `${(microseconds / 1000).toFixed(1)} ms`;
}

function firstLine(text: string): string {
  return text.split("\n")[0]!;
}

function table([head, ...rows]: readonly string[][]): string {
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`;
  return `${line(head!)}|${"---|".repeat(head!.length)}\n${rows.map(line).join("")}`;
}
