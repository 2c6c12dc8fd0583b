import { type CaseResult, controlOf, type Target } from "./types.ts";

/** The median of some values, and their least and most. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** The spread of at least one value. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const median = Number.isInteger(middle) ? (sorted[middle - 1]! + sorted[middle]!) / 2 : sorted[Math.floor(middle)]!;
  return { median, least: sorted[0]!, most: sorted.at(-1)! };
}

/** The quotients of two rows of values, pair by pair, because a disturbance of a round affects both values. */
export function ratios(values: readonly number[], others: readonly number[]): number[] {
  return values.slice(0, others.length).map((value, index) => value / others[index]!);
}

/** How much more than the median a slow run takes. */
const SLOW = 1.2;

/** How many of the values are those of slow runs. */
export function slowRuns(values: readonly number[]): number {
  const { median } = spreadOf(values);
  return values.filter((value) => value > median * SLOW).length;
}

/** The figures of a contender; null if it did not run. */
export function valuesOf({ entries }: Pick<CaseResult, "entries">, name: string): number[] | null {
  const entry = entries.find((candidate) => candidate.name === name);
  return entry !== undefined && "samples" in entry ? entry.samples.map(({ value }) => value) : null;
}

/** What was measured for a target: the figure of one contender, or its ratio to that of another; null if one did not run. */
export function measured(
  result: Pick<CaseResult, "entries">,
  { of, against }: Pick<Target, "of" | "against">,
): Spread | null {
  const own = valuesOf(result, of);
  if (own === null || against === null) return own && spreadOf(own);
  const other = valuesOf(result, against);
  return other && spreadOf(ratios(own, other));
}

/** The ratio of the first contender to itself, which is how far a ratio of this case can be off. */
export function control(result: Pick<CaseResult, "entries">): Spread | null {
  const [first] = result.entries;
  return first === undefined ? null : measured(result, { of: first.name, against: controlOf(first.name) });
}

/** How far the median of a control may be from 1. */
const TOLERANCE = 0.1;

/** Whether the machine was too restless for a case to be believed. */
export function isOff(control: number): boolean {
  return Math.abs(control - 1) > TOLERANCE;
}
