// Reports as text for a terminal.

import type { Output } from "../frame/command.ts";
import { formatBytes } from "../frame/progress.ts";
import { safeLine, styled } from "../frame/style.ts";
import { type StreamReport, safeLines } from "./content.ts";
import type { ConnectionReport, ExchangeReport, Oddity, RecordEvent, Report, RunningRequest } from "./report.ts";

/** What is shown. */
export interface TextOptions {
  readonly records: boolean;
  readonly params: boolean;
  /** Whether the beginnings of bodies are shown. */
  readonly bodies: boolean;
}

/** Bytes in a line of hexadecimal digits. */
const HEX_WIDTH = 16;
const INDENT = "    ";

export class TextView {
  readonly #options: TextOptions;
  readonly #output: Output;
  /** Oddities that were explained: one that every request has is explained once. */
  readonly #explained = new Set<string>();

  constructor(options: TextOptions, output: Output) {
    this.#options = options;
    this.#output = output;
  }

  /** The lines of a report; empty if it is not shown. A report from a file may hold any text, also in place of numbers. */
  linesOf(report: Report): string[] {
    switch (report.event) {
      case "exchange":
        return this.#exchange(report);
      case "connection":
        return this.#connection(report);
      case "record":
        return this.#options.records ? [this.#record(report)] : [];
      case "part":
        return ["", styled(this.#output, "bold", safeLine(report.name))];
      case "skipped":
        return [
          this.#mark("yellow", `${safeLine(String(report.lines))} lines were not shown: what reads them is too slow`),
        ];
    }
  }

  /** A line for a request that has not come to its end. */
  running({ number, title, milliseconds }: RunningRequest): string {
    return this.#mark("yellow", `#${number} ${safeLine(title)} has no end after ${(milliseconds / 1000).toFixed(0)} s`);
  }

  #exchange(report: ExchangeReport): string[] {
    const { number, method, uri, status, times, stdin, body, data, stderr } = report;
    const place = [
      `connection ${report.connection}`,
      `id ${report.requestId}`,
      report.role !== null && report.role !== "RESPONDER" && report.role,
      report.keepConn === true && "kept",
      report.together > 1 && `${report.together} at once`,
    ].filter((part) => part !== false);
    const sizes = `${formatBytes(stdin.bytes + data.bytes)} → ${formatBytes(body.bytes)}`;
    const title = safeLine(`${method ?? "?"} ${uri ?? "?"}`);
    const lines = [
      `${safeLine(`#${number}`)} ${this.#status(status)} ${styled(this.#output, "bold", title)}  ${sizes}  ${timesText(times)}  (${safeLine(place.join(", "))})`,
    ];
    const add = (text: string): void => void lines.push(INDENT + text);
    if (report.outcome !== "complete") add(this.#mark("red", safeLine(`${report.outcome}: ${report.reason ?? ""}`)));
    if (report.appStatus !== null && report.appStatus !== 0) add(safeLine(`appStatus ${report.appStatus}`));
    for (const oddity of report.oddities) add(this.#oddity(oddity));
    if (stderr.bytes > 0) lines.push(...streamLines("STDERR", stderr));
    if (this.#options.params) {
      if (report.params === null) add("no variables");
      for (const [name, value] of report.params ?? []) add(safeLine(`${name}=${value}`));
      for (const line of report.header ?? []) add(safeLine(`← ${line}`));
    }
    if (this.#options.bodies) {
      for (const [name, stream] of [
        ["STDIN", stdin],
        ["DATA", data],
        ["body", body],
      ] as const)
        if (stream.bytes > 0) lines.push(...streamLines(name, stream));
    }
    return lines;
  }

  #connection({ connection, what, text, oddity }: ConnectionReport): string[] {
    const name = safeLine(`connection ${connection}`);
    if (oddity !== undefined) return [`${name}: ${this.#oddity(oddity)}`];
    if (what === "refused") return [`${name}: ${this.#mark("red", safeLine(text))}`];
    if (what === "lost") return [`${name}: ${this.#mark("yellow", safeLine(text))}`];
    if (!this.#options.records) return [];
    return [safeLine(`${name} ${what === "management" ? text : `${what}${text === "" ? "" : `: ${text}`}`}`)];
  }

  #record({
    exchange,
    connection,
    time,
    from,
    type,
    requestId,
    contentLength,
    paddingLength,
    about,
  }: RecordEvent): string {
    const arrow = from === "web server" ? "→" : "←";
    const owner = exchange === null ? `connection ${connection}` : `#${exchange}`;
    const size = `${contentLength}+${paddingLength}`;
    return safeLine(
      `${INDENT}${time.toFixed(3).padStart(10)} ms ${arrow} ${`${type} ${requestId}`.padEnd(16)} ${size.padEnd(9)} ${owner}  ${about}`,
    );
  }

  #oddity({ rule, title, reason, isAdvice }: Oddity): string {
    const word = this.#mark(isAdvice ? "yellow" : "red", isAdvice ? "odd (advice)" : "odd");
    const key = `${rule} ${title}`;
    if (this.#explained.has(key)) return `${word} ${safeLine(`${rule}: ${reason}`)}`;
    this.#explained.add(key);
    return `${word} ${safeLine(`${key}: ${reason}`)}`;
  }

  #status(status: number | null): string {
    if (status === null) return this.#mark("red", "---");
    return this.#mark(status < 400 ? "green" : status < 500 ? "yellow" : "red", safeLine(String(status)));
  }

  #mark(style: "red" | "yellow" | "green", text: string): string {
    return styled(this.#output, style, text);
  }
}

function timesText({ firstByte, end }: ExchangeReport["times"]): string {
  const parts = [
    firstByte !== null && `first byte ${milliseconds(firstByte)}`,
    end !== null && `end ${milliseconds(end)}`,
  ].filter((part) => part !== false);
  return parts.join(", ") || "not timed";
}

function milliseconds(value: number): string {
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`;
}

function streamLines(name: string, { bytes, text, hex }: StreamReport): string[] {
  const shown = text === undefined ? (hex ?? "").length / 2 : new TextEncoder().encode(text).length;
  const size = shown < bytes ? `${formatBytes(bytes)}, the beginning` : formatBytes(bytes);
  const lines = text !== undefined ? safeLines(text) : hexLines(hex ?? "").map(safeLine);
  return [`${INDENT}${name} (${size})`, ...lines.map((line) => `${INDENT}  ${line}`)];
}

/** As `hexdump -C` prints them. */
function hexLines(hex: string): string[] {
  const lines: string[] = [];
  for (let start = 0; start < hex.length; start += HEX_WIDTH * 2) {
    const digits = hex.slice(start, start + HEX_WIDTH * 2);
    const bytes = digits.match(/../g) ?? [];
    const text = bytes.map((byte) => printableByte(Number.parseInt(byte, 16))).join("");
    lines.push(`${(start / 2).toString(16).padStart(8, "0")}  ${bytes.join(" ").padEnd(HEX_WIDTH * 3 - 1)}  ${text}`);
  }
  return lines;
}

function printableByte(byte: number): string {
  return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".";
}
