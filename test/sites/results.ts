// What was found of each site, and the table made of it.

/** What was found of a site. */
export interface Result {
  readonly name: string;
  /** The version of Debian's package. */
  readonly version: string;
  readonly nginx: string;
  readonly php: string;
  /** What was done in the browser. */
  readonly tasks: string;
  /** What each answer has anew, and is not compared. */
  readonly anew: readonly string[];
  /** How many different requests of the browser were sent again. */
  readonly requests: number;
  /** How many of the answers are the same. */
  readonly same: number;
  /** How many answers differ for a reason. One can differ for several. */
  readonly explained: Readonly<Record<string, number>>;
  /** What else differs. */
  readonly unexplained: readonly string[];
  /** The errors in the browser's console, and the answers with a status of an error. */
  readonly errors: readonly string[];
}

const START = "<!-- sites: made by npm run sites -->\n";
const END = "<!-- end of sites -->\n";

/** The document with the table of these results between its marks. */
export function withSites(document: string, results: readonly Result[]): string {
  const [start, end] = [document.indexOf(START), document.indexOf(END)];
  if (start < 0 || end < start) throw new Error(`Cannot find the table of sites: no ${START.trim()}`);
  return document.slice(0, start + START.length) + sitesTable(results) + document.slice(end);
}

/** What was found of all sites. */
export function totalText(results: readonly Result[]): string {
  const sum = (count: (result: Result) => number): number => results.reduce((all, result) => all + count(result), 0);
  const [requests, same] = [sum((result) => result.requests), sum((result) => result.same)];
  const unexplained = sum((result) => new Set(result.unexplained.map((text) => text.split(", ")[0])).size);
  const others = requests - same;
  const reasons = unexplained === 0 ? "each for a reason" : `${unexplained} of them without a reason`;
  return `${requests} requests: ${same} answers are the same, ${others} differ${others === 0 ? "" : `, ${reasons}`}`;
}

/** A row for each site, and the reasons below, each once. */
export function sitesTable(results: readonly Result[]): string {
  const reasons = [...new Set(results.flatMap(({ explained }) => Object.keys(explained)))];
  const rows = results.map(({ name, version, nginx, php, tasks, requests, same, explained, unexplained, errors }) => {
    const marks = reasons.flatMap((reason, index) =>
      explained[reason] === undefined ? [] : [`${explained[reason]} [${index + 1}]`],
    );
    const others = [...marks, ...(unexplained.length > 0 ? [`**${unexplained.length} without a reason**`] : [])];
    const found = [errors.length, requests, same, others.join(", ") || "0"].join(" | ");
    return `| ${name} ${version} | nginx ${nginx}, PHP ${php} | ${tasks} | ${found} |`;
  });
  return `${[
    "| site | with | in the browser | errors in its console | requests | the same answer | other answers, and why |",
    "|---|---|---|---|---|---|---|",
    ...rows,
    "",
    `${totalText(results)}.`,
    "",
    ...reasons.map((reason, index) => `${index + 1}. ${reason}`),
    "",
    "Each answer has anew, and so it is not compared:",
    "",
    ...results.map(({ name, anew }) => `- ${name}: ${anew.join("; ")}`),
  ].join("\n")}\n`;
}
