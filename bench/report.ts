// Results as Markdown.

import { ratios, type Spread, spreadOf } from "./statistics.ts";
import { type BenchCase, type CaseResult, controlOf, type EntryResult, type Sample, type Target } from "./types.ts";

/** A case as a table: a row for each contender. The ratio is that of the first contender to this one. */
export function caseTable({ case: { id, title, figure }, entries }: CaseResult): string {
  const [first] = entries;
  const rows = entries.map((entry) => [entry.name, ...cells(entry, first!)]);
  return `### ${title}\n\n\`${id}\`\n\n${table([["", figure, "a second", "p99", `${first!.name} ÷ this`, "errors"], ...rows])}`;
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
    errors === 0 ? "0" : `${errors.toLocaleString("en")}`,
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

/**
 * The targets of all cases that were run, and what was measured; beside it the ratio of the first contender to itself, which is how far
 * a ratio of that case can be off.
 */
export function targetTable(results: readonly CaseResult[]): string {
  const rows = results.flatMap((result) =>
    (result.case.targets ?? []).map((target) => {
      const measured = measure(result, target);
      const control = controlRatio(result);
      return [
        result.case.title,
        target.of,
        target.against === null ? `≤ ${target.most} ${result.case.figure}` : `≤ ${target.most} × ${target.against}`,
        measured === null ? "not run" : spread(measured, target.against === null ? amount : ratio),
        control === null ? "" : spread(control, ratio),
        measured === null ? "" : measured.median <= target.most ? "met" : "**missed**",
      ];
    }),
  );
  return table([["case", "contender", "target", "measured", "the same build twice", ""], ...rows]);
}

/** The first contender divided by itself. */
function controlRatio(result: CaseResult): Spread | null {
  const [first] = result.entries;
  if (first === undefined) return null;
  return measure(result, { of: first.name, against: controlOf(first.name), most: 1 });
}

function measure({ entries }: CaseResult, { of, against }: Target): Spread | null {
  const samplesOf = (name: string): number[] | null => {
    const entry = entries.find((candidate) => candidate.name === name);
    return entry !== undefined && "samples" in entry ? values(entry.samples) : null;
  };
  const own = samplesOf(of);
  if (own === null) return null;
  if (against === null) return spreadOf(own);
  const other = samplesOf(against);
  return other === null ? null : spreadOf(ratios(own, other));
}

/** The whole report. */
export function resultsPage(
  machine: readonly string[],
  how: string,
  results: readonly CaseResult[],
  left: readonly BenchCase[],
): string {
  const notRun = left.map(({ id, title }) => `- \`${id}\`: ${title}`);
  return `# Results

Made by \`npm run bench\`; do not edit. What each case does and how it is measured: [README.md](README.md). Why targets are missed:
[FINDINGS.md](FINDINGS.md).

- ${machine.join("\n- ")}
- ${how}

Figures are medians of the rounds, with the least and the most in brackets. A ratio is made in each round; its median counts.
Below 1 the first contender takes less. "The same again" is the control: the first contender once more, whose true ratio is 1. A ratio
that lies no farther from 1 than that of the control shows no difference.

![CPU time of serving hello](results.svg)

## Targets

${targetTable(results)}
## Cases

${results.map(caseTable).join("\n")}${notRun.length === 0 ? "" : `\n## Left out of this run\n\n${notRun.join("\n")}\n`}`;
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
  const rule = `|${head!.map((_, column) => (column === 0 ? "---|" : "---|")).join("")}\n`;
  return `${line(head!)}${rule}${rows.map(line).join("")}`;
}
