import { parseArgs } from "node:util";
import { findRuntime } from "../scripts/setup.mjs";

/** The options of the command line. */
export interface BenchOptions {
  /** `profile`: a CPU profile of our contender. `report`: RESULTS.md anew, from the runs that are kept. */
  readonly command: "run" | "profile" | "list" | "report";
  /** Cases whose id is one of these or begins with one of them; all without any. */
  readonly cases: readonly string[];
  readonly quick: boolean;
  readonly rounds: number;
  /** Seconds of a round, for each contender. */
  readonly seconds: number;
  /** The most seconds for which a contender runs before its first round; it stops when it gets no faster. */
  readonly warmUp: number;
  /** How often a case is tried at the most, while its control is off by more than a tenth. */
  readonly tries: number;
  /** The Node.js that runs our contender and all that are written in JavaScript. */
  readonly node: string;
  readonly bun: string | undefined;
  readonly deno: string | undefined;
  /** More versions of Node.js, by their major version. */
  readonly nodes: ReadonlyMap<number, string>;
  /** A folder with another build of this library, to compare with. */
  readonly base: string | undefined;
  /** A folder for the report, of a run that is not one of all cases as well. */
  readonly report: string | undefined;
}

export const usage = `npm run bench                       all cases; adds a page to bench/results and writes bench/RESULTS.md anew
npm run bench -- quick              the main cases, against those that their targets name, in short rounds; writes nothing
npm run bench -- hello client-hello cases by id or by the start of it
npm run bench -- list               the cases
npm run bench -- profile hello-node24  a CPU profile of our contender and where its time goes
npm run bench -- report             RESULTS.md anew from bench/results, after a page was added or removed
  --node PATH  --bun PATH  --deno PATH   runtimes to use; by default those of scripts/runtimes, and of Node.js the 24
  --base FOLDER      another build of this library, as a further contender
  --rounds N  --seconds S  --warm-up S   how often and how long
  --tries N          how often a case is tried while its control is off by more than a tenth; 3 by default
  --report FOLDER    write the report there
`;

/** @throws {TypeError} If an option is unknown or invalid. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      node: { type: "string" },
      bun: { type: "string" },
      deno: { type: "string" },
      base: { type: "string" },
      rounds: { type: "string" },
      seconds: { type: "string" },
      "warm-up": { type: "string" },
      tries: { type: "string" },
      report: { type: "string" },
    },
  });
  const quick = positionals.includes("quick");
  const command = (["profile", "list", "report"] as const).find((word) => positionals.includes(word)) ?? "run";
  return {
    command,
    cases: positionals.filter((word) => !["quick", "profile", "list", "report"].includes(word)),
    quick,
    rounds: number("--rounds", values.rounds, quick ? 3 : 5),
    seconds: number("--seconds", values.seconds, quick ? 0.3 : 1.2),
    warmUp: number("--warm-up", values["warm-up"], quick ? 4 : 8),
    tries: number("--tries", values.tries, 3),
    node: values.node ?? findRuntime("node24") ?? process.execPath,
    bun: values.bun ?? findRuntime("bun"),
    deno: values.deno ?? findRuntime("deno"),
    nodes: foundNodes(),
    base: values.base,
    report: values.report,
  };
}

/** The Node.js that runs this, and those that the tests use. */
function foundNodes(): Map<number, string> {
  const nodes = new Map([[Number(process.versions.node.split(".")[0]), process.execPath]]);
  for (const major of [22, 24, 26] as const) {
    const path = findRuntime(`node${major}`);
    if (path !== undefined) nodes.set(major, path);
  }
  return nodes;
}

function number(name: string, value: string | undefined, preset: number): number {
  if (value === undefined) return preset;
  const given = Number(value);
  if (!(given > 0)) throw new TypeError(`Cannot use ${name} ${value}: expected a number above 0`);
  return given;
}
