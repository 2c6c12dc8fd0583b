// npm run coverage [-- --ledger]: runs the unit tests and names the branches of src/ that none of them takes. Fails if there is one. A
// branch that no test can take has its reason beside it: `/* v8 ignore <if, else or next> -- reason */`. Other arguments go to vitest.
// Leave src/ as it is during the run: otherwise the lines that are named are wrong.
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { layerTests } from "./layers.mjs";
import { projectFolder, run } from "./run.mjs";
import { ensurePackages } from "./setup.mjs";
import { commit, note } from "./tried.mjs";

/**
 * Without the fuzzers, which take a branch only by chance, and without tests that run src/ in another process, where nothing is counted. The
 * sockets of src/ have their tests with the adapters.
 */
const TESTS = [
  ...layerTests.filter((folder) => folder !== "test/fuzz"),
  "test/wrong_calls",
  "test/adapters/callback_runtime.test.ts",
  "test/adapters/node_connect.test.ts",
  "test/adapters/node_socket.test.ts",
];

const report = join(projectFolder, "coverage/coverage-final.json");
const args = process.argv.slice(2);
const hasLedger = args.includes("--ledger");
const tried = hasLedger ? commit() : null;
rmSync(report, { force: true });
await ensurePackages();
const vitest = join(projectFolder, "node_modules/.bin/vitest");
const others = args.filter((argument) => argument !== "--ledger");
// Half a million cuts of the recorded traffic are worth one run, in the run of all tests. Where branches are counted they take minutes.
const env = { ...process.env, CUT_STEP: "11" };
// Each file by itself: with all in one process, the counters of what was loaded earlier slow down every later test.
const code = await run(vitest, ["run", "--coverage", "--coverage.reportOnFailure", ...others, ...TESTS], { env });
process.exitCode = code;
if (existsSync(report)) {
  const { branches, taken } = count(Object.values(JSON.parse(readFileSync(report, "utf8"))));
  const explained = explanations();
  console.log(`src/: ${taken} of ${branches} branches taken, ${explained} explained`);
  if (taken < branches) process.exitCode ||= 1;
  if (hasLedger) note("coverage", { failures: code === 0 ? 0 : 1, branches, taken, explained }, tried);
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
