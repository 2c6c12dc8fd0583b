// The table of npm run proof: sums of the lines of the ledger.
import { limitsSection } from "./limits_table.mjs";

/** What each target of the fuzzers counts as. */
const TARGETS = {
  stages: "inputs of the stages: records, pairs, requests, responses and header blocks, cut anywhere",
  server: "conversations with a server",
  service: "conversations with a server and its fetch handler",
  client: "scenarios of a client and its applications",
  "http-client": "scenarios of a fetch client and its applications",
  "server-faults": "recorded exchanges of web servers with a fault at a byte",
  "client-faults": "recorded exchanges of applications with a fault at a byte",
};

const number = (value) => value.toLocaleString("en-US");

/** Adds up counts by what they count, and by the runtime. */
class Sums {
  #sums = new Map();

  add(what, runtime, count) {
    const byRuntime = this.#sums.get(what) ?? new Map();
    byRuntime.set(runtime, (byRuntime.get(runtime) ?? 0) + count);
    this.#sums.set(what, byRuntime);
  }

  rows() {
    return [...this.#sums].map(([what, byRuntime]) => {
      const all = [...byRuntime.values()].reduce((sum, count) => sum + count, 0);
      const each = [...byRuntime].map(([runtime, count]) => `${runtime}: ${number(count)}`).join(", ");
      return `| ${number(all)} | ${what} | ${each} |`;
    });
  }
}

/** The whole document. `ledger` is the text of the ledger. */
export function proofTable(ledger) {
  const lines = ledger
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
  const sums = new Sums();
  const soaks = [];
  const reloads = [];
  const found = [];
  /** The newest result of each file. */
  const changes = new Map();
  /** The newest count of branches. */
  let coverage = null;
  for (const line of lines) {
    const runtime = line.runtime?.split(" ")[0];
    if (line.failures > 0) {
      const seeds = line.seeds === undefined ? "" : `, seeds ${line.seeds.join(" to ")}`;
      // The processes that floods were sent to run on these, whatever runs the flood.
      const on = Object.keys(line.floods ?? {}).join(", ") || line.runtime;
      found.push(`- ${line.what} on ${on}${seeds}: ${line.note ?? "not explained yet"}`);
    }
    if (line.what === "fuzz") {
      for (const [target, count] of Object.entries(line.inputs)) sums.add(TARGETS[target] ?? target, runtime, count);
    } else if (line.what === "races") {
      for (const { orders, sampled } of Object.values(line.worlds)) {
        sums.add("orders of what happens to writer, server and client", runtime, orders + sampled);
      }
    } else if (line.what === "processes") {
      for (const [on, rounds] of Object.entries(line.counts)) {
        for (const [kind, count] of Object.entries(rounds)) sums.add(`rounds of processes: ${kind}`, on, count);
      }
    } else if (line.what === "limits") {
      for (const [on, results] of Object.entries(line.floods)) sums.add("floods until a limit", on, results.length);
      for (const [on, { count }] of Object.entries(line.crowds)) {
        sums.add("connections held open at once, idle and then each with a request", on, count);
      }
    } else if (line.what === "reload") {
      for (const [on, counts] of Object.entries(line.counts)) {
        sums.add(
          "requests to `fetchcgi serve` behind nginx while processes were killed and replaced",
          on,
          counts.requests,
        );
        reloads.push({ on, ...line, ...counts });
      }
    } else if (line.what === "soak") {
      sums.add("requests over real sockets, with faults, in soak runs", runtime, line.requests);
      soaks.push(line);
    } else if (line.what === "mutation") {
      for (const [file, counts] of Object.entries(line.files)) changes.set(file, { ...counts, ...line });
    } else if (line.what === "coverage") {
      coverage = line;
    }
  }
  const holding = ({ heap, rss, descriptors, timers }) =>
    `${heap} MB, ${rss} MB, ${descriptors ?? "?"}, ${timers ?? "?"}`;
  return `${[
    "# What was tried to break it",
    "",
    "Made by `npm run proof` of `ledger.jsonl`, to which `npm run fuzz`, `races`, `processes`, `reload`, `soak` and `limits` add what they tried with `--ledger`.",
    "So short runs add up. Lines of the fuzzers and of `races` have their seeds, so that they can be run again.",
    "",
    "| tried | what | on |",
    "|--:|---|---|",
    ...sums.rows(),
    "",
    found.length === 0
      ? "In these runs no rule was broken, and nothing was lost."
      : "What the runs found, and what became of it:",
    ...(found.length === 0 ? [] : ["", ...found]),
    "",
    "## What a process holds",
    "",
    "Heap, all memory, open descriptors and timers, when traffic rests: after a tenth of the time, in the middle and at the end.",
    "",
    "| runtime | minutes | requests | start | middle | end |",
    "|---|--:|--:|---|---|---|",
    ...soaks.map(
      ({ runtime, minutes, requests, start, middle, end }) =>
        `| ${runtime} | ${minutes} | ${number(requests)} | ${holding(start)} | ${holding(middle)} | ${holding(end)} |`,
    ),
    ...(reloads.length === 0 ? [] : reloadsTable(reloads)),
    ...(changes.size === 0 ? [] : changesTable(changes)),
    ...(coverage === null ? [] : coverageLines(coverage)),
    "",
    ...limitsSection(ledger),
  ].join("\n")}`;
}

