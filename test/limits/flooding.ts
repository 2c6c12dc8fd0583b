// Floods a server or a client in a process of its own, and measures its memory and neighbours that go on meanwhile.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type FastCgiRecord, RecordDecoder, RecordType } from "../../src/toolkit.ts";
import type { RuntimeName } from "../adapters/battery/programs/adapter.ts";
import { freePort } from "../support/free_port.ts";
import { fullPort } from "../support/full_backlog.ts";
import { waitUntil } from "../support/process.ts";
import { bytesOf, record, request } from "../support/records.ts";
import { PeakMemory } from "../support/resident_memory.ts";
import { type BackendConnection, type BackendRequest, TcpBackend } from "../support/tcp_backend.ts";
import { type ClientFlood, MANY, response } from "./client_floods.ts";
import { type Beside, figuresOf, type Neighbour } from "./neighbour.ts";
import { runProgram, type TargetServer } from "./processes.ts";
import type { ClientOutcome, ClientTask } from "./programs/client.ts";
import { COMPANION_ID, type FloodEnd, type ServerFlood, SILENT_CONNECTIONS, type Silence } from "./server_floods.ts";

/** What a flood did. */
export interface FloodResult extends Beside {
  readonly side: "server" | "client";
  readonly name: string;
  readonly limit: string;
  /** How it ended; of a client, how its call did. */
  readonly ended: string;
  /** MiB that were sent. */
  readonly sent: number;
  /** MiB by which the process grew at most. */
  readonly memory: number;
  /** MiB that it holds more than before, when the flood is over. */
  readonly held: number;
  /** Descriptors that are open and were not before. */
  readonly descriptors: number;
  /** How often each limit was reported. */
  readonly reached: Readonly<Record<string, number>>;
  /** The same as of the neighbour, which has another connection, for a request on the connection of the flood; null where there is none. */
  readonly companion: Beside | null;
}

const MIB = 1024 * 1024;
const round = (number: number): number => Math.round(number * 10) / 10;

/** Answers of the neighbour in which nothing more is taken: the flood is held up, if that is expected. */
const HELD_UP = 30;
/** The same for a flood that should not be held up: only a hang reaches it. */
const HANGS = 20_000;

