// What a process holds, and whether that stays as it is.

import { readdirSync } from "node:fs";

/** What a process holds at one moment. */
export interface Holding {
  /** Megabytes. */
  readonly heap: number;
  readonly rss: number;
  /** Open files and sockets; null where the system does not tell. */
  readonly descriptors: number | null;
  /** Timers that run; null where the runtime does not tell. */
  readonly timers: number | null;
}

/** Megabytes by which a heap may differ without anything being kept: what runtimes compile and cache. */
const HEAP_NOISE = 8;
/** The same for all memory, which allocators do not give back at once. */
const RSS_NOISE = 64;
/** Descriptors that a runtime may open for itself. */
const DESCRIPTOR_NOISE = 3;

/** Measures, when nothing is under way. What is left to be closed in this process is closed in the turns of its event loop that pass. */
export async function measure(): Promise<Holding> {
  const { gc } = globalThis as { gc?: () => void };
  for (let round = 0; round < 3; round++) {
    gc?.();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { heapUsed, rss } = process.memoryUsage();
  const megabytes = (bytes: number): number => Math.round(bytes / 1e5) / 10;
  return { heap: megabytes(heapUsed), rss: megabytes(rss), descriptors: descriptors(), timers: timers() };
}

function descriptors(): number | null {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return null;
  }
}

function timers(): number | null {
  const isNode = !("Bun" in globalThis) && !("Deno" in globalThis);
  if (!isNode || process.getActiveResourcesInfo === undefined) return null;
  return process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
}

/** What has grown between the middle and the end; the start is before all is loaded and compiled. Empty if nothing has. */
export function growth(start: Holding, middle: Holding, end: Holding): string[] {
  const grown: string[] = [];
  const compare = (name: keyof Holding, noise: number, unit: string): void => {
    const [first, second, third] = [start[name], middle[name], end[name]];
    if (first === null || second === null || third === null) return;
    if (third - Math.max(first, second) > noise) grown.push(`${name}: ${first}, ${second}, ${third}${unit}`);
  };
  compare("heap", HEAP_NOISE, " MB");
  compare("rss", RSS_NOISE, " MB");
  compare("descriptors", DESCRIPTOR_NOISE, "");
  compare("timers", 0, "");
  return grown;
}
