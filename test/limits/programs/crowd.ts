// A client with many requests at once for few connections, and another beside it. Arguments: the runtime, and what to do as JSON. Prints
// how it went, a line of JSON.

import { adapterOf, type RuntimeName } from "../../adapters/battery/programs/adapter.ts";
import { PeakMemory } from "../../support/resident_memory.ts";

/** What this program is told. */
export interface CrowdTask {
  readonly port: number;
  /** Requests at once. */
  readonly count: number;
  readonly connections: number;
}

/** What came of it. */
export interface CrowdOutcome {
  readonly lost: number;
  /** MiB by which the process grew at most. */
  readonly memory: number;
  readonly answers: number;
  readonly slowest: number;
}

const [name, json] = process.argv.slice(2);
const { port, count, connections } = JSON.parse(json!) as CrowdTask;
const { FastCgiHttpClient, FastCgiTcpConnector } = await adapterOf(name as RuntimeName);
const connector = new FastCgiTcpConnector({ port });
const client = new FastCgiHttpClient(connector, { maxConnections: connections, maxQueuedRequests: count });
const neighbour = new FastCgiHttpClient(connector);

await (await client.fetch("http://a.test/before")).text();
const peak = new PeakMemory(process.pid);
let left = count;
let lost = 0;
const requests = Array.from({ length: count }, async (_, index) => {
  try {
    const text = await (await client.fetch(`http://a.test/${index}`)).text();
    if (text !== `answered /${index}`) lost++;
  } catch {
    lost++;
  }
  left--;
});
let answers = 0;
let slowest = 0;
do {
  const start = performance.now();
  const text = await (await neighbour.fetch("http://a.test/neighbour")).text();
  if (text !== "answered /neighbour") throw new Error(`Expected its own answer, got ${text}`);
  slowest = Math.max(slowest, performance.now() - start);
  answers++;
} while (left > 0);
await Promise.all(requests);
const memory = peak.growth;
await Promise.all([client.close(), neighbour.close()]);
const outcome: CrowdOutcome = { lost, memory, answers, slowest };
console.log(JSON.stringify(outcome));
process.exit();
