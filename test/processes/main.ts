// npm run processes starts this.

import { parseArgs } from "node:util";
import type { RuntimeName } from "../adapters/battery/programs/adapter.ts";
import { runtimesOn, writeTried } from "../support/tried.ts";
import { type RoundCounts, Rounds, type RoundTimes } from "./rounds.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { on: { type: "string" }, "at-once": { type: "string", default: "1" }, json: { type: "string" } },
});
const count = Number(positionals[0] ?? 100);
const atOnce = Number(values["at-once"]);
const runtimes = runtimesOn(values.on);
if (!(Number.isInteger(count) && count >= 1 && Number.isInteger(atOnce) && atOnce >= 1) || runtimes.length === 0) {
  console.error("Usage: npm run processes -- [rounds] [--on node|bun|deno] [--at-once 1] [--ledger]");
  process.exit(1);
}

let failures = 0;
let isStopped = false;
// What was tried until then counts.
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    isStopped = true;
  });
}
const counts: Partial<Record<RuntimeName, RoundCounts>> = {};
for (const runtime of runtimes) {
  const start = performance.now();
  let reported = start;
  let begun = 0;
  const all: RoundCounts = {};
  const times: RoundTimes = {};
  /** Plays one round after the other, with processes and places of its own. */
  const play = async (): Promise<void> => {
    let rounds = new Rounds(runtime);
    const add = async (): Promise<void> => {
      for (const [name, each] of Object.entries(rounds.counts)) all[name] = (all[name] ?? 0) + each;
      for (const [name, each] of Object.entries(rounds.times)) times[name] = (times[name] ?? 0) + each;
      await rounds.stop();
    };
    while (begun < count && !isStopped) {
      const round = ++begun;
      try {
        await rounds.run();
      } catch (error) {
        failures++;
        console.error(`Round ${round} on ${runtime}: ${error instanceof Error ? error.stack : error}`);
        // What is left of the round must not spoil the next one.
        await add();
        rounds = new Rounds(runtime);
      }
      if (performance.now() - reported < 60_000) continue;
      reported = performance.now();
      console.log(`${runtime}: ${round} rounds`);
    }
    await add();
  };
  await Promise.all(Array.from({ length: atOnce }, play));
  counts[runtime] = all;
  console.log(`${runtime}: ${begun} rounds in ${Math.round((performance.now() - start) / 1000)} s`);
  for (const [name, each] of Object.entries(all))
    console.log(`  ${name}: ${each}, ${Math.round(times[name]! / each)} ms each`);
}
writeTried(values.json, { failures, counts });
console.log(failures === 0 ? "No rule was broken" : `${failures} failures`);
process.exit(failures === 0 ? 0 : 1);
