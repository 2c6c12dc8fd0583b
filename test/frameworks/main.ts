// The program of npm run frameworks.

import { readFileSync, writeFileSync } from "node:fs";
import type { Framework, Result } from "./framework.ts";
import { frameworks } from "./frameworks.ts";
import { install, stageForApps } from "./install.ts";
import { withFrameworks } from "./table.ts";
import { trial } from "./trial.ts";

const resultsFile = new URL("results.json", import.meta.url);
const readmeFile = new URL("../../README.md", import.meta.url);

const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !Object.hasOwn(frameworks, name));
if (unknown.length > 0) {
  console.error(`Cannot try ${unknown.join(", ")}: know ${Object.keys(frameworks).join(", ")}`);
  process.exit(2);
}

await stageForApps();
let failed = 0;
for (const name of chosen.length > 0 ? chosen : Object.keys(frameworks)) {
  try {
    const result = await tryOut(name, frameworks[name]!);
    write(name, result);
    if (result.faults.length > 0) failed++;
  } catch (error) {
    failed++;
    console.log(`${name}: ${(error as Error).message}`);
  }
}
process.exitCode = failed > 0 ? 1 : 0;

async function tryOut(name: string, framework: Framework): Promise<Result> {
  console.log(`${framework.title}: installing and building ...`);
  const result = await trial(framework, await install(name, framework));
  const { exchanges, differences, faults } = result;
  console.log(
    `  ${result.version} on ${result.runtime}: ${exchanges} answers, ${differences.length} differ as explained`,
  );
  for (const fault of faults) console.log(`  ? ${fault}`);
  return result;
}

/** Keeps a result, and makes the table of the README of all results. */
function write(name: string, result: Result): void {
  const before = JSON.parse(readFileSync(resultsFile, "utf8")) as Record<string, Result>;
  const known = { ...before, [name]: result };
  const results = Object.fromEntries(Object.keys(frameworks).flatMap((key) => (known[key] ? [[key, known[key]]] : [])));
  writeFileSync(resultsFile, `${JSON.stringify(results, null, 2)}\n`);
  writeFileSync(readmeFile, withFrameworks(readFileSync(readmeFile, "utf8"), Object.values(results)));
}
