// The memory that npm run limits has measured, in the table of specifications/limits.md.

/** Those that floods are sent to. */
export const RUNTIMES = ["node", "bun", "deno"];

/** The newest result of each flood on each runtime, and of the connections, of the lines of the ledger. */
function newestLimits(ledger) {
  const floods = {};
  const crowds = {};
  for (const text of ledger.split("\n").filter(Boolean)) {
    const line = JSON.parse(text);
    if (line.what !== "limits") continue;
    for (const [runtime, results] of Object.entries(line.floods)) {
      floods[runtime] ??= new Map();
      for (const result of results) floods[runtime].set(`${result.side} ${result.name}`, result);
    }
    Object.assign(crowds, line.crowds);
  }
  const lists = Object.entries(floods).map(([runtime, results]) => [runtime, [...results.values()]]);
  return { floods: Object.fromEntries(lists), crowds };
}

/** The document with the memory of the newest runs in the last cell of each row. */
export function withMemory(document, ledger) {
  const { floods } = newestLimits(ledger);
  const memoryOf = (side, option) => {
    const each = RUNTIMES.map((runtime) => {
      const results = (floods[runtime] ?? []).filter((result) => result.limit === option && result.side === side);
      return results.length === 0 ? null : Math.max(...results.map(({ memory }) => memory));
    });
    return each.every((memory) => memory === null) ? "-" : each.map((memory) => memory ?? "?").join(" / ");
  };
  return document.replace(
    /^\| (serve|call|several connectors) \| (.+?) \| (.*) \|[^|]+\|$/gm,
    (_, table, option, rest) => {
      const memory = memoryOf(table === "serve" ? "server" : "client", option.replaceAll("`", ""));
      return `| ${table} | ${option} | ${rest} | ${memory} |`;
    },
  );
}

/** The part of proof.md about floods and many connections. */
export function limitsSection(ledger) {
  const { floods, crowds } = newestLimits(ledger);
  const results = RUNTIMES.flatMap((runtime) => (floods[runtime] ?? []).map((result) => ({ runtime, ...result })));
  const companion = ({ companion }) => (companion === null ? "-" : `${companion.answers}, ${companion.slowest}`);
  const aboutFloods = [
    "## Floods",
    "",
    "The newest run of `npm run limits` on each runtime: how each flood ended, MiB that were sent, MiB by which the process grew at most, and MiB",
    "that it held behind the flood more than before; then the answers to a neighbour on another connection and to a request on the flood's own",
    "connection, each with the milliseconds of the slowest. Every limit with its option is in [limits.md](limits.md).",
    "",
    "How long a neighbour waits depends on how much a runtime reads of one connection before it looks at the others. Node and Deno read up to",
    "64 KiB at a time, which may be 4,096 requests to refuse; Bun reads up to 512 KiB. A connection that has taken 10 ms of a turn of the event",
    "loop is read again in the next turn. Before, Node and Deno read up to 9 times in a row while there was more, and Bun up to 22 times.",
    "",
    'What that changed for a neighbour of "requests that begin and never go on", run by run, with the slowest of its answers:',
    "",
    "| runtime | runs | answers before | slowest | answers since | slowest |",
    "|---|--:|---|--:|---|--:|",
    "| node | 4 | 4, 21, 21, 40 | 2.5 s | 74 to 79 | 0.3 s |",
    "| bun | 3 | 2, 3, 3 | 4.5 s | 8, 8, 9 | 1.1 s |",
    "| deno | 10 | 3, 7, 26, and 39 to 41 | 2.0 s | 20 to 35 | 0.4 s |",
    "",
    "On Deno, where most runs were good before, a neighbour gets somewhat fewer answers now, and none of them late. Bun ran on a busy machine, the others alone.",
    "",
    "A request on the flood's own connection is answered behind what was sent before it. 200 downloads that the peers do not read fill the",
    "buffers of the system with nearly 800 MiB; a neighbour waits until they are full, and not later.",
    "",
    "| runtime | towards | flood | limit | end | sent | memory | held | neighbour | same connection |",
    "|---|---|---|---|---|--:|--:|--:|--:|--:|",
    ...results.map(
      (each) =>
        `| ${each.runtime} | ${each.side} | ${each.name} | ${each.limit} | ${each.ended} | ${each.sent} | ${each.memory} | ${each.held} | ${each.answers}, ${each.slowest} | ${companion(each)} |`,
    ),
    "",
  ];
  const aboutConnections = [
    "## Many connections",
    "",
    "Connections that were opened in one burst (on Bun, whose backlog is 512, in bursts of 400) and held at once; milliseconds until the last was",
    "accepted; KiB of the server for each that is idle, and for each with a request that runs; KiB of a client for each of as many requests that",
    "wait for a few connections; the slowest answer to a neighbour of the server and of the client meanwhile, in milliseconds; and requests that",
    "were lost. Times depend on what else the machine did.",
    "",
    "| runtime | connections | accepted | idle | active | waiting | neighbour, server | neighbour, client | lost |",
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ...RUNTIMES.filter((runtime) => crowds[runtime] !== undefined).map((runtime) => {
      const { count, connected, idle, active, waiting, slowest, clientSlowest, lost } = crowds[runtime];
      return `| ${runtime} | ${count.toLocaleString("en-US")} | ${connected} | ${idle} | ${active} | ${waiting} | ${slowest} | ${clientSlowest} | ${lost} |`;
    }),
    "",
  ];
  return [...(results.length === 0 ? [] : aboutFloods), ...(Object.keys(crowds).length === 0 ? [] : aboutConnections)];
}
