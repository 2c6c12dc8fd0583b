// Where our contender's CPU time goes: a profile of V8 on Node.js, and from it the time of each function.

import { chmod, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Bench } from "./setup.ts";
import type { BenchCase } from "./types.ts";

/** What is read of a .cpuprofile. */
interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Microseconds between samples. A tenth of it doubles the time of what is measured. */
const INTERVAL = 1000;
const TOP_FUNCTIONS = 40;

/** Runs the first contender of a case with the profiler on; writes the profile and prints which functions took the most time. */
export async function profileCase(bench: Bench, { id, entries }: BenchCase): Promise<void> {
  const { options } = bench;
  const folder = fileURLToPath(new URL("build", import.meta.url));
  const output = await mkdtemp(join(folder, "profile-"));
  const nodes = new Map<number, string>();
  for (const [major, node] of options.nodes) nodes.set(major, await profilingNode(node, output, `node${major}`));
  const node = await profilingNode(options.node, output, "node");
  const profiling = { ...bench, options: { ...options, node, nodes } };
  try {
    const running = await entries[0]!.start(profiling);
    await running.measure(options.warmUp);
    const seconds = Math.max(options.seconds, 10);
    const { value } = await running.measure(seconds);
    await running.stop();
    console.log(`${entries[0]!.name}: ${value.toFixed(1)} µs with the profiler on`);
    const [name] = (await readdir(output)).filter((file) => file.endsWith(".cpuprofile"));
    if (name === undefined) throw new Error("Cannot find the profile: is it Node.js that runs this case?");
    const target = join(folder, `${id}.cpuprofile`);
    await rename(join(output, name), target);
    printProfile(JSON.parse(await readFile(target, "utf8")), value, seconds);
    console.log(`\nWritten: ${target} (opens in the developer tools of Chrome)`);
  } finally {
    await rm(output, { recursive: true, force: true });
  }
}

/** A script that runs node with the profiler: contenders are started by the path of their runtime. */
async function profilingNode(node: string, output: string, name: string): Promise<string> {
  const script = join(output, name);
  const flags = `--cpu-prof --cpu-prof-interval ${INTERVAL} --cpu-prof-dir '${output}'`;
  await writeFile(script, `#!/bin/sh\nexec '${node}' ${flags} "$@"\n`);
  await chmod(script, 0o755);
  return script;
}

/** Prints where the time of the last `seconds` went: what is before is start and warm-up. */
function printProfile({ nodes, samples, timeDeltas }: Profile, perUnit: number, seconds: number): void {
  const names = new Map(
    nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => {
      const place = url === "" ? "" : `  ${basename(url)}:${lineNumber + 1}`;
      return [id, `${functionName || "(anonymous)"}${place}`];
    }),
  );
  const times = new Map<string, number>();
  let total = 0;
  for (let index = samples.length - 1, elapsed = 0; index >= 0 && elapsed < seconds * 1e6; index--) {
    const [time, name] = [timeDeltas[index]!, names.get(samples[index]!)!];
    elapsed += time;
    if (name === "(idle)") continue;
    total += time;
    times.set(name, (times.get(name) ?? 0) + time);
  }
  console.log("\n  share      µs  of one unit, in the function itself");
  for (const [name, time] of [...times].toSorted(([, a], [, b]) => b - a).slice(0, TOP_FUNCTIONS)) {
    const share = time / total;
    console.log(`${(share * 100).toFixed(1).padStart(6)}%${(share * perUnit).toFixed(2).padStart(8)}  ${name}`);
  }
}
