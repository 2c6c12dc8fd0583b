// npm run coverage [-- --ledger]: runs the unit tests and names the branches of src/ that none of them takes. Fails if there is one. A
// branch that no test can take has its reason beside it: `/* v8 ignore <if, else or next> -- reason */`. Other arguments go to vitest.
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { projectFolder, run } from "./run.mjs";
import { commit, note } from "./tried.mjs";

const report = join(projectFolder, "coverage/coverage-final.json");
const args = process.argv.slice(2);
const hasLedger = args.includes("--ledger");
const tried = hasLedger ? commit() : null;
rmSync(report, { force: true });
process.exitCode = await run(process.execPath, [
  join(projectFolder, "scripts/unit_tests.mjs"),
  "--coverage",
  ...args.filter((argument) => argument !== "--ledger"),
]);
// vitest writes none if a test has failed.
if (existsSync(report)) {
  const { branches, taken } = count(Object.values(JSON.parse(readFileSync(report, "utf8"))));
  const explained = explanations();
  console.log(`src/: ${taken} of ${branches} branches taken, ${explained} explained`);
  if (hasLedger) note("coverage", { branches, taken, explained }, tried);
}

/** Counts the branches, and prints those that no test takes. */
function count(files) {
  let branches = 0;
  let taken = 0;
  for (const file of files) {
    for (const [id, counts] of Object.entries(file.b)) {
      const { type, locations, loc } = file.branchMap[id];
      for (const [index, times] of counts.entries()) {
        branches++;
        if (times > 0) {
          taken++;
          continue;
        }
        const { line, column } = locations[index].start.line === undefined ? loc.start : locations[index].start;
        const place = `${relative(projectFolder, file.path)}:${line}:${column + 1}`;
        console.log(`${place} no test takes branch ${index + 1} of this ${type}`);
      }
    }
  }
  return { branches, taken };
}

/** The number of branches with a reason beside them. */
function explanations() {
  const sources = readdirSync(join(projectFolder, "src"), { recursive: true }).filter((name) => name.endsWith(".ts"));
  const texts = sources.map((name) => readFileSync(join(projectFolder, "src", name), "utf8"));
  return texts.join("").match(/v8 ignore (?:if|else|next) -- /g)?.length ?? 0;
}
