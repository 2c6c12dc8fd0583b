// The table of the README, made of the results.

import { type Result, ROWS, type Row } from "./framework.ts";

const START = "<!-- frameworks: made by npm run frameworks -->\n";
const END = "<!-- end of frameworks -->\n";

/** The README with the table of these results between its marks. */
export function withFrameworks(readme: string, results: readonly Result[]): string {
  const [start, end] = [readme.indexOf(START), readme.indexOf(END)];
  if (start < 0 || end < start) throw new Error(`Cannot find the table of frameworks: no ${START.trim()}`);
  return readme.slice(0, start + START.length) + frameworksTable(results) + readme.slice(end);
}

/** A row for each framework, and the differences below, each once. */
export function frameworksTable(results: readonly Result[]): string {
  const notes: string[] = [];
  const noteOf = (reason: string): number => {
    const known = notes.indexOf(reason);
    return known < 0 ? notes.push(reason) : known + 1;
  };
  const rows = results.map((result) => {
    const { title, version, runtime, nativeServer, served, rows, exchanges, differences, faults, additions } = result;
    const same = exchanges - differences.length - faults.length;
    const marks = [...new Set(differences.map(({ reason }) => noteOf(reason)))].sort((a, b) => a - b);
    const others = differences.length === 0 ? "" : `, ${differences.length} as [${marks.join(", ")}] says`;
    const line = additions === undefined ? "" : `, all but for [${noteOf(additions)}]`;
    const wrong = faults.length === 0 ? "" : `, **${faults.length} not**`;
    const files = result.filesByWebServer ? ", files by nginx" : "";
    return `| ${title} ${version} | ${runtime.replace(/(\d+)\..*/, "$1")} | ${nativeServer} | \`${served}\`${files} | ${tried(rows)} | ${same} of ${exchanges} the same${others}${line}${wrong} |`;
  });
  return `${[
    `What is tried: ${ROWS.join(", ")}.`,
    "",
    "| framework | on | its own server | over FastCGI | tried | answers |",
    "|---|---|---|---|---|---|",
    ...rows,
    "",
    ...notes.map((note, index) => `${index + 1}. ${note}`),
  ].join("\n")}\n`;
}

function tried(rows: readonly Row[]): string {
  const missing = ROWS.filter((row) => !rows.includes(row));
  if (missing.length === 0) return "all";
  return missing.length < rows.length ? `all but ${missing.join(", ")}` : rows.join(", ");
}
