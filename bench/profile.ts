// Where our contender's CPU time goes: a profile of V8, by function and by file, on Node.js.

import { mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { SourceMap } from "node:module";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Bench } from "./setup.ts";
import type { BenchCase } from "./types.ts";

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly children?: readonly number[];
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      readonly lineNumber: number;
      readonly columnNumber: number;
    };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Microseconds between samples. A tenth of it doubles the time of what is measured. */
const INTERVAL = 1000;
const TOP_FUNCTIONS = 40;
const TOP_FILES = 25;

/** Runs the first contender of a case with the profiler on; writes the profile and prints what took the most time. */
export async function profileCase(bench: Bench, { id, entries }: BenchCase): Promise<void> {
  const { options } = bench;
  const folder = fileURLToPath(new URL("build", import.meta.url));
  const output = await mkdtemp(join(folder, "profile-"));
  const profiling = { ...bench, options: { ...options, node: await profilingNode(options.node, output) } };
  try {
    const running = await entries[0]!.start(profiling);
    const { value: before } = await running.measure(options.warmUp);
    const seconds = Math.max(options.seconds, 10);
    const sample = await running.measure(seconds);
    await running.stop();
    console.log(
      `${entries[0]!.name}: ${sample.value.toFixed(1)} µs with the profiler on (${before.toFixed(1)} during the warm-up)\n`,
    );
    const [name] = (await readdir(output)).filter((file) => file.endsWith(".cpuprofile"));
    if (name === undefined) throw new Error("Cannot find the profile: is it Node.js that runs this case?");
    const target = join(folder, `${id}.cpuprofile`);
    await rename(join(output, name), target);
    const profile: Profile = JSON.parse(await readFile(target, "utf8"));
    await printProfile(profile, sample.value, seconds);
    console.log(`\nWritten: ${target} (opens in the developer tools of Chrome)`);
  } finally {
    await rm(output, { recursive: true, force: true });
  }
}

/** A script that runs node with the profiler: contenders are started by the path of their runtime. */
async function profilingNode(node: string, output: string): Promise<string> {
  const { chmod, writeFile } = await import("node:fs/promises");
  const script = join(output, "node");
  await mkdir(output, { recursive: true });
  const flags = `--cpu-prof --cpu-prof-interval ${INTERVAL} --cpu-prof-dir '${output}'`;
  await writeFile(script, `#!/bin/sh\nexec '${node}' ${flags} "$@"\n`);
  await chmod(script, 0o755);
  return script;
}

/** Prints where the time of the last `seconds` went: what is before is start and warm-up. */
async function printProfile(profile: Profile, perUnit: number, seconds: number): Promise<void> {
  const frames = await framesOf(profile);
  const times = {
    functions: new Map<string, number>(),
    owners: new Map<string, number>(),
    files: new Map<string, number>(),
  };
  const { samples, timeDeltas } = profile;
  let total = 0;
  for (let index = samples.length - 1, elapsed = 0; index >= 0 && elapsed < seconds * 1e6; index--) {
    const time = timeDeltas[index]!;
    const frame = frames.get(samples[index]!)!;
    elapsed += time;
    if (frame.name.startsWith("(idle)")) continue;
    total += time;
    add(times.functions, frame.name, time);
    add(times.owners, frame.owner, time);
    add(times.files, frame.file, time);
  }
  const print = (title: string, rows: Map<string, number>, count: number): void => {
    console.log(`${title}\n  share      µs`);
    for (const [name, time] of [...rows].toSorted(([, a], [, b]) => b - a).slice(0, count)) {
      const share = time / total;
      console.log(`${(share * 100).toFixed(1).padStart(6)}%${(share * perUnit).toFixed(2).padStart(8)}  ${name}`);
    }
    console.log("");
  };
  print("Self time by function (µs: this share of one unit)", times.functions, TOP_FUNCTIONS);
  print("Time by function of this project, with all that it calls in the runtime", times.owners, TOP_FUNCTIONS);
  print("Self time by file", times.files, TOP_FILES);
}

interface Frame {
  readonly name: string;
  readonly file: string;
  /** The nearest function of this project that leads here, or the runtime. */
  readonly owner: string;
}

async function framesOf({ nodes }: Profile): Promise<Map<number, Frame>> {
  const sources = new SourceMaps();
  const frames = new Map<number, Frame>();
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  // Parents come before their children.
  for (const { id, callFrame } of nodes) {
    const { functionName, url, lineNumber, columnNumber } = callFrame;
    const { file, line } = await sources.place(url, lineNumber, columnNumber);
    const name = `${functionName || "(anonymous)"}  ${file}${line}`;
    const above = frames.get(parents.get(id) ?? -1);
    const isRoot = functionName === "(root)";
    const owner = url.startsWith("file:") ? name : isRoot || above === undefined ? "(runtime)" : above.owner;
    frames.set(id, {
      name,
      file: url === "" ? functionName || "(native)" : file,
      owner: functionName.startsWith("(g") ? name : owner,
    });
  }
  return frames;
}

function add(times: Map<string, number>, name: string, time: number): void {
  times.set(name, (times.get(name) ?? 0) + time);
}

/** Leads from places in the build to places in the source. */
class SourceMaps {
  readonly #maps = new Map<string, SourceMap | null>();
  readonly #places = new Map<string, { file: string; line: string }>();

  async place(url: string, line: number, column: number): Promise<{ file: string; line: string }> {
    const key = `${url}:${line}:${column}`;
    let place = this.#places.get(key);
    if (place === undefined) {
      place = await this.#find(url, line, column);
      this.#places.set(key, place);
    }
    return place;
  }

  async #find(url: string, line: number, column: number): Promise<{ file: string; line: string }> {
    if (!url.startsWith("file:")) return { file: url, line: url === "" ? "" : `:${line + 1}` };
    const entry = (await this.#mapOf(url))?.findEntry(line, column);
    if (entry !== undefined && "originalSource" in entry) {
      const file = entry.originalSource.replace(/^.*?((src|adapters)\/)/, "$1");
      return { file, line: `:${entry.originalLine + 1}` };
    }
    return { file: basename(url), line: `:${line + 1}` };
  }

  async #mapOf(url: string): Promise<SourceMap | null> {
    let map = this.#maps.get(url);
    if (map === undefined) {
      try {
        map = new SourceMap(JSON.parse(await readFile(`${fileURLToPath(url)}.map`, "utf8")));
      } catch {
        map = null;
      }
      this.#maps.set(url, map);
    }
    return map;
  }
}
