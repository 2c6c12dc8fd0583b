// npm run test:runtimes: the tests of src/ on every version of Node that is supported, on Bun and on Deno. A line for each, and
// one for each test that it can't run, with the reason. Arguments choose runtimes: npm run test:runtimes -- bun node26. What follows a
// slash chooses tests: node22/http runs those in test/http, test/http_listener and test/http_middleware, whose names begin with http.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { layerTests } from "./layers.mjs";
import { projectFolder, run } from "./run.mjs";
import { ensurePackages, ensureRuntimes, findRuntime, requireRuntime } from "./setup.mjs";

const vitest = join(projectFolder, "node_modules/vitest/vitest.mjs");

// Talks to a server of Node's through the adapter for Node; the other adapters have tests of their own.
const overNode = "--exclude=test/http/call/hostile_backend.test.ts";

/** The arguments before vitest and after it. Bun has the threads that vitest can use, but not the processes. */
const runtimes = {
  node: {},
  node22: {},
  node24: {},
  node26: {},
  bun: { after: ["--pool=threads", overNode] },
  deno: { before: ["run", "--quiet", "--allow-all"], after: [overNode] },
};

const options = ["--no-color", "--reporter=minimal", "--reporter=test/support/summary_reporter.ts"];

// Half a million cuts of the recorded traffic are worth one run, in the run of all tests.
const env = { ...process.env, CUT_STEP: "11" };

/**
 * Runs the tests that an argument chooses, such as `bun` or `node22/http`. Resolves with whether they passed. A missing runtime does not
 * stop the others.
 */
async function test(choice) {
  const [name, folder = ""] = choice.split("/");
  if (isForOthers(name)) {
    console.log(`${name.padEnd(8)} not run: its package is for linux-x64`);
    return true;
  }
  try {
    return await testOn(name, name === "node" ? process.execPath : requireRuntime(name), folder);
  } catch (error) {
    console.error(`${name.padEnd(8)} not run: ${error.message}`);
    return false;
  }
}

/** Whether a runtime has no package for this platform. */
function isForOthers(name) {
  return (
    /^node\d/.test(name) && findRuntime(name) === undefined && `${process.platform}-${process.arch}` !== "linux-x64"
  );
}

async function testOn(name, command, folder) {
  const { before = [], after = [] } = runtimes[name];
  const output = [];
  const start = performance.now();
  const args = [...before, vitest, "run", ...after, ...options, ...testsIn(folder)];
  const code = await run(command, args, { env, quiet: true, output });
  const seconds = Math.round((performance.now() - start) / 1000);
  const text = Buffer.concat(output).toString();
  const summary = /^\d+ passed, \d+ failed, \d+ skipped$/m.exec(text)?.[0] ?? `ended with code ${code}`;
  const which = folder === "" ? "" : `, of test/${folder}*`;
  console.log(`${name.padEnd(8)} ${versionOf(command).padEnd(10)} ${summary} (${seconds} s${which})`);
  for (const [skipped] of text.matchAll(/^skipped: .*$/gm)) console.log(`  ${skipped}`);
  return code === 0;
}

/** The folders of test/ whose names begin with this; all of the tests of src/ if it is empty. */
function testsIn(folder) {
  return layerTests.filter((path) => path.startsWith(`test/${folder}`));
}

function versionOf(command) {
  return /\d+\.\d+\.\d+/.exec(execFileSync(command, ["--version"], { encoding: "utf8" }))[0];
}

try {
  await ensurePackages();
  const chosen = process.argv.slice(2);
  const unknown = chosen.filter((choice) => {
    const [name, folder = ""] = choice.split("/");
    return !(name in runtimes) || testsIn(folder).length === 0;
  });
  if (unknown.length > 0)
    throw new Error(`Cannot test on ${unknown.join(", ")}: know ${Object.keys(runtimes).join(", ")}`);
  const names = chosen.length > 0 ? chosen : Object.keys(runtimes);
  if (names.some((name) => name !== "node")) await ensureRuntimes().catch((error) => console.error(error.message));
  for (const name of names) {
    if (!(await test(name))) process.exitCode = 1;
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
