// npm test: every check, on a fresh clone as well; stops at the first that fails and leaves with its code.
// With arguments only vitest runs, and gets them: npm test -- test/codec
import { join } from "node:path";
import { projectFolder, run, runNpm } from "./run.mjs";
import { ensurePackages, ensureRuntimes, ensureServers } from "./setup.mjs";

const args = process.argv.slice(2);
const bin = (name) => join(projectFolder, "node_modules/.bin", name);

const checks = [
  { title: "Format and lint", run: () => run(bin("biome"), ["check", "."]) },
  { title: "Types", run: () => runNpm(["run", "--silent", "typecheck"]) },
  { title: "Build", run: () => runNpm(["run", "--silent", "build"], { quiet: true }) },
];
// --expose-gc: tests of memory collect garbage before they measure.
// The Node that runs this runs them as part of all tests.
const others = ["bun", "deno", "node22", "node24", "node26"];
const unitTests = join(projectFolder, "scripts/unit_tests.mjs");
const runtimes = { title: "Tests of src/ on other runtimes", run: () => run(process.execPath, [unitTests, ...others]) };
const tests = { title: "Tests", run: () => run(bin("vitest"), ["run", "--execArgv=--expose-gc", ...args]) };

try {
  await ensurePackages();
  await ensureRuntimes();
  await ensureServers();
  for (const step of args.length > 0 ? [tests] : [...checks, tests, runtimes]) {
    console.log(`\n== ${step.title} ==`);
    process.exitCode = await step.run();
    if (process.exitCode !== 0) {
      console.error(`\n${step.title}: failed with code ${process.exitCode}`);
      break;
    }
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
