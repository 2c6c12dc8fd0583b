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
