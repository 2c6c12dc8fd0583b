import type { Bench } from "./setup.ts";

/** The result of one contender in one round. */
export interface Sample {
  /** The figure that counts: microseconds of CPU time per unit of the case, or whatever the case measures. */
  readonly value: number;
  /** Units per second. */
  readonly rate: number | null;
  /** Latency of the slowest hundredth, in microseconds. */
  readonly p99: number | null;
  /** Answers that were wrong or did not come. */
  readonly errors: number;
}

/** A contender that runs. */
export interface Running {
  measure(seconds: number): Promise<Sample>;
  stop(): Promise<void>;
}

/** A contender in a case. */
export interface Entry {
  readonly name: string;
  /** Whether it uses this library: `--base` then adds it once more, with the other build. */
  readonly isOurs?: boolean;
  start(bench: Bench): Promise<Running>;
}

/** What the first contender of a case is called when it runs once more, as the control. */
export function controlOf(name: string): string {
  return `${name}, the same again`;
}

/** A target of a case. */
export interface Target {
  readonly of: string;
  /** Whose figure the one of `of` is divided by, round by round. Null: the figure itself is what counts. */
  readonly against: string | null;
  /** The most that the median may be. */
  readonly most: number;
  /** Counts the rounds that took a fifth more than the median instead. `against` shows how many the machine is the cause of. */
  readonly slowRuns?: true;
}

/** A question that is put to several contenders. */
export interface BenchCase {
  readonly id: string;
  readonly title: string;
  /** What `Sample.value` is, such as "µs CPU per request". */
  readonly figure: string;
  readonly entries: readonly Entry[];
  readonly targets?: readonly Target[];
  /** Each round starts its contenders anew, and there are so many rounds. */
  readonly freshRounds?: number;
  /** Whether there is no control, because a contender of its own is one. */
  readonly noControl?: boolean;
  /** Whether `quick` runs it. */
  readonly quick?: boolean;
}

/** The result of a contender in a case: its rounds, or why there are none. */
export type EntryResult =
  | { readonly name: string; readonly samples: readonly Sample[] }
  | { readonly name: string; readonly reason: string };

export interface CaseResult {
  readonly case: BenchCase;
  readonly entries: readonly EntryResult[];
  /** The median of the control in each try at this case; the entries are those of the try that was nearest to 1. */
  readonly controls: readonly number[];
}
