// npm run fuzz starts this, on the runtime that it was asked for.

import { parseArgs } from "node:util";
import { writeTried } from "../support/tried.ts";
import { clientTarget, httpClientTarget } from "./client.ts";
import { faultyApplications, faultyTarget, faultyWebServers, tryEveryByte } from "./faults.ts";
import { serverTarget, serviceTarget } from "./server.ts";
import { stagesTarget } from "./stages.ts";
import { fuzz, type Target } from "./target.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: "string" },
    path: { type: "string" },
    target: { type: "string" },
    every: { type: "string" },
    json: { type: "string" },
  },
});
const minutes = Number(positionals[0] ?? 1);
const firstSeed = Number(values.seed ?? Math.floor(Math.random() * 0x7fff_ffff));
/** Made when they are asked for: those that need recordings read them. */
const all: Readonly<Record<string, () => Target<unknown>>> = {
  stages: stagesTarget as () => Target<unknown>,
  server: serverTarget as () => Target<unknown>,
  service: serviceTarget as () => Target<unknown>,
  client: clientTarget as () => Target<unknown>,
  "http-client": httpClientTarget as () => Target<unknown>,
  "server-faults": () => faultyTarget(faultyWebServers()) as Target<unknown>,
  "client-faults": () => faultyTarget(faultyApplications()) as Target<unknown>,
};
const targets = Object.entries(all)
  .filter(([name]) => values.target === undefined || name === values.target)
  .map(([, make]) => make());
if (!(minutes >= 0) || !Number.isInteger(firstSeed) || targets.length === 0) {
  console.error(
    `Usage: npm run fuzz -- [minutes] [--seed N] [--target ${Object.keys(all).join("|")}] [--path P] [--every BYTES] [--runtime node|bun|deno] [--ledger]`,
  );
  process.exit(1);
}

let failures = 0;
// Of the errors that are made on purpose, which are many, the stack costs more than the rest. A replay has it.
if (values.path === undefined) Error.stackTraceLimit = 2;

/** Writes what was done to the file that was asked for. */
const writeResult = (result: object): void => {
  const seconds = Math.round((Date.now() - start) / 1000);
  writeTried(values.json, { failures, seconds, ...result });
};
const start = Date.now();

if (values.every !== undefined) {
  const faults: Record<string, number> = {};
  for (const side of [faultyWebServers(), faultyApplications()]) {
    const table = await tryEveryByte(side, Number(values.every), (fault) => {
      failures++;
      console.error(fault);
    });
    console.log(`${side.name}, every ${values.every} bytes of ${side.recordings.length} recordings:`);
    faults[side.name] = [...table.values()].flatMap((results) => [...results.values()]).reduce((a, b) => a + b, 0);
    for (const [fault, results] of table) {
      console.log(`  ${fault.padEnd(18)} ${[...results].map(([result, count]) => `${result}: ${count}`).join(", ")}`);
    }
  }
  writeResult({ every: Number(values.every), inputs: faults });
  process.exit(failures === 0 ? 0 : 1);
}

const inputs = new Map<string, number>();
const megabytes = (): number => {
  (globalThis as { gc?: () => void }).gc?.();
  return Math.round(process.memoryUsage().heapUsed / 1e6);
};
const report = (): void => {
  const counts = [...inputs].map(([name, count]) => `${name} ${count}`).join(", ");
  console.log(`${Math.round((Date.now() - start) / 1000)} s: ${counts || "no inputs yet"}; ${megabytes()} MB of heap`);
};

const end = start + minutes * 60_000;
let reported = start;
console.log(`Seed ${firstSeed}, ${minutes} minutes: ${targets.map(({ name }) => name).join(", ")}`);
let isStopped = false;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    isStopped = true;
  });
}
let seed = firstSeed;
for (; seed === firstSeed || (values.path === undefined && Date.now() < end && !isStopped); seed++) {
  for (const target of targets) {
    const { batch = 200 } = target;
    const failure = await fuzz(target, batch, { seed, path: values.path });
    inputs.set(target.name, (inputs.get(target.name) ?? 0) + (values.path === undefined ? batch : 1));
    if (failure === null) continue;
    failures++;
    console.error(failure);
  }
  if (Date.now() - reported < 60_000) continue;
  reported = Date.now();
  report();
}
report();
writeResult({ seeds: [firstSeed, seed - 1], inputs: Object.fromEntries(inputs) });
console.log(failures === 0 ? "No rule was broken" : `${failures} failures`);
process.exit(failures === 0 ? 0 : 1);
