/** A default as documents write it. */
export function writtenDefault(name: string, value: unknown): string {
  if (value === Number.POSITIVE_INFINITY) return "none";
  if (typeof value === "string") return `\`${JSON.stringify(value)}\``;
  if (typeof value !== "number") return String(value);
  if (name === "mode") return `0o${value.toString(8)}`;
  if (name.endsWith("Bytes")) {
    const units = ["GiB", "MiB", "KiB"];
    const size = units.findIndex((_, index) => value % 1024 ** (3 - index) === 0);
    return size === -1 ? String(value) : `${value / 1024 ** (3 - size)} ${units[size]}`;
  }
  if (!/^timeout$|Timeout$|^coolDown$|^grace$/.test(name)) return String(value);
  if (value % 60_000 === 0 && value > 120_000) return `${value / 60_000} min`;
  return value % 1000 === 0 ? `${value / 1000} s` : `${value} ms`;
}
