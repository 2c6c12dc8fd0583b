// The plain text version, for curl and its like.

import { type Exchange, printable, type SeenRecord } from "./tap.ts";
import { paramRows, type View } from "./view.ts";

export function pageText({ request, params, exchange }: View): string {
  const { origin } = new URL(request.url);
  return [
    "fetchcgi demo: this text went through FastCGI",
    "",
    "  you --HTTP--> front --FastCGI records over a Unix socket--> fetch handler",
    "",
    "THE REQUEST, AS THE HANDLER SEES IT",
    `  ${request.method} ${request.url}`,
    ...columns([...request.headers]),
    "",
    "THE CGI VARIABLES THAT CROSSED THE WIRE (context.params)",
    ...columns(paramRows(params)),
    "",
    ...(exchange === undefined ? [] : [recordsText(exchange)]),
    "TRY",
    `  curl ${origin}/records/${exchange?.id}    both directions of this exchange`,
    `  curl -T FILE ${origin}/upload    the digest of a file`,
    `  curl -N ${origin}/ticks    a stream without an end`,
    `  curl -i ${origin}/throw    a handler that throws`,
    "",
  ].join("\n");
}

const OUTCOMES: Readonly<Record<Exchange["state"], string>> = {
  running: "(the response is still to come)",
  complete: "",
  cut: "(the front closed the connection: the rest is not needed)",
};

export function recordsText({ id, first, omitted, last, state }: Exchange): string {
  const lines = [
    `THE RECORDS OF EXCHANGE ${id}   (> to the application, < to the front)`,
    ...first.map(recordLine),
    ...(omitted > 0 ? [`  ... ${omitted} more ...`] : []),
    ...last.map(recordLine),
    ...(OUTCOMES[state] === "" ? [] : [`  ${OUTCOMES[state]}`]),
  ];
  return `${lines.join("\n")}\n`;
}

/** Keeps a record on one line of a terminal. */
const PREVIEW_WIDTH = 60;

function recordLine({ from, type, requestId, contentLength, paddingLength, preview }: SeenRecord): string {
  const arrow = from === "front" ? ">" : "<";
  const length = `${contentLength}+${paddingLength}`;
  return `  ${arrow} ${type.padEnd(18)} id ${requestId}  ${length.padEnd(8)} ${preview.slice(0, PREVIEW_WIDTH)}`;
}

function columns(rows: [name: string, value: string][]): string[] {
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${printable(value)}`);
}
