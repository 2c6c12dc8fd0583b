// npm run fuzz starts this, on the runtime that it was asked for.

import { parseArgs } from "node:util";
import { clientTarget, httpClientTarget } from "./client.ts";
import { faultyApplications, faultyTarget, faultyWebServers, tryEveryByte } from "./faults.ts";
import { serverTarget, serviceTarget } from "./server.ts";
import { fuzz, type Target } from "./target.ts";

/** Inputs in a row from one seed. The next one has the next seed. */
const BATCH = 200;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: "string" },
    path: { type: "string" },
    target: { type: "string" },
    every: { type: "string" },
  },
});
const minutes = Number(positionals[0] ?? 1);
const firstSeed = Number(values.seed ?? Math.floor(Math.random() * 0x7fff_ffff));
/** Made when they are asked for: those that need recordings read them. */
const all: Readonly<Record<string, () => Target<unknown>>> = {
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
    `Usage: npm run fuzz -- [minutes] [--seed N] [--target ${Object.keys(all).join("|")}] [--path P] [--every BYTES] [--runtime node|bun|deno]`,
  );
  process.exit(1);
}

let failures = 0;

if (values.every !== undefined) {
  for (const side of [faultyWebServers(), faultyApplications()]) {
    const table = await tryEveryByte(side, Number(values.every), (fault) => {
      failures++;
      console.error(fault);
    });
    console.log(`${side.name}, every ${values.every} bytes of ${side.recordings.length} recordings:`);
    for (const [fault, results] of table) {
      console.log(`  ${fault.padEnd(18)} ${[...results].map(([result, count]) => `${result}: ${count}`).join(", ")}`);
    }
  }
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

const start = Date.now();
const end = start + minutes * 60_000;
let reported = start;
console.log(`Seed ${firstSeed}, ${minutes} minutes: ${targets.map(({ name }) => name).join(", ")}`);
for (let seed = firstSeed; seed === firstSeed || (values.path === undefined && Date.now() < end); seed++) {
  for (const target of targets) {
    const failure = await fuzz(target, BATCH, { seed, path: values.path });
    inputs.set(target.name, (inputs.get(target.name) ?? 0) + (values.path === undefined ? BATCH : 1));
    if (failure === null) continue;
    failures++;
    console.error(failure);
  }
  if (Date.now() - reported < 60_000) continue;
  reported = Date.now();
  report();
}
report();
console.log(failures === 0 ? "No rule was broken" : `${failures} failures`);
process.exit(failures === 0 ? 0 : 1);
