// npm run mutation [-- <files or folders of src/>] [--ledger]: changes the code in every way that Stryker knows, one change at a time,
// and names the changes that no test notices. Without arguments all rooms, which takes hours.
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { Stryker } from "@stryker-mutator/core";
import configuration from "../stryker.config.mjs";
import { projectFolder } from "./run.mjs";
import { commit, note } from "./tried.mjs";

/** The rooms of src/, and the tests that are to notice a change. The first that fits counts. */
const ROOMS = [
  ["src/base", ["test/base", "test/codec"]],
  ["src/protocol", ["test/protocol", "test/wrong_calls"]],
  ["src/cgi", ["test/cgi", "test/http/serve"]],
  // All tests that load a table run for each change in it.
  ["src/codec/request_state.ts", ["test/codec/request_state.test.ts"]],
  ["src/codec/response_state.ts", ["test/codec/response_state.test.ts"]],
  ["src/codec", ["test/codec", "test/wrong_calls"]],
  ["src/transport", ["test/transport"]],
  ["src/connect", ["test/connect"]],
  ["src/server", ["test/server"]],
  ["src/client", ["test/client"]],
  ["src/http/shared", ["test/http/shared"]],
  ["src/http/serve", ["test/http/serve"]],
  ["src/http/call", ["test/http/call"]],
  ["src/http/php", ["test/http/php"]],
];

/** The least share of the changes of a file that tests must notice, those aside that a comment explains. */
const LEAST = 0.9;

const NOTICED = new Set(["Killed", "Timeout"]);
const UNNOTICED = new Set(["Survived", "NoCoverage"]);

/** The source files that `given` names: a file, or a folder with all in it. */
function filesOf(given) {
  const path = given.replace(/\/$/, "");
  const full = join(projectFolder, path);
  if (!existsSync(full)) throw new Error(`Cannot find ${JSON.stringify(given)} in the project`);
  if (!statSync(full).isDirectory()) return [path];
  return readdirSync(full, { recursive: true })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `${path}/${name}`);
}

/** The files by the tests that are to notice their changes. */
function byTests(files) {
  const groups = new Map();
  for (const file of files) {
    const room = ROOMS.find(([place]) => file === place || file.startsWith(`${place}/`));
    if (room === undefined) continue;
    const tests = room[1].join(" ");
    groups.set(tests, [...(groups.get(tests) ?? []), file]);
  }
  return groups;
}

/** Tries all changes of some files. Counts them for each file, and prints those that no test has noticed. */
async function tryChanges(tests, files) {
  process.env.MUTATION_TESTS = tests;
  const results = await new Stryker({ ...configuration, mutate: files }).runMutationTest();
  const counts = {};
  for (const mutant of results) {
    const { location, mutatorName, replacement, status } = mutant;
    const file = mutant.fileName.replaceAll("\\", "/").replace(/^.*?(?=src\/)/, "");
    counts[file] ??= { noticed: 0, unnoticed: 0, explained: 0 };
    const count = counts[file];
    if (NOTICED.has(status)) count.noticed++;
    else if (status === "Ignored") count.explained++;
    else if (UNNOTICED.has(status)) {
      count.unnoticed++;
      const place = `${file}:${location.start.line + 1}:${location.start.column + 1}`;
      console.log(`${place} ${status} ${mutatorName}: ${replacement.replaceAll(/\s+/g, " ").slice(0, 120)}`);
    }
  }
  return counts;
}

try {
  const given = process.argv.slice(2).filter((argument) => argument !== "--ledger");
  const files = (given.length > 0 ? given : ROOMS.map(([folder]) => folder)).flatMap(filesOf);
  const tried = commit();
  const all = {};
  for (const [tests, some] of byTests(files)) Object.assign(all, await tryChanges(tests, some));
  let below = 0;
  for (const [file, { noticed, unnoticed, explained }] of Object.entries(all)) {
    const share = noticed / (noticed + unnoticed || 1);
    if (unnoticed > 0 && share < LEAST) below++;
    const more = explained > 0 ? `, ${explained} explained` : "";
    console.log(`${file}: ${noticed} of ${noticed + unnoticed} changes noticed${more}`);
  }
  if (process.argv.includes("--ledger")) note("mutation", { failures: 0, files: all }, tried);
  if (below > 0) console.error(`${below} files are below ${LEAST * 100} %`);
  process.exitCode = below > 0 ? 1 : 0;
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
