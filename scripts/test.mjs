// npm test: every check, on a fresh clone as well. All of them run; the end says which failed.
// With arguments only vitest runs, and gets them: npm test -- test/codec
import { join } from "node:path";
import { projectFolder, run, runNpm } from "./run.mjs";
import { ensurePackages, ensureRuntimes, ensureServers } from "./setup.mjs";
import { runSteps } from "./steps.mjs";

const args = process.argv.slice(2);
const bin = (name) => join(projectFolder, "node_modules/.bin", name);
const vitest = (...more) => run(bin("vitest"), ["run", ...more]);
const runtimeTests = join(projectFolder, "scripts/runtime_tests.mjs");
// The Node that runs this has run them in the step before. If it is Node 20, the versions between it and 26 differ from both in little but
// fetch and node:http. So they run only the tests of these: "/http" stands for test/http, test/http_listener and test/http_middleware.
const otherRuntimes = ["bun", "deno", "node22/http", "node24/http", "node26"];

/** In the order of their bits in the exit code: CONTRIBUTING.md lists them. */
const steps = [
  { title: "Runtimes", run: () => ensureRuntimes() },
  { title: "Servers", run: () => ensureServers() },
  { title: "Format and lint", run: () => run(bin("biome"), ["check", "."]) },
  { title: "Types", run: () => runNpm(["run", "--silent", "typecheck"]) },
  { title: "Build", run: () => runNpm(["run", "--silent", "build"], { quiet: true }) },
  { title: "Tests", run: () => vitest() },
  { title: "Tests of src/ on other runtimes", run: () => run(process.execPath, [runtimeTests, ...otherRuntimes]) },
];

try {
  // All tests need these. Further programs are required by single tests, which fail without them.
  await ensurePackages();
  process.exitCode = args.length > 0 ? await vitest(...args) : await runSteps(steps);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