/** @param reloads The runs of `npm run reload`. */
function reloadsTable(reloads) {
  const row = ({ on, rounds, requests, perSecond, kills, lostByKill, reloads, lostOtherwise, commit, date }) =>
    `| ${on} | ${rounds} | ${number(requests)} | ${number(perSecond)} | ${kills} | ${lostByKill} | ${reloads} | ${lostOtherwise} | ${commit}, ${date} |`;
  return [
    "",
    "## Workers killed and replaced under load",
    "",
    "`npm run reload` runs `fetchcgi serve` with a Hono application behind nginx. On Node it has two workers: in each round one is ended by",
    "SIGKILL, and SIGHUP replaces both. On Bun and Deno, which have no workers, the next process takes the socket over. nginx repeats nothing.",
    "A run counts only if all requests that were due were sent.",
    "",
    "| runtime | rounds | requests | per second | killed | lost with them | reloads | lost otherwise | at |",
    "|---|--:|--:|--:|--:|--:|--:|--:|---|",
    ...reloads.map(row),
  ];
}

/** @param changes The newest result of `npm run mutation` for each file. */
function changesTable(changes) {
  const row = ([file, { noticed, unnoticed, explained, commit, date }]) =>
    `| ${file} | ${number(noticed)} | ${number(unnoticed)} | ${number(explained)} | ${Math.floor((noticed / (noticed + unnoticed || 1)) * 100)} % | ${commit}, ${date} |`;
  return [
    "",
    "## Tests that can fail",
    "",
    "`npm run mutation` changes the code in every way that Stryker knows, one change at a time. A change that no test notices is named;",
    "at most a tenth of a file's may be. Explained are those that change nothing that a program or a peer could see: a comment says why.",
    "",
    "Until commit 8f74552, a run in which a change hung took every later change for noticed. Shares of runs before it may be too high.",
    "",
    "| file | noticed | not noticed | explained | share | at |",
    "|---|--:|--:|--:|--:|---|",
    ...[...changes].sort(([a], [b]) => (a < b ? -1 : 1)).map(row),
  ];
}

/** @param coverage The newest result of `npm run coverage`. */
function coverageLines({ branches, taken, explained, commit, date }) {
  return [
    "",
    `The unit tests take ${number(taken)} of the ${number(branches)} branches of \`src/\` that can be taken (\`npm run coverage\`, which fails if one is`,
    `left out; at ${commit}, ${date}). Another ${number(explained)} can't be taken in a unit test: a comment says why.`,
  ];
}
