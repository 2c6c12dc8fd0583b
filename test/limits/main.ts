// npm run limits starts this.

import { parseArgs } from "node:util";
import type { RuntimeName } from "../adapters/battery/programs/adapter.ts";
import { runtimesOn, writeTried } from "../support/tried.ts";
import { judged, Plan } from "./all.ts";
import { type CrowdResult, holdConnections } from "./connections.ts";
import type { FloodResult } from "./flooding.ts";

const { values } = parseArgs({
  options: {
    on: { type: "string" },
    only: { type: "string", default: "" },
    part: { type: "string", default: "1/1" },
    mib: { type: "string", default: "64" },
    connections: { type: "string", default: "10000" },
    json: { type: "string" },
  },
});
const runtimes = runtimesOn(values.on);
const [mib, connections] = [Number(values.mib), Number(values.connections)];
const [part, parts] = values.part.split("/").map(Number) as [number, number];
if (runtimes.length === 0 || !(mib > 0) || !(connections >= 0) || !(part >= 1 && part <= parts)) {
  console.error(
    "Usage: npm run limits -- [--on node|bun|deno] [--only text] [--part 1/4] [--mib 64] [--connections 10000] [--ledger]",
  );
  process.exit(1);
}

const faults: string[] = [];
const floods: Partial<Record<RuntimeName, FloodResult[]>> = {};
const crowds: Partial<Record<RuntimeName, CrowdResult>> = {};
const attempt = async (what: string, action: () => Promise<void>): Promise<void> => {
  try {
    await action();
  } catch (error) {
    faults.push(`${what}: ${error instanceof Error ? error.message : error}`);
    console.error(faults.at(-1));
  }
};
for (const runtime of runtimes) {
  const results: FloodResult[] = [];
  floods[runtime] = results;
  const plan = new Plan(runtime, mib * 1024 * 1024);
  const chosen = plan.floods.filter(({ name }) => name.includes(values.only));
  for (const [index, { name, end, run }] of chosen.entries()) {
    if (Math.floor((index * parts) / chosen.length) !== part - 1) continue;
    await attempt(`${name} on ${runtime}`, async () => {
      const result = await run();
      results.push(result);
      const { side, ended, sent, memory, held, answers, slowest, companion } = result;
      console.log(
        `${runtime} ${side}: ${name}: ${ended} after ${sent} MiB; ${memory} MiB at most, ${held} MiB behind it; ` +
          `${answers} answers beside it, ${slowest} ms at most` +
          (companion === null ? "" : `; ${companion.answers} on its connection, ${companion.slowest} ms`),
      );
      const wrong = judged(result, end, runtime);
      if (wrong.length > 0) throw new Error(wrong.join("; "));
    });
  }
  await plan.close();
  if (connections === 0) continue;
  await attempt(`${connections} connections on ${runtime}`, async () => {
    const crowd = await holdConnections(runtime, connections);
    crowds[runtime] = crowd;
    console.log(`${runtime}: ${JSON.stringify(crowd)}`);
    if (crowd.lost > 0) throw new Error(`${crowd.lost} requests were lost`);
  });
}
writeTried(values.json, { failures: faults.length, mib, floods, crowds });
console.log(faults.length === 0 ? "Every limit held" : `${faults.length} failures`);
process.exit(faults.length === 0 ? 0 : 1);
