// npm run processes starts this.

import { parseArgs } from "node:util";
import type { RuntimeName } from "../adapters/battery/programs/adapter.ts";
import { writeTried } from "../support/tried.ts";
import { type RoundCounts, Rounds, type RoundTimes } from "./rounds.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { on: { type: "string" }, json: { type: "string" } },
});
const count = Number(positionals[0] ?? 100);
const runtimes = (["node", "bun", "deno"] as const).filter((name) => values.on === undefined || name === values.on);
if (!Number.isInteger(count) || count < 1 || runtimes.length === 0) {
  console.error("Usage: npm run processes -- [rounds] [--on node|bun|deno]");
  process.exit(1);
}

let failures = 0;
const counts: Partial<Record<RuntimeName, RoundCounts>> = {};
for (const runtime of runtimes) {
  const start = performance.now();
  let reported = start;
  let rounds = new Rounds(runtime);
  const all: RoundCounts = {};
  const times: RoundTimes = {};
  const add = (): void => {
    for (const [name, each] of Object.entries(rounds.counts)) all[name] = (all[name] ?? 0) + each;
    for (const [name, each] of Object.entries(rounds.times)) times[name] = (times[name] ?? 0) + each;
  };
  for (let round = 1; round <= count; round++) {
    try {
      await rounds.run();
    } catch (error) {
      failures++;
      console.error(`Round ${round} on ${runtime}: ${error instanceof Error ? error.stack : error}`);
      // What is left of the round must not spoil the next one.
      add();
      await rounds.stop();
      rounds = new Rounds(runtime);
    }
    if (performance.now() - reported < 60_000) continue;
    reported = performance.now();
    console.log(`${runtime}: ${round} rounds`);
  }
  add();
  await rounds.stop();
  counts[runtime] = all;
  console.log(`${runtime}: ${count} rounds in ${Math.round((performance.now() - start) / 1000)} s`);
  for (const [name, each] of Object.entries(all))
    console.log(`  ${name}: ${each}, ${Math.round(times[name]! / each)} ms each`);
}
writeTried(values.json, { failures, counts });
console.log(failures === 0 ? "No rule was broken" : `${failures} failures`);
process.exit(failures === 0 ? 0 : 1);
