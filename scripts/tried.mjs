// What npm run fuzz, races, processes, reload, soak and limits have in common: they try the library on a runtime, and what was tried can be
// added to specifications/ledger.jsonl, a line for each run, so that short runs add up. npm run proof makes a table of it.
import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { projectFolder, run } from "./run.mjs";
import { commandOf, ensurePackages, ensureRuntimes } from "./setup.mjs";

export const ledgerFile = join(projectFolder, "specifications/ledger.jsonl");

/** Adds a result to the ledger. `tried` is the commit that it is of. */
export function note(what, result, tried) {
  const date = new Date().toISOString().slice(0, 10);
  appendFileSync(ledgerFile, `${JSON.stringify({ what, date, commit: tried, ...result })}\n`);
}

/** The commit that is tried, with a + if the sources have changes. */
export function commit() {
  const git = (...args) => execFileSync("git", args, { cwd: projectFolder, encoding: "utf8" }).trim();
  return git("rev-parse", "--short=7", "HEAD") + (git("status", "--porcelain", "src", "adapters") === "" ? "" : "+");
}

/** Runs that start programs on all runtimes, or on that of `--on`. */
const ON_ALL = new Set(["processes", "limits"]);

/**
 * Whether a run starts anything but the Node that runs this: `--runtime` runs the program itself on another one, and npm run reload starts
 * programs on Node 24 as well.
 *
 * @param what The name in the ledger.
 */
export function needsRuntimes(what, args) {
  const after = (option, otherwise) => {
    const at = args.indexOf(option);
    return at < 0 ? otherwise : args[at + 1];
  };
  return after("--runtime", "node") !== "node" || what === "reload" || (ON_ALL.has(what) && after("--on") !== "node");
}

/**
 * Runs a program of the tests: `--runtime` says on what, and `--ledger` that its result is noted. The program gets the other arguments and
 * `--json` with the file for its result.
 *
 * @param what The name in the ledger.
 */
export async function tryOut(what, program, args) {
  const rest = [...args];
  const runtimeAt = rest.indexOf("--runtime");
  const [, runtime = "node"] = runtimeAt < 0 ? [] : rest.splice(runtimeAt, 2);
  const ledgerAt = rest.indexOf("--ledger");
  const hasLedger = ledgerAt >= 0 && rest.splice(ledgerAt, 1).length > 0;
  const folder = mkdtempSync(join(tmpdir(), "fetchcgi-tried-"));
  try {
    await ensurePackages();
    if (needsRuntimes(what, args)) await ensureRuntimes();
    const [command, ...before] = commandOf(runtime);
    const json = join(folder, "result.json");
    const tried = hasLedger ? commit() : null;
    process.exitCode = await run(command, [...before, program, ...rest, "--json", json]);
    if (!hasLedger || !existsSync(json)) return;
    note(what, JSON.parse(readFileSync(json, "utf8")), tried);
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