/** A request on the connection of a flood, whose body is sent back piece by piece. */
class Companion implements Beside {
  readonly #socket: Socket;
  #asked = "";
  #answered = "";
  #askedAt = 0;
  answers = 0;
  slowest = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    const decoder = new RecordDecoder();
    const take = (piece: FastCgiRecord): void => this.#take(piece);
    socket.on("data", (chunk: Buffer) => {
      try {
        decoder.transform(new Uint8Array(chunk), { enqueue: take });
      } catch (error) {
        // The server broke off a response: what comes at its end is no record.
        socket.destroy(error as Error);
      }
    });
    socket.write(
      bytesOf(...request(COMPANION_ID, { uri: "/echo", body: "x", extra: { CONTENT_LENGTH: "" } }).slice(0, -2)),
    );
    this.askAgain();
  }

  /** Whether the last piece came back. */
  get isAnswered(): boolean {
    return this.#asked === this.#answered;
  }

  /** Sends the next piece, once the one before came back. */
  askAgain(): void {
    if (!this.isAnswered) return;
    const piece = `${this.answers},`;
    this.#asked += piece;
    this.#askedAt = performance.now();
    this.#socket.write(bytesOf(record(RecordType.Stdin, COMPANION_ID, piece)));
  }

  #take({ type, requestId, contentData }: FastCgiRecord): void {
    if (requestId !== COMPANION_ID || type !== RecordType.Stdout) return;
    const text = new TextDecoder().decode(contentData);
    // The first piece comes behind the header.
    this.#answered += text.slice(text.lastIndexOf("\n") + 1);
    if (!this.#asked.startsWith(this.#answered)) throw new Error(`Expected ${this.#asked}, got ${this.#answered}`);
    if (this.#asked !== this.#answered) return;
    this.answers++;
    this.slowest = Math.max(this.slowest, performance.now() - this.#askedAt);
  }
}

/** Sends a flood until the connection is closed, nothing more is taken, or the server has read `most` bytes. */
async function pour(
  socket: Socket,
  { piece, ends }: ServerFlood,
  most: number,
  { neighbour, companion }: { readonly neighbour: Neighbour; readonly companion: Companion | null },
): Promise<{ ended: FloodEnd; bytes: number }> {
  let isClosed = false;
  socket.on("close", () => {
    isClosed = true;
  });
  const patience = ends === "held up" ? HELD_UP : HANGS;
  /** Whether it holds before the neighbour has had so many answers. */
  const comes = async (condition: () => boolean): Promise<boolean> => {
    for (const limit = neighbour.answers + patience; !condition() && !isClosed; ) {
      if (neighbour.answers >= limit) return false;
      await neighbour.pause();
    }
    return true;
  };
  let bytes = 0;
  for (let index = 0; bytes < most && !isClosed; index++) {
    const next = piece(index);
    bytes += next.length;
    companion?.askAgain();
    if (!socket.write(next) && !(await comes(() => !socket.writableNeedDrain))) return { bytes, ended: "held up" };
    await new Promise((resolve) => setImmediate(resolve));
  }
  // What the companion asks last is answered when all before it was read.
  if (companion !== null && (await comes(() => companion.isAnswered))) {
    companion.askAgain();
    if (!(await comes(() => companion.isAnswered))) return { bytes, ended: "held up" };
  }
  return { bytes, ended: isClosed ? "closed" : "taken" };
}

/** What is the same for all that is done to a server: measures around it. */
async function measured(
  server: TargetServer,
  attack: (
    neighbour: Neighbour,
    openDescriptors: number,
  ) => Promise<{ ended: string; bytes: number; companion?: Companion | null }>,
): Promise<Omit<FloodResult, "side" | "name" | "limit">> {
  const before = await server.held();
  const neighbour = await server.neighbour();
  const open = server.descriptors;
  const memory = new PeakMemory(server.pid);
  const {
    ended,
    bytes,
    companion = null,
  } = await attack(neighbour, open).catch(async (error) => {
    await neighbour.leave().catch(() => {});
    throw error;
  });
  const growth = memory.growth;
  await neighbour.leave();
  await waitUntil(() => server.descriptors < open, {
    message: () => `${server.descriptors - open + 1} descriptors stay open`,
  });
  // A new connection is served as well.
  const after = await server.held();
  return {
    ended,
    sent: round(bytes / MIB),
    memory: round(growth),
    held: round((after.held - before.held) / MIB),
    descriptors: after.descriptors - before.descriptors,
    reached: after.reached,
    ...figuresOf(neighbour),
    companion: companion && figuresOf(companion),
  };
}

async function opened(port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

/** Sends a flood to a server with its options. */
export async function floodServer(server: TargetServer, flood: ServerFlood, most: number): Promise<FloodResult> {
  const { name, limit, reads, first } = flood;
  const result = await measured(server, async (neighbour) => {
    const socket = await opened(server.port);
    const companion = reads ? new Companion(socket) : null;
    if (!reads) socket.pause();
    if (first !== undefined) socket.write(first());
    try {
      return { ...(await pour(socket, flood, most, { neighbour, companion })), companion };
    } finally {
      socket.destroy();
    }
  });
  return { side: "server", name, limit, ...result };
}

/** How often a server has reported a limit since it was last asked what it holds. */
async function reached(server: TargetServer, limit: string): Promise<number> {
  const counts = JSON.parse(await server.ask("/reached")) as Record<string, number>;
  return counts[limit] ?? 0;
}

/** Opens connections that wait, until the server has closed them all. */
export async function waitOnServer(server: TargetServer, { name, limit, first, reads }: Silence): Promise<FloodResult> {
  const result = await measured(server, async (neighbour, open) => {
    const sockets = await Promise.all(Array.from({ length: SILENT_CONNECTIONS }, () => opened(server.port)));
    const bytes = first();
    for (const socket of sockets) {
      if (reads) socket.resume();
      else socket.pause();
      if (bytes.length > 0) socket.write(bytes);
    }
    try {
      // A later connection is served, so these were accepted before their ends are counted.
      await waitUntil(() => server.ask("/hello").then(Boolean, () => false));
      if (!reads) {
        await waitUntil(async () => server.descriptors <= open || (await reached(server, limit)) === sockets.length);
        // A runtime that can't reset a connection keeps it until its peer has read what was written.
        for (const socket of sockets) socket.resume();
      }
      await waitUntil(() => server.descriptors <= open, {
        message: () => `${server.descriptors - open} connections stay open`,
      });
      await neighbour.more(1);
    } finally {
      for (const socket of sockets) socket.destroy();
    }
    return { ended: "closed", bytes: bytes.length * sockets.length };
  });
  return { side: "server", name, limit, ...result };
}

/** What an application sees of many calls. */
class SeenCalls {
  /** Those that run on each open connection. */
  readonly #running = new Map<BackendConnection, number>();
  #mostConnections = 0;
  #mostAtOnce = 0;
  /** Calls that may run at once. */
  readonly #atOnce: number;
  #waiting: (() => void)[] = [];
  #answered = 0;

  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  /** Resolves when as many run as may, so that each of them has come beside all others. */
  async take(connection: BackendConnection): Promise<void> {
    if (!this.#running.has(connection)) void connection.closed.then(() => this.#running.delete(connection));
    const running = (this.#running.get(connection) ?? 0) + 1;
    this.#running.set(connection, running);
    this.#mostConnections = Math.max(this.#mostConnections, this.#running.size);
    this.#mostAtOnce = Math.max(this.#mostAtOnce, running);
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
      if (this.#waiting.length >= Math.min(this.#atOnce, MANY - this.#answered)) this.#answerAll();
    });
    if (this.#running.has(connection)) this.#running.set(connection, this.#running.get(connection)! - 1);
  }

  #answerAll(): void {
    this.#answered += this.#waiting.length;
    for (const answer of this.#waiting) answer();
    this.#waiting = [];
  }

  toString(): string {
    return `${this.#running.size} open, ${this.#mostConnections} at most, ${this.#mostAtOnce} at once on each`;
  }
}

/** Sends a flood to a client that calls. `good` is the application of its neighbour. */
export async function floodClient(
  runtime: RuntimeName,
  good: { readonly port: number },
  flood: ClientFlood,
  most: number,
): Promise<FloodResult> {
  const { name, limit, program = "reads", options = {}, upload, first, piece, application, failover } = flood;
  const method = upload === undefined ? (flood.method ?? "GET") : "POST";
  let sent = 0;
  const seen = new SeenCalls(flood.atOnce ?? 1);
  let closed: Promise<unknown> | undefined;
  const pourTo = async ({ id, connection, stdin }: BackendRequest): Promise<void> => {
    closed = connection.closed;
    if (flood.stopsReading) connection.stopReading();
    if (upload !== undefined) {
      sent = (await stdin).length;
      await connection.send(response(id, sent === most ? "whole" : `${sent} of ${most} bytes`));
      return;
    }
    if (program === "answers many") await seen.take(connection);
    if (first !== undefined) await connection.send(first(id));
    if (piece === undefined) return;
    for (let index = 0; sent < (flood.most ?? most); index++) {
      const bytes = piece(id, index);
      if (!(await connection.send(bytes))) return;
      sent += bytes.length;
    }
  };
  const backend = await TcpBackend.start(async (received) => {
    if (received.uri === "/flood") return pourTo(received);
    await received.stdin;
    if (received.uri === "/closed") await closed;
    const text = received.uri === "/seen" ? `${seen}` : `answered ${received.uri}`;
    await received.connection.send(response(received.id, text));
  });
  const full = application === "takes no connection" ? await fullPort() : null;
  const hostile = application === "not there" ? await freePort() : (full ?? backend).port;
  const task: ClientTask = {
    hostile,
    good: good.port,
    isDead: application !== undefined,
    options,
    failover,
    method,
    program,
    upload,
    end: flood.outcome.source,
    most,
  };
  try {
    const done = await runProgram<ClientOutcome>(runtime, "client.ts", task);
    const { outcome, neighbour, companion, memory, held, descriptors } = done;
    return {
      side: "client",
      name,
      limit,
      ended: outcome,
      sent: round(sent / MIB),
      memory: round(memory),
      held: round(held / MIB),
      descriptors,
      reached: {},
      ...neighbour,
      companion,
    };
  } finally {
    await Promise.all([backend.close(), full?.close()]);
  }
}
