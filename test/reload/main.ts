// npm run reload starts this.

import { parseArgs } from "node:util";
import { createTemporaryDirectory } from "../support/temporary_directory.ts";
import { runtimesOn, writeTried } from "../support/tried.ts";
import { makeProject, type ReloadCounts, type ReloadRuntime, Reloads } from "./reloads.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { on: { type: "string" }, rate: { type: "string", default: "500" }, json: { type: "string" } },
});
const [rounds, rate] = [Number(positionals[0] ?? 20), Number(values.rate)];
const runtimes = runtimesOn(values.on);
if (!(Number.isInteger(rounds) && rounds > 0 && Number.isInteger(rate) && rate > 0) || runtimes.length === 0) {
  console.error("Usage: npm run reload -- [rounds] [--on node|bun|deno] [--rate REQUESTS_PER_SECOND]");
  process.exit(1);
}

const folder = await createTemporaryDirectory("reload");
const project = await makeProject(folder.path);
/** The share of the rate that must have been sent, for the run to say anything. */
const ENOUGH = 0.99;

const counts: Partial<Record<ReloadRuntime, ReloadCounts & { rounds: number; rate: number }>> = {};
for (const runtime of runtimes) {
  const reloads = await Reloads.start(runtime, rate, project);
  for (let round = 0; round < rounds; round++) {
    await reloads.more(rate);
    if (runtime === "node") await reloads.kill();
    await reloads.more(rate);
    await reloads.reload();
  }
  counts[runtime] = { rounds, rate, ...(await reloads.stop()) };
  console.log(`${runtime}: ${JSON.stringify(counts[runtime])}`);
}
await folder.remove();
const failures = Object.values(counts).reduce((sum, { lostOtherwise }) => sum + lostOtherwise, 0);
const isTooSlow = Object.values(counts).some(({ perSecond, leftOut }) => leftOut > 0 || perSecond < rate * ENOUGH);
if (isTooSlow) {
  console.log(`Nothing is shown: this machine did not send ${rate} requests per second; try a lower --rate`);
  process.exit(1);
}
writeTried(values.json, { failures, counts });
console.log(failures === 0 ? "Only requests of killed workers were lost" : `${failures} requests were lost`);
process.exit(failures === 0 ? 0 : 1);
