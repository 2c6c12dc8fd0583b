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
  start(bench: Bench): Promise<Running>;
}

/** What the first contender of a case is called when it runs once more, as the control. */
export function controlOf(name: string): string {
  return `${name}, the same again`;
}

/** A target of a case. */
export type Target =
  | {
      /** Whose figure is divided by that of `against`, round by round. */
      readonly of: string;
      readonly against: string;
      /** The most that the median of the ratios may be. */
      readonly most: number;
    }
  | { readonly of: string; readonly against: null /** The most that the median may be. */; readonly most: number };

/** A question that is put to several contenders. */
export interface BenchCase {
  readonly id: string;
  readonly title: string;
  /** What `Sample.value` is, such as "µs CPU per request". */
  readonly figure: string;
  readonly entries: readonly Entry[];
  readonly targets?: readonly Target[];
  /** Contenders that can't take part, and why. */
  readonly missing?: readonly { readonly name: string; readonly reason: string }[];
  /** Whether each round starts its contenders anew. */
  readonly fresh?: boolean;
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
}
