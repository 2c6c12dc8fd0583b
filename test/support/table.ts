/** Rows of cells as text, in columns that are as wide as they need to be. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  const lines = rows.map((row) => row.map((text, i) => text.padEnd(widths[i]!)).join("  "));
  return lines.map((line) => line.trimEnd()).join("\n");
}
