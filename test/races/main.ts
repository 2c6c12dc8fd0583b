// npm run races starts this, on the runtime that it was asked for.

import { parseArgs } from "node:util";
import { writeTried } from "../support/tried.ts";
import { explore, replay, reportOf, sample } from "./explore.ts";
import { worlds } from "./worlds.ts";

/** Operations in an order that is chosen at random. */
const SAMPLE_LENGTH = 14;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    world: { type: "string" },
    order: { type: "string" },
    minutes: { type: "string" },
    seed: { type: "string" },
    json: { type: "string" },
  },
});
const depth = Number(positionals[0] ?? 3);
const minutes = Number(values.minutes ?? 0);
const firstSeed = Number(values.seed ?? Math.floor(Math.random() * 0x7fff_ffff));
const chosen = worlds.filter(({ name }) => values.world === undefined || name === values.world);
if (!Number.isInteger(depth) || depth < 0 || !(minutes >= 0) || !Number.isInteger(firstSeed) || chosen.length === 0) {
  const names = worlds.map(({ name }) => name).join("|");
  console.error(
    `Usage: npm run races -- [depth] [--minutes N] [--seed N] [--world ${names}] [--order TEXT] [--runtime node|bun|deno]`,
  );
  process.exit(1);
}

let failures = 0;
const counts: Record<string, { depth: number; orders: number; sampled: number }> = {};
for (const kind of chosen) {
  if (values.order !== undefined) {
    const broken = await replay(kind, values.order);
    if (broken === null) console.log(`${kind.name}: ${values.order} breaks no rule`);
    else console.error(reportOf(kind, broken));
    failures += broken === null ? 0 : 1;
    continue;
  }
  const { orders, broken } = await explore(kind, depth);
  if (broken !== null) {
    failures++;
    console.error(reportOf(kind, broken));
  }
  let sampled = 0;
  const end = Date.now() + (minutes * 60_000) / chosen.length;
  while (Date.now() < end) {
    const found = await sample(kind, SAMPLE_LENGTH, firstSeed + sampled++);
    if (found === null) continue;
    failures++;
    console.error(reportOf(kind, found));
  }
  counts[kind.name] = { depth, orders, sampled };
  console.log(`${kind.name}: all ${orders} orders of up to ${depth} operations, ${sampled} longer ones at random`);
}
writeTried(values.json, { failures, seed: firstSeed, worlds: counts });
console.log(failures === 0 ? "No rule was broken" : `${failures} failures`);
process.exit(failures === 0 ? 0 : 1);
