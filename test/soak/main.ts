// npm run soak starts this, on the runtime that it was asked for.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { adapterOf } from "../adapters/battery/programs/adapter.ts";
import { writeTried } from "../support/tried.ts";
import { growth, type Holding, measure } from "./flat.ts";
import { Traffic } from "./traffic.ts";

/** The part of the time in which everything is loaded, compiled and cached. */
const WARM_UP = 0.1;

const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: "string" } } });
const minutes = Number(positionals[0] ?? 10);
if (!(minutes > 0)) {
  console.error("Usage: npm run soak -- [minutes] [--runtime node|bun|deno]");
  process.exit(1);
}
const name = "Bun" in globalThis ? "bun" : "Deno" in globalThis ? "deno" : "node";
const folder = mkdtempSync(join(tmpdir(), "fetchcgi-soak-"));
const traffic = new Traffic(await adapterOf(name), join(folder, "soak.sock"));
await traffic.listen();

/** Lets traffic run for a part of the time, and measures when it rests. */
async function after(part: number): Promise<Holding> {
  traffic.start();
  await new Promise((resolve) => setTimeout(resolve, part * minutes * 60_000));
  await traffic.pause();
  return measure();
}

const start = await after(WARM_UP);
const middle = await after((1 - WARM_UP) / 2);
const end = await after((1 - WARM_UP) / 2);
await traffic.close();
rmSync(folder, { recursive: true, force: true });

const requests = [...traffic.outcomes.values()].reduce((sum, count) => sum + count, 0);
console.log(`${requests} requests in ${minutes} minutes`);
for (const [outcome, count] of [...traffic.outcomes].sort()) console.log(`  ${outcome}: ${count}`);
for (const [when, { heap, rss, descriptors, timers }] of Object.entries({ start, middle, end })) {
  console.log(
    `${when}: ${heap} MB of heap, ${rss} MB in all, ${descriptors ?? "?"} descriptors, ${timers ?? "?"} timers`,
  );
}
const grown = growth(start, middle, end);
for (const fault of traffic.faults.slice(0, 10)) console.error(fault);
const failures = grown.length + traffic.faults.length;
writeTried(values.json, { failures, minutes, requests, start, middle, end });
if (grown.length > 0) console.error(`Not flat: ${grown.join("; ")}`);
console.log(failures === 0 ? "Flat" : `${failures} failures`);
process.exit(failures === 0 ? 0 : 1);
