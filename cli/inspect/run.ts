import { createReadStream } from "node:fs";
import { type CommandContext, type CommandInput, UsageError } from "../frame/command.ts";
import { safeLine } from "../frame/style.ts";
import { viewOf } from "../tap/view.ts";
import { TraceDecoder } from "../wire/decoder.ts";
import type { WireOptions } from "../wire/exchange.ts";
import type { Report } from "../wire/report.ts";
import { BrokenFileError, type Part, partsOf } from "./formats.ts";
import type { inspectOptions } from "./options.ts";

/** The exit code when the file breaks in the middle. */
const EXIT_BROKEN = 1;

export async function run(
  { options, operands: [file = ""] }: CommandInput<typeof inspectOptions>,
  context: CommandContext,
): Promise<number> {
  const { stdout, printError } = context;
  const { lines, wire } = viewOf(options, stdout);
  // As in JSON, where a quote or a backslash has one before it.
  const wanted = options.find === undefined ? undefined : JSON.stringify(options.find).slice(1, -1).toLowerCase();
  let isBroken = false;
  /** The lines of a report. One from a file may lack anything. */
  const textOf = (report: Report): string => {
    try {
      return lines(report).join("\n");
    } catch (error) {
      throw new BrokenFileError(`one of its events is none of \`fetchcgi tap\`: ${safeLine((error as Error).message)}`);
    }
  };
  const show = async (report: Report): Promise<void> => {
    if (report.event === "connection" && (report.oddity?.rule === "FCGI-3.3-2" || report.what === "lost"))
      isBroken = true;
    if (wanted !== undefined && !JSON.stringify(report).toLowerCase().includes(wanted)) return;
    const text = textOf(report);
    if (text !== "") await stdout.write(`${text}\n`);
  };
  try {
    for await (const part of partsOf(file, file === "-" ? context.stdin() : bytesOf(file))) {
      for await (const report of reportsOf(part, wire)) await show(report);
    }
  } catch (error) {
    if (!(error instanceof BrokenFileError)) throw error;
    printError(`fetchcgi: Cannot read ${file} to its end: ${error.message}`);
    return EXIT_BROKEN;
  }
  return isBroken ? EXIT_BROKEN : 0;
}

async function* reportsOf(part: Part, wire: WireOptions): AsyncGenerator<Report> {
  if (part.name !== null) yield { event: "part", name: part.name };
  if ("reports" in part) {
    yield* part.reports;
    return;
  }
  let reports: Report[] = [];
  const taken = function* (): Generator<Report> {
    yield* reports;
    reports = [];
  };
  const decoder = new TraceDecoder(wire, part.sides, (report) => void reports.push(report));
  let time = 0;
  let broken: unknown = null;
  try {
    for await (const event of part.events) {
      time = event.time;
      decoder.take(event);
      yield* taken();
    }
  } catch (error) {
    broken = error;
  }
  decoder.end(time);
  yield* taken();
  if (broken !== null) throw broken;
}

async function* bytesOf(file: string): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(file);
  } catch (error) {
    throw new UsageError(`Cannot read ${file}: ${(error as Error).message}`, { cause: error });
  }
}
