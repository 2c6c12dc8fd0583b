// The table of the README, made of the results.

import { LISTENER_ROWS, type Result, ROWS, type Row } from "./framework.ts";

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
    const { title, version, runtime, nativeServer, served, exchanges, differences, faults, additions } = result;
    const same = exchanges - differences.length - faults.length;
    const marks = [...new Set(differences.map(({ reason }) => noteOf(reason)))].sort((a, b) => a - b);
    const others = differences.length === 0 ? "" : `, ${differences.length} as [${marks.join(", ")}] says`;
    const line = additions === undefined ? "" : `, all but for [${noteOf(additions)}]`;
    const wrong = faults.length === 0 ? "" : `, **${faults.length} not**`;
    const files = result.filesByWebServer ? ", files by nginx" : "";
    return `| ${title} ${version} | ${runtime.replace(/(\d+)\..*/, "$1")} | ${nativeServer} | \`${served}\`${files} | ${tried(result)} | ${same} of ${exchanges} the same${others}${line}${wrong} |`;
  });
  const listeners = results.flatMap(({ title, isListener }) => (isListener ? [title] : [])).join(", ");
  return `${[
    `What is tried: ${ROWS.join(", ")}.`,
    `What is tried of ${listeners} beside that, "the others": ${LISTENER_ROWS.join(", ")}; three uploads of 60 MiB at once, which the application`,
    "does not keep; clients that leave a stream, of which it learns; 10,000 requests on kept connections, each with an answer of its own.",
    "",
    "| framework | on | its own server | over FastCGI | tried | answers |",
    "|---|---|---|---|---|---|",
    ...rows,
    "",
    ...notes.map((note, index) => `${index + 1}. ${note}`),
  ].join("\n")}\n`;
}

function tried({ rows, isListener }: Result): string {
  const first = some(ROWS, rows);
  if (!isListener) return first;
  const second = some(LISTENER_ROWS, rows);
  return `${first}; of the others ${second}`;
}

function some(all: readonly Row[], tried: readonly Row[]): string {
  const missing = all.filter((row) => !tried.includes(row));
  const there = all.filter((row) => tried.includes(row));
  if (missing.length === 0) return "all";
  return missing.length < there.length ? `all but ${missing.join(", ")}` : there.join(", ");
}
