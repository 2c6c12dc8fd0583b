// npm run proof [-- <minutes>]: makes specifications/proof.md, and the memory in limits.md, of what specifications/ledger.jsonl says was
// tried. With minutes, tries for so long first, on each runtime in turn.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RUNTIMES, withMemory } from "./limits_table.mjs";
import { proofTable } from "./proof_table.mjs";
import { projectFolder, run } from "./run.mjs";
import { ledgerFile } from "./tried.mjs";

const minutes = Number(process.argv[2] ?? 0);
let failed = 0;
const tryOut = async (script, ...args) => {
  const code = await run(process.execPath, [join(projectFolder, "scripts", script), ...args, "--ledger"]);
  if (code !== 0) failed++;
};
if (minutes > 0) {
  const part = `${minutes / 10}`;
  for (const runtime of RUNTIMES) {
    await tryOut("fuzz.mjs", part, "--runtime", runtime);
    await tryOut("races.mjs", "2", "--minutes", part, "--runtime", runtime);
    await tryOut("soak.mjs", part, "--runtime", runtime);
  }
  await tryOut("processes.mjs", `${Math.ceil(minutes)}`);
  await tryOut("limits.mjs");
}
const ledger = readFileSync(ledgerFile, "utf8");
writeFileSync(join(projectFolder, "specifications/proof.md"), proofTable(ledger));
const limitsFile = join(projectFolder, "specifications/limits.md");
writeFileSync(limitsFile, withMemory(readFileSync(limitsFile, "utf8"), ledger));
if (failed > 0) console.error(`${failed} runs broke a rule`);
process.exitCode = failed > 0 ? 1 : 0;
