import type { Bench } from "./setup.ts";
import { control, isOff } from "./statistics.ts";
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
 * Runs a case, and again while its control is off by more than a tenth. The result is the try whose control was the
 * nearest to 1, whatever it says of the targets.
 */
export async function runCase(bench: Bench, benchCase: BenchCase, tell: (text: string) => void): Promise<CaseResult> {
  const tries: { readonly entries: readonly EntryResult[]; readonly control: number }[] = [];
  do {
    if (tries.length > 0) tell(`  again, because the control is ${tries.at(-1)!.control.toFixed(2)}`);
    const entries = await tryCase(bench, benchCase, tell);
    // Without a control there is nothing that another try could mend.
    tries.push({ entries, control: control({ entries })?.median ?? 1 });
  } while (isOff(tries.at(-1)!.control) && tries.length < bench.options.tries);
  const [best] = tries.toSorted((one, other) => Math.abs(one.control - 1) - Math.abs(other.control - 1));
  return { case: benchCase, entries: best!.entries, controls: tries.map((each) => each.control) };
}

/** Runs all contenders of a case, one after the other in each round. One that fails does not stop the others. */
async function tryCase(bench: Bench, benchCase: BenchCase, tell: (text: string) => void): Promise<EntryResult[]> {
  const { rounds, seconds, warmUp } = bench.options;
  const { freshRounds } = benchCase;
  const contenders: Contender[] = contendersOf(benchCase, bench.options.base).map((entry) => ({
    entry,
    samples: [],
    running: null,
    reason: null,
  }));
  try {
    if (freshRounds === undefined) {
      for (const contender of contenders) {
        await attempt(contender, async () => {
          contender.running = await contender.entry.start(bench);
          await warm(contender.running, warmUp);
        });
      }
    }
    for (let round = 0; round < (freshRounds ?? rounds); round++) {
      tell(`  round ${round + 1}`);
      for (const contender of contenders) {
        await attempt(contender, async () => {
          if (freshRounds !== undefined) contender.running = await contender.entry.start(bench);
          contender.samples.push(await contender.running!.measure(seconds));
          if (freshRounds !== undefined) await stop(contender);
        });
      }
    }
  } finally {
    for (const contender of contenders) await stop(contender);
  }
  return contenders.map(resultOf);
}

/**
 * The contenders of a case; after each of ours the same with the other build; and at the end the first one again as the
 * control: a difference between these two is noise.
 */
function contendersOf({ entries, noControl }: BenchCase, base: string | undefined): readonly Entry[] {
  const all = entries.flatMap((entry) => (entry.isOurs && base !== undefined ? [entry, withBase(entry, base)] : entry));
  const [first] = entries;
  return noControl || first === undefined ? all : [...all, { ...first, name: controlOf(first.name) }];
}

function withBase(entry: Entry, base: string): Entry {
  return { name: `${entry.name} (base)`, start: (bench) => entry.start({ ...bench, library: base }) };
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
