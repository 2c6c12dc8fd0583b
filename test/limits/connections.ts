// Many connections at once: opened in one burst, idle, and with a request each; and a client with many requests that wait for few
// connections. What each costs, and what a neighbour gets meanwhile.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type FastCgiRecord, RecordDecoder, RecordType } from "../../src/toolkit.ts";
import type { RuntimeName } from "../adapters/battery/programs/adapter.ts";
import { waitUntil } from "../support/process.ts";
import { bytesOf, request } from "../support/records.ts";
import { PeakMemory } from "../support/resident_memory.ts";
import { runProgram, TargetServer } from "./processes.ts";
import type { CrowdOutcome, CrowdTask } from "./programs/crowd.ts";

/** What many connections cost a server, or many waiting requests a client. Memory is in KiB for each. */
export interface CrowdResult {
  readonly count: number;
  /** Milliseconds until all connections of the burst were accepted. */
  readonly connected: number;
  readonly idle: number;
  readonly active: number;
  /** KiB for each request that waits in a client. */
  readonly waiting: number;
  /** The neighbour's answers while all connections are open, and the slowest in milliseconds. */
  readonly answers: number;
  readonly slowest: number;
  /** The same beside the waiting requests of a client. */
  readonly clientAnswers: number;
  readonly clientSlowest: number;
  /** Requests that got no answer, or a wrong one. */
  readonly lost: number;
  /** Descriptors of the server that stay open. */
  readonly descriptors: number;
}

/** Answers of the neighbour in each phase. */
const ANSWERS = 20;
/** Requests that run at once when a client has many more. */
const CONNECTIONS = 8;

/** Connections that are opened at the same time. Bun's backlog is 512, whatever `backlog` says; what does not fit waits for many seconds. */
const BURST: Readonly<Record<RuntimeName, number>> = {
  node: Number.POSITIVE_INFINITY,
  bun: 400,
  deno: Number.POSITIVE_INFINITY,
};

/** A connection with at most one request. */
class Guest {
  readonly socket: Socket;
  readonly answered: Promise<boolean>;
  #text = "";

  constructor(port: number) {
    this.socket = connect({ port, host: "127.0.0.1" });
    this.answered = new Promise((resolve) => {
      const decoder = new RecordDecoder();
      const take = ({ type, contentData }: FastCgiRecord): void => {
        if (type === RecordType.Stdout) this.#text += new TextDecoder().decode(contentData);
        if (type === RecordType.EndRequest) resolve(this.#text.endsWith("\r\n\r\nwaited"));
      };
      this.socket.on("data", (chunk: Buffer) => decoder.transform(new Uint8Array(chunk), { enqueue: take }));
      this.socket.on("error", () => {}).on("close", () => resolve(false));
    });
  }
}

/** Holds `count` connections to a server on this runtime, and lets its client send as many requests at once. */
export async function holdConnections(runtime: RuntimeName, count: number): Promise<CrowdResult> {
  const server = await TargetServer.start(runtime, {
    maxConnections: count + 100,
    maxConcurrentRequests: count,
    backlog: 4096,
  });
  try {
    const before = await server.held();
    const neighbour = await server.neighbour();
    const open = server.descriptors;
    const memory = new PeakMemory(server.pid);
    const start = performance.now();
    const guests: Guest[] = [];
    while (guests.length < count) {
      const length = Math.min(BURST[runtime], count - guests.length);
      const group = Array.from({ length }, () => new Guest(server.port));
      guests.push(...group);
      await Promise.all(group.map(({ socket }) => once(socket, "connect")));
      await waitUntil(() => server.descriptors >= guests.length);
    }
    const connected = performance.now() - start;
    await neighbour.more(ANSWERS);
    const idle = memory.growth;

    const active = bytesOf(...request(1, { uri: "/wait" }));
    for (const { socket } of guests) socket.write(active);
    await waitUntil(async () => Number(await server.ask("/waiting")) === count);
    await neighbour.more(ANSWERS);
    const [held, answers, slowest] = [memory.growth, neighbour.answers, neighbour.slowest];
    // While all are held, new connections are served too.
    const crowd = await sendCrowd(runtime, server.port, count);
    await server.ask("/go");
    const answered = await Promise.all(guests.map((guest) => guest.answered));
    for (const { socket } of guests) socket.destroy();
    await neighbour.leave();
    // The neighbour has left too. What the server said before is more: it has the connection of the question and the folder being listed.
    await waitUntil(() => server.descriptors < open);
    const after = await server.held();
    const kibibytes = (mebibytes: number): number => Math.round((mebibytes * 1024 * 10) / count) / 10;
    return {
      count,
      connected: Math.round(connected),
      idle: kibibytes(idle),
      active: kibibytes(held),
      waiting: kibibytes(crowd.memory),
      answers,
      slowest: Math.round(slowest),
      clientAnswers: crowd.answers,
      clientSlowest: Math.round(crowd.slowest),
      lost: answered.filter((isRight) => !isRight).length + crowd.lost,
      descriptors: after.descriptors - before.descriptors,
    };
  } finally {
    await server.stop();
  }
}

function sendCrowd(runtime: RuntimeName, port: number, count: number): Promise<CrowdOutcome> {
  const task: CrowdTask = { port, count, connections: CONNECTIONS };
  return runProgram(runtime, "crowd.ts", task);
}
