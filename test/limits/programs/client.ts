// Calls an application that floods, and beside that a good one, until the first call has ended. Arguments: the runtime, and what to do as
// JSON. Prints how it went, a line of JSON.

import { readdirSync } from "node:fs";
import type { FastCgiError, FastCgiHttpClient } from "../../../src/index.ts";
import { type Adapter, adapterOf, type RuntimeName } from "../../adapters/battery/programs/adapter.ts";
import { heldBytes } from "../../support/memory.ts";
import { waitUntil } from "../../support/process.ts";
import { PeakMemory } from "../../support/resident_memory.ts";
import { type ClientFlood, MANY } from "../client_floods.ts";
import { type Beside, figuresOf, Neighbour } from "../neighbour.ts";

/** What this program is told. */
export interface ClientTask {
  /** The ports of both applications. */
  readonly hostile: number;
  readonly good: number;
  /** Whether the first can't be connected to. */
  readonly isDead: boolean;
  readonly options: object;
  /** Options of `failover` from the first to the second. */
  readonly failover: object | undefined;
  readonly method: string;
  readonly program: NonNullable<ClientFlood["program"]>;
  readonly upload?: ClientFlood["upload"];
  /** A pattern of the outcome, for what the application sees a moment later. */
  readonly end: string;
  /** Bytes of a long upload. */
  readonly most: number;
}

/** What came of it. */
export interface ClientOutcome {
  readonly outcome: string;
  readonly neighbour: Beside;
  /** Calls on the same connection; null where it is not shared. */
  readonly companion: Beside | null;
  /** MiB by which the process grew at most. */
  readonly memory: number;
  /** Bytes that are still reachable behind the flood, and were not before. */
  readonly held: number;
  readonly descriptors: number;
}

/** Answers of the neighbour in which the program does nothing with its response. */
const WAIT = 50;

const [name, json] = process.argv.slice(2);
const task = JSON.parse(json!) as ClientTask;
const { FastCgiHttpClient: Client, FastCgiTcpConnector, failover }: Adapter = await adapterOf(name as RuntimeName);
const [hostile, other] = [task.hostile, task.good].map((port) => new FastCgiTcpConnector({ port }));
let failed = 0;
const onFailure = (_: unknown, connector: unknown): void => {
  // On a busy machine the good one may be connected to later than the limit, and a call then asks the dead one as its last.
  failed += connector === hostile ? 1 : -1;
};
const both = task.failover && failover([hostile!, other!], { ...task.failover, onFailure });
const client: FastCgiHttpClient = new Client(both ?? hostile!, {
  onStderr() {},
  ...task.options,
  onLocalRedirect: (request: Request) => client.fetch(request),
});
const good = new Client(other!, { onStderr() {}, keepAlive: true });
const isMany = task.program === "calls many" || task.program === "answers many";
const isShared = "multiplexing" in task.options && !isMany;

const neighbour = await Neighbour.start(good, "/neighbour");
const companion = isShared ? await Neighbour.start(client, "/companion") : null;
const waitForNeighbour = (): Promise<void> => neighbour.more(WAIT);

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

/** What the application answers to another client. */
async function asked(path: string): Promise<string> {
  return (await new Client(hostile!).fetch(`http://a.test${path}`)).text();
}

/** Calls many times at once, and waits for all, or gives up when all that may wait do. Returns how the calls ended. */
async function callMany(): Promise<string> {
  const abort = new AbortController();
  const ends = Array.from({ length: MANY }, () =>
    client.fetch("http://a.test/flood", { signal: abort.signal }).then(
      async (response) => {
        await response.text();
        return `${response.status}`;
      },
      (error: FastCgiError) => (abort.signal.aborted ? "aborted" : String(error.limit ?? error.code)),
    ),
  );
  await waitForNeighbour();
  if (task.program === "calls many") abort.abort();
  const outcome = [...new Set(await Promise.all(ends))].toSorted().join(", ");
  if (task.program === "calls many") return outcome;
  if (task.isDead) return both === undefined ? outcome : `${outcome}; ${failed} failed`;
  return `${outcome}; ${await whatWasSeen(outcome)}`;
}

/** What the application sees, as soon as it is what should be seen, or after many answers of the neighbour. */
async function whatWasSeen(outcome: string): Promise<string> {
  for (let patience = 200; ; patience--) {
    const seen = await asked("/seen");
    if (patience === 0 || new RegExp(task.end).test(`${outcome}; ${seen}`)) return seen;
    await waitForNeighbour();
  }
}

async function call(): Promise<string> {
  const abort = new AbortController();
  try {
    const { method, program } = task;
    if (isMany) return await callMany();
    const body = uploaded(task.upload);
    const init = { method, signal: abort.signal, ...(body && { body, duplex: "half" }) };
    const response = await client.fetch("http://a.test/flood", init);
    if (program !== "reads") await waitForNeighbour();
    // The client gives the response up, and closes its connection.
    if (program === "waits, then reads") await asked("/closed");
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

// Deno opens two sockets of its own half a second after its start, or with the first handler of a signal. So they are counted from the start.
process.once("SIGTERM", () => process.exit(1));
// All is loaded and connected now.
const [heldBefore, descriptorsBefore] = [heldBytes(), descriptors()];
const peak = new PeakMemory(process.pid);
const outcome = await call();
await Promise.all([neighbour.stop(), companion?.stop()]);
const memory = peak.growth;
// The next call works, where there is an application.
const canGoOn = !task.isDead || both !== undefined;
const next = canGoOn ? await (await client.fetch("http://a.test/next")).text() : "answered /next";
await client.close();
// A runtime may close a socket a moment later. Bun can't cancel an attempt to connect, which the system gives up after 127 s. What stays is in
// the result.
await waitUntil(() => descriptors() <= descriptorsBefore, { timeout: 150_000 }).catch(() => {});
const result: ClientOutcome = {
  outcome: next === "answered /next" ? outcome : `the next call got ${next}`,
  neighbour: figuresOf(neighbour),
  companion: companion && figuresOf(companion),
  memory,
  held: heldBytes() - heldBefore,
  descriptors: descriptors() - descriptorsBefore,
};
await good.close();
console.log(JSON.stringify(result));
process.exit();
