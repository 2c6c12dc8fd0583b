/** The word that is most like a mistyped one; undefined if none is alike. */
export function nearest(typed: string, words: readonly string[]): string | undefined {
  const ranked = words.map((word) => [distance(typed, word), word] as const).sort(([a], [b]) => a - b);
  const [best] = ranked;
  return best !== undefined && best[0] <= Math.max(1, Math.floor(typed.length / 3)) ? best[1] : undefined;
}

/** How many letters to add, to leave out or to change (Levenshtein). */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const change = from[i - 1] === to[j - 1] ? 0 : 1;
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + change));
    }
    row = next;
  }
  return row[to.length]!;
}
