// npm run bench: see README.md.

import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createTemporaryDirectory } from "../test/support/temporary_directory.ts";
import { cases } from "./cases.ts";
import { chart } from "./chart.ts";
import { describeMachine } from "./machine.ts";
import { type BenchOptions, parseOptions, usage } from "./options.ts";
import { profileCase } from "./profile.ts";
import { caseTable, resultsPage, runPage, targetTable } from "./report.ts";
import { runCase } from "./run_case.ts";
import { type Bench, setUp } from "./setup.ts";
import type { BenchCase, CaseResult } from "./types.ts";

const benchFolder = fileURLToPath(new URL(".", import.meta.url));

async function main(args: readonly string[]): Promise<void> {
  if (args.includes("--help")) {
    console.log(usage);
    return;
  }
  const options = parseOptions(args);
  const directory = await createTemporaryDirectory("bench");
  try {
    const wanted = cases.filter((benchCase) => isChosen(benchCase, options));
    const chosen = options.quick ? wanted.map(targetsOnly) : wanted;
    if (chosen.length === 0) throw new TypeError(`Cannot find a case that begins with ${options.cases.join(" or ")}`);
    if (options.command === "list") {
      for (const { id, title } of cases) console.log(`${id.padEnd(20)}${title}`);
      return;
    }
    if (options.command === "report") {
      await writeResults(options.report ?? benchFolder);
      return;
    }
    const bench = await setUp(options, directory.path);
    if (options.command === "profile") await profileCase(bench, chosen[0]!);
    else await runAll(bench, chosen);
  } finally {
    await directory.remove();
  }
}

function isChosen({ id, quick }: BenchCase, options: BenchOptions): boolean {
  if (options.cases.length > 0) return options.cases.some((start) => id.startsWith(start));
  return !options.quick || quick === true;
}

/** The case with those contenders only that its targets name. */
function targetsOnly(benchCase: BenchCase): BenchCase {
  const { targets, entries } = benchCase;
  if (targets === undefined) return benchCase;
  const names = new Set(targets.flatMap(({ of, against }) => [of, against]));
  return { ...benchCase, entries: entries.filter(({ name }) => names.has(name)) };
}

async function runAll(bench: Bench, chosen: readonly BenchCase[]): Promise<void> {
  const { options } = bench;
  const machine = describeMachine(bench);
  const how = `${options.rounds} rounds of ${options.seconds} s for each contender, interleaved, after a warm-up of at most ${options.warmUp} s`;
  console.log(`${machine.join("\n")}\n${how}\n`);
  // Only a run of everything is worth keeping, unless a place is named.
  const isWhole = chosen.length === cases.length && !options.quick;
  const folder = options.report ?? (isWhole ? benchFolder : undefined);
  const date = new Date().toISOString().slice(0, 16).replace(":", "");
  const results: CaseResult[] = [];
  for (const benchCase of chosen) {
    process.stderr.write(`${benchCase.id}\n`);
    const result = await runCase(bench, benchCase, (text) => process.stderr.write(`${text}\n`));
    results.push(result);
    console.log(caseTable(result));
    // After each case, so that a run that is broken off leaves what it had.
    const left = cases.filter((one) => !results.some((done) => done.case.id === one.id));
    if (folder !== undefined) await writeReport(folder, date, runPage(date, machine, how, results, left), results);
  }
  console.log(`## Targets\n\n${targetTable(results)}`);
  if (options.quick) console.log("quick: only the contenders that targets name");
  if (folder !== undefined) console.log(`Written: ${join(folder, "RESULTS.md")}`);
}

/** Adds the page of a run to those before, and writes the page that compares them all. */
async function writeReport(folder: string, date: string, page: string, results: readonly CaseResult[]): Promise<void> {
  const runs = join(folder, "results");
  await mkdir(runs, { recursive: true });
  await writeFile(join(runs, `${date}.md`), page);
  await writeFile(join(folder, "results.svg"), chart(results[0]!));
  await writeResults(folder);
}

/** Writes the page that sets the targets of all runs side by side. */
async function writeResults(folder: string): Promise<void> {
  const runs = join(folder, "results");
  const names = (await readdir(runs)).filter((name) => name.endsWith(".md")).sort();
  const pages = names.map(async (name) => [name.slice(0, -3), await readFile(join(runs, name), "utf8")] as const);
  await writeFile(join(folder, "RESULTS.md"), resultsPage(new Map(await Promise.all(pages)), cases));
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof TypeError ? `${error.message}\n\n${usage}` : error);
  process.exitCode = 1;
}
