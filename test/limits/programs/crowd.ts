// A client with many requests at once for few connections, and another beside it. Arguments: the runtime, and what to do as JSON. Prints
// how it went, a line of JSON.

import { adapterOf, type RuntimeName } from "../../adapters/battery/programs/adapter.ts";
import { PeakMemory } from "../../support/resident_memory.ts";
import { type Beside, Neighbour } from "../neighbour.ts";

/** What this program is told. */
export interface CrowdTask {
  readonly port: number;
  /** Requests at once. */
  readonly count: number;
  readonly connections: number;
}

/** What came of it. */
export interface CrowdOutcome extends Beside {
  readonly lost: number;
  /** MiB by which the process grew at most. */
  readonly memory: number;
}

const [name, json] = process.argv.slice(2);
const { port, count, connections } = JSON.parse(json!) as CrowdTask;
const { FastCgiHttpClient, FastCgiTcpConnector } = await adapterOf(name as RuntimeName);
const connector = new FastCgiTcpConnector({ port });
const client = new FastCgiHttpClient(connector, { maxConnections: connections, maxQueuedRequests: count });
const other = new FastCgiHttpClient(connector);

const neighbour = await Neighbour.start(other, "/neighbour");
await (await client.fetch("http://a.test/before")).text();
const peak = new PeakMemory(process.pid);
let lost = 0;
const requests = Array.from({ length: count }, async (_, index) => {
  try {
    const text = await (await client.fetch(`http://a.test/${index}`)).text();
    if (text !== `answered /${index}`) lost++;
  } catch {
    lost++;
  }
});
await Promise.all(requests);
await neighbour.stop();
const memory = peak.growth;
await Promise.all([client.close(), other.close()]);
const { answers, slowest } = neighbour;
const outcome: CrowdOutcome = { lost, memory, answers, slowest };
console.log(JSON.stringify(outcome));
process.exit();
