// Calls an application that floods, and beside that a good one, until the first call has ended. Arguments: the runtime, and what to do as
// JSON. Prints how it went, a line of JSON.

import { readdirSync } from "node:fs";
import type { FastCgiError, FastCgiHttpClient } from "../../../src/index.ts";
import { type Adapter, adapterOf, type RuntimeName } from "../../adapters/battery/programs/adapter.ts";
import { heldBytes } from "../../support/memory.ts";
import { PeakMemory } from "../../support/resident_memory.ts";
import type { ClientFlood } from "../floods.ts";

/** What this program is told. */
export interface ClientTask {
  /** The ports of both applications. */
  readonly hostile: number;
  readonly good: number;
  readonly options: object;
  readonly method: string;
  readonly program: NonNullable<ClientFlood["program"]>;
  readonly upload?: ClientFlood["upload"];
  /** Bytes of a long upload. */
  readonly most: number;
}

/** How calls beside the flood went: the answers, and the slowest in milliseconds. */
export interface Beside {
  answers: number;
  slowest: number;
}

/** What came of it. */
export interface ClientOutcome {
  readonly outcome: string;
  readonly neighbour: Beside;
  /** Calls on the same connection, where it is shared. */
  readonly companion: Beside;
  /** MiB by which the process grew at most. */
  readonly memory: number;
  /** Bytes that are still reachable behind the flood, and were not before. */
  readonly held: number;
  readonly descriptors: number;
}

/** Answers of the neighbour in which the program does nothing with its response. */
const WAIT = 50;
/** Calls at once where there are many: more than wait by default. */
const MANY = 3_000;

const [name, json] = process.argv.slice(2);
const task = JSON.parse(json!) as ClientTask;
const { FastCgiHttpClient: Client, FastCgiTcpConnector }: Adapter = await adapterOf(name as RuntimeName);
const to = (port: number, options: object): FastCgiHttpClient =>
  new Client(new FastCgiTcpConnector({ port }), { onStderr() {}, ...options });
const client: FastCgiHttpClient = to(task.hostile, {
  ...task.options,
  onLocalRedirect: (request: Request) => client.fetch(request),
});
const good = to(task.good, { keepAlive: true });
const isShared = "multiplexing" in task.options;

let isOver = false;
const neighbour: Beside = { answers: 0, slowest: 0 };
const companion: Beside = { answers: 0, slowest: 0 };

/** Asks again and again, until the call has ended. */
async function goOn(through: FastCgiHttpClient, path: string, beside: Beside): Promise<void> {
  do {
    const start = performance.now();
    const text = await (await through.fetch(`http://a.test${path}`)).text();
    if (text !== `answered ${path}`) throw new Error(`Expected the answer to ${path}, got ${text}`);
    beside.answers++;
    beside.slowest = Math.max(beside.slowest, performance.now() - start);
    await new Promise((resolve) => setTimeout(resolve, 1));
  } while (!isOver);
}

async function waitForNeighbour(): Promise<void> {
  for (const enough = neighbour.answers + WAIT; neighbour.answers < enough; ) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** A body that gives a piece when it is asked for one. */
function uploaded(kind: ClientFlood["upload"]): ReadableStream<Uint8Array> | undefined {
  if (kind === undefined) return undefined;
  const piece = new Uint8Array(64 * 1024);
  let left = kind === "long" ? task.most : Number.POSITIVE_INFINITY;
  return new ReadableStream({
    async pull(controller) {
      if (kind === "silent") return new Promise(() => {});
      // Lets the neighbour go on: a body that always has a piece at hand leaves no turn to anything else.
      await new Promise((resolve) => setTimeout(resolve, 0));
      if (left === 0) return controller.close();
      const next = piece.slice(0, left);
      left -= next.length;
      controller.enqueue(next);
    },
  });
}

/** Calls many times at once, and gives up when all that may wait do. Returns how the calls ended. */
async function callMany(): Promise<string> {
  const abort = new AbortController();
  const ends = Array.from({ length: MANY }, () =>
    client.fetch("http://a.test/flood", { signal: abort.signal }).then(
      ({ status }) => `${status}`,
      (error) => (abort.signal.aborted ? "aborted" : String((error as FastCgiError).limit)),
    ),
  );
  await waitForNeighbour();
  abort.abort();
  return [...new Set(await Promise.all(ends))].toSorted().join(", ");
}

async function call(): Promise<string> {
  const abort = new AbortController();
  try {
    const { method, program } = task;
    if (program === "calls many") return await callMany();
    const body = uploaded(task.upload);
    const init = { method, signal: abort.signal, ...(body && { body, duplex: "half" }) };
    const response = await client.fetch("http://a.test/flood", init);
    if (program !== "reads") await waitForNeighbour();
    if (program === "waits, then cancels") {
      await response.body!.cancel();
      return `${response.status}, cancelled`;
    }
    if (program === "aborts") {
      abort.abort();
      // The application goes on with its output, and other calls too.
      await waitForNeighbour();
    }
    let bytes = 0;
    for await (const chunk of response.body ?? []) bytes += chunk.length;
    return `${response.status}, ${bytes} bytes`;
  } catch (error) {
    if (abort.signal.aborted) return "aborted";
    const { limit, code } = error as FastCgiError;
    return limit ?? code ?? String(error);
  }
}

const descriptors = (): number => readdirSync("/proc/self/fd").length;

// All is loaded and connected then.
await (await good.fetch("http://a.test/before")).text();
if (isShared) await (await client.fetch("http://a.test/before")).text();
const [heldBefore, descriptorsBefore] = [heldBytes(), descriptors()];
const peak = new PeakMemory(process.pid);
const calling = call().finally(() => {
  isOver = true;
});
const [outcome] = await Promise.all([
  calling,
  goOn(good, "/neighbour", neighbour),
  isShared && goOn(client, "/companion", companion),
]);
const memory = peak.growth;
// The next call works.
const next = await (await client.fetch("http://a.test/next")).text();
await client.close();
const result: ClientOutcome = {
  outcome: next === "answered /next" ? outcome : `the next call got ${next}`,
  neighbour,
  companion,
  memory,
  held: heldBytes() - heldBefore,
  descriptors: descriptors() - descriptorsBefore,
};
await good.close();
console.log(JSON.stringify(result));
process.exit();
