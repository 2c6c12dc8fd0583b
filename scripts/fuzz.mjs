// npm run fuzz -- <minutes> [--seed N] [--target name] [--path P] [--runtime node|bun|deno] [--ledger]: plays web servers and
// applications of every kind against the library, in memory, for the given time. A broken rule is printed with the line
// that replays it. With --ledger, what was tried is added to specifications/ledger.jsonl, so that short runs add up.
import { execFileSync } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { projectFolder, run } from "./run.mjs";
import { commandOf, ensurePackages } from "./setup.mjs";

/** The commit that is tried, with a + if the tree has changes. */
function commit() {
  const git = (...args) => execFileSync("git", args, { cwd: projectFolder, encoding: "utf8" }).trim();
  return git("rev-parse", "--short=7", "HEAD") + (git("status", "--porcelain", "src") === "" ? "" : "+");
}

const args = process.argv.slice(2);
const at = args.indexOf("--runtime");
const [, runtime = "node"] = at < 0 ? [] : args.splice(at, 2);
const ledgerAt = args.indexOf("--ledger");
const hasLedger = ledgerAt >= 0 && args.splice(ledgerAt, 1).length > 0;
const folder = mkdtempSync(join(tmpdir(), "fetchcgi-fuzz-"));
try {
  await ensurePackages();
  const [command, ...before] = commandOf(runtime);
  const json = join(folder, "result.json");
  const tried = hasLedger ? commit() : null;
  process.exitCode = await run(command, [...before, "test/fuzz/main.ts", ...args, "--json", json]);
  if (hasLedger) {
    const line = {
      date: new Date().toISOString().slice(0, 10),
      commit: tried,
      ...JSON.parse(readFileSync(json, "utf8")),
    };
    appendFileSync(join(projectFolder, "specifications/ledger.jsonl"), `${JSON.stringify(line)}\n`);
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
