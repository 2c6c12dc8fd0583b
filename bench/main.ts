// npm run bench: see README.md.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createTemporaryDirectory } from "../test/support/temporary_directory.ts";
import { casesFor } from "./cases.ts";
import { chart } from "./chart.ts";
import { describeMachine } from "./machine.ts";
import { type BenchOptions, parseOptions, usage } from "./options.ts";
import { profileCase } from "./profile.ts";
import { caseTable, resultsPage, targetTable } from "./report.ts";
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
    const all = casesFor(options);
    const wanted = all.filter((benchCase) => isChosen(benchCase, options));
    const chosen = options.quick ? wanted.map(targetsOnly) : wanted;
    if (chosen.length === 0) throw new TypeError(`Cannot find a case that begins with ${options.cases.join(" or ")}`);
    if (options.command === "list") {
      for (const { id, title } of all) console.log(`${id.padEnd(20)}${title}`);
      return;
    }
    const bench = await setUp(options, directory.path);
    if (options.command === "profile") await profileCase(bench, chosen[0]!);
    else await runAll(bench, chosen, all);
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
  return { ...benchCase, entries: entries.filter(({ name }) => names.has(name)), missing: [] };
}

async function runAll(bench: Bench, chosen: readonly BenchCase[], all: readonly BenchCase[]): Promise<void> {
  const { options } = bench;
  const machine = describeMachine(bench);
  const how = `${options.rounds} rounds of ${options.seconds} s for each contender, interleaved, after a warm-up of at most ${options.warmUp} s`;
  console.log(`${machine.join("\n")}\n${how}\n`);
  const results: CaseResult[] = [];
  for (const benchCase of chosen) {
    process.stderr.write(`${benchCase.id}\n`);
    const result = await runCase(bench, benchCase, (text) => process.stderr.write(`${text}\n`));
    results.push(result);
    console.log(caseTable(result));
  }
  console.log(`## Targets\n\n${targetTable(results)}`);
  const ran = new Set(chosen.map(({ id }) => id));
  const left = all.filter(({ id }) => !ran.has(id));
  if (left.length > 0) console.log(`Left out of this run: ${left.map(({ id }) => id).join(", ")}`);
  if (options.quick) console.log("quick: only the contenders that targets name");

  // Only a run of everything is worth keeping, unless a place is named.
  const folder = options.report ?? (left.length === 0 && !options.quick ? benchFolder : undefined);
  if (folder === undefined) return;
  await writeFile(join(folder, "RESULTS.md"), resultsPage(machine, how, results, left));
  const main = results.find((result) => result.case.id === "serve-hello") ?? results[0]!;
  await writeFile(join(folder, "results.svg"), chart(main));
  console.log(`Written: ${join(folder, "RESULTS.md")}`);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof TypeError ? `${error.message}\n\n${usage}` : error);
  process.exitCode = 1;
}
