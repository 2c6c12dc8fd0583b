import type { CommandInput, Output } from "../frame/command.ts";
import { safeJson } from "../frame/style.ts";
import type { StreamReport } from "../wire/content.ts";
import type { WireOptions } from "../wire/exchange.ts";
import type { Report } from "../wire/report.ts";
import { TextView } from "../wire/text.ts";
import type { viewOptions } from "./options.ts";

/** Bytes of a body with `--verbose`. */
const VERBOSE_BODY = 1024;

/** How traffic is shown. */
export interface View {
  /** What is kept of it. */
  readonly wire: WireOptions;
  /** The lines of a report. */
  readonly lines: (report: Report) => readonly string[];
  /** The text; null with `--json`. */
  readonly text: TextView | null;
}

/** @param kept Bytes of a body that are kept for another view, where this one shows none. */
export function viewOf(
  {
    verbose,
    records: isRecords,
    params: isParams,
    body: given,
    secrets,
    json,
  }: CommandInput<typeof viewOptions>["options"],
  output: Output,
  kept = 0,
): View {
  const records = isRecords || verbose;
  const body = given === 0 && verbose ? VERBOSE_BODY : given;
  const wire = { body: body === 0 ? kept : body, secrets };
  if (json) {
    const shown = body === 0 && kept > 0 ? withoutBodies : (report: Report): Report => report;
    const lines = (report: Report): string[] =>
      report.event === "record" && !records ? [] : [safeJson(shown(report))];
    return { wire, lines, text: null };
  }
  const text = new TextView({ records, params: isParams || verbose, bodies: body > 0 }, output);
  return { wire, lines: (report) => text.linesOf(report), text };
}

/** A report without the beginnings of bodies, which are kept for another view. */
function withoutBodies(report: Report): Report {
  if (report.event !== "exchange") return report;
  const { stdin, data, body } = report;
  const sizes = ({ bytes, records, isEnded }: StreamReport): StreamReport => ({ bytes, records, isEnded });
  return { ...report, stdin: sizes(stdin), data: sizes(data), body: sizes(body) };
}
