import type { Bench } from "./setup.ts";
import {
  type BenchCase,
  type CaseResult,
  controlOf,
  type Entry,
  type EntryResult,
  type Running,
  type Sample,
} from "./types.ts";

/** The state of a contender during the rounds. */
interface Contender {
  readonly entry: Entry;
  readonly samples: Sample[];
  running: Running | null;
  /** Why it does not run, or no longer. */
  reason: string | null;
}

/**
 * The contenders of a case, and after them the first one again as the control: a difference between these two is noise.
 */
function withControl([first, ...others]: readonly Entry[]): readonly Entry[] {
  if (first === undefined) return [];
  return [first, ...others, { ...first, name: controlOf(first.name) }];
}

/** Runs all contenders of a case, one after the other in each round. One that fails does not stop the others. */
export async function runCase(bench: Bench, benchCase: BenchCase, tell: (text: string) => void): Promise<CaseResult> {
  const { rounds, seconds, warmUp } = bench.options;
  const contenders: Contender[] = withControl(benchCase.entries).map((entry) => ({
    entry,
    samples: [],
    running: null,
    reason: null,
  }));
  try {
    if (!benchCase.fresh) {
      for (const contender of contenders) {
        await attempt(contender, async () => {
          contender.running = await contender.entry.start(bench);
          await warm(contender.running, warmUp);
        });
      }
    }
    for (let round = 0; round < (benchCase.fresh ? Math.min(rounds, 2) : rounds); round++) {
      tell(`  round ${round + 1}`);
      for (const contender of contenders) {
        await attempt(contender, async () => {
          if (benchCase.fresh) contender.running = await contender.entry.start(bench);
          contender.samples.push(await contender.running!.measure(seconds));
          if (benchCase.fresh) await stop(contender);
        });
      }
    }
  } finally {
    for (const contender of contenders) await stop(contender);
  }
  const left = (benchCase.missing ?? []).map(({ name, reason }): EntryResult => ({ name, reason }));
  return { case: benchCase, entries: [...contenders.map(resultOf), ...left] };
}

/** How much faster a slice of the warm-up must be than all before it to count as progress. */
const PROGRESS = 0.05;
/**
 * The most and the least slices of the warm-up, and how many without progress end it. A client with many promises was
 * seen to stand still for three slices before it halved its time.
 */
const SLICES = 15;
const MIN_SLICES = 8;
const PATIENCE = 3;

/** Lets a contender run until it gets no faster: a JIT compiler may need ten thousand requests. Resolves to the best figure. */
export async function warm(running: Running, seconds: number): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  let idle = 0;
  for (let slice = 0; slice < SLICES && (slice < MIN_SLICES || idle < PATIENCE); slice++) {
    const { value } = await running.measure(seconds / SLICES);
    idle = value < best * (1 - PROGRESS) ? 0 : idle + 1;
    best = Math.min(best, value);
  }
  return best;
}

async function attempt(contender: Contender, step: () => Promise<void>): Promise<void> {
  if (contender.reason !== null) return;
  try {
    await step();
  } catch (error) {
    contender.reason = (error as Error).message.trim();
  }
}

async function stop(contender: Contender): Promise<void> {
  await contender.running?.stop();
  contender.running = null;
}

function resultOf({ entry: { name }, samples, reason }: Contender): EntryResult {
  return reason === null ? { name, samples } : { name, reason };
}
