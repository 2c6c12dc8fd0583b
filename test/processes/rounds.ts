// Processes that start, close, take over and die on one path or port at the same moment, round after round. After each round one server
// answers, or none where none should; none leaves a file.

import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Connector,
  FastCgiError,
  FastCgiHttpClient,
  FastCgiTcpConnector,
  FastCgiUnixConnector,
} from "../../adapters/node/index.ts";
import type { RuntimeName } from "../adapters/battery/programs/adapter.ts";
import type { RacerOperation, RacerOutcome } from "../adapters/battery/programs/racer.ts";
import { bundle } from "../support/bundle.ts";
import { freePort } from "../support/free_port.ts";
import { waitUntil } from "../support/process.ts";
import { type RuntimeRacer, startRuntimeRacer } from "../support/runtimes.ts";
import { makeStaleSocket } from "../support/stale_socket.ts";

/** Milliseconds for operations to reach all processes. A later one makes a round a weaker try, and no other result. */
const LEAD = 4;
/** Requests that run at every moment of a round under load. */
const LOAD = 4;
/** The limit for what happens soon; only a hang reaches it. */
const HANG = 60_000;
const HOUR = 3_600_000;

/** What happens in a round. */
export const ROUND_KINDS = [
  "start against start",
  "close against take-over",
  "take-over under load",
  "SIGTERM under load",
  "kill -9 under load",
  "kill -9 against start",
  "clock steps under load",
] as const;
type RoundKind = (typeof ROUND_KINDS)[number];

/** Rounds of each kind, on a path and on a port. */
export type RoundCounts = Record<string, number>;

/** How long they took, in milliseconds. */
export type RoundTimes = Record<string, number>;

/** Where a round takes place. */
interface Place {
  readonly kind: "path" | "port";
  readonly path: string;
  readonly port: number;
  readonly options: object;
  readonly connector: Connector;
}

class Broken extends Error {}

function must(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Broken(message);
}

/** Settles as the promise does. A promise that never settles breaks a rule too. */
async function within<Value>(promise: Promise<Value>, what: string): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const hang = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Broken(`${what} did not come to an end in ${HANG} ms`)), HANG);
  });
  return Promise.race([promise, hang]).finally(() => clearTimeout(timer));
}

/** Clients that send one request after the other, each on a connection of its own, and what they got. */
class Load {
  readonly answers: string[] = [];
  readonly errors: unknown[] = [];
  #isOver = false;
  readonly #clients: Promise<void>[];

  constructor({ connector }: Place) {
    const client = new FastCgiHttpClient(connector);
    this.#clients = Array.from({ length: LOAD }, async () => {
      while (!this.#isOver) {
        try {
          this.answers.push(
            await (await client.fetch("http://localhost/", { signal: AbortSignal.timeout(HANG) })).text(),
          );
        } catch (error) {
          this.errors.push(error);
          // Where nothing listens, the clients leave the processor to the process that is about to.
          await sleep(1);
        }
      }
    });
  }

  /** Waits for so many more answers or errors. */
  async goOn(count: number): Promise<void> {
    const ended = (): number => this.answers.length + this.errors.length;
    const start = ended();
    await waitUntil(() => ended() >= start + count, {
      timeout: HANG * 2,
      message: `Under load, fewer than ${count} requests ended in ${HANG * 2} ms`,
    });
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#clients);
  }
}

/** Processes of a runtime, and one of Node, that take part in rounds. */
export class Rounds {
  readonly #runtime: RuntimeName;
  readonly #folder = mkdtempSync(join(tmpdir(), "fetchcgi-processes-"));
  /** The racer of Node in one file: most of the time of a round with a kill is the start of the next process. */
  #bundled: Promise<string> | undefined;
  #racers: RuntimeRacer[] = [];
  /** Started ahead, in the place of the next that is killed. */
  #spare: Promise<RuntimeRacer> | null = null;
  #port: number | undefined;
  #count = 0;
  readonly counts: RoundCounts = {};
  readonly times: RoundTimes = {};

  constructor(runtime: RuntimeName) {
    this.#runtime = runtime;
  }

  /** Runs a round. Throws if a rule was broken. */
  async run(): Promise<void> {
    const start = performance.now();
    const number = this.#count++;
    const kind = ROUND_KINDS[number % ROUND_KINDS.length]!;
    const place = await this.#newPlace(Math.floor(number / ROUND_KINDS.length) % 2 === 0 ? "path" : "port");
    while (this.#racers.length < 2) this.#racers.push(await this.#newRacer(this.#racers.length));
    await this.#play(kind, place, number);
    await this.#closeAll();
    must(!(await isAnswered(place)), "A server answers that was closed");
    if (place.kind === "path") must(filesBeside(place.path).length === 0, `Files are left: ${filesBeside(place.path)}`);
    const name = `${kind}, on a ${place.kind}`;
    this.counts[name] = (this.counts[name] ?? 0) + 1;
    this.times[name] = (this.times[name] ?? 0) + performance.now() - start;
  }

  async stop(): Promise<void> {
    const spare = await this.#spare?.catch(() => null);
    await Promise.all([...this.#racers, spare].map((racer) => racer?.stop()));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #play(kind: RoundKind, place: Place, number: number): Promise<void> {
    switch (kind) {
      case "start against start":
        return this.#startAgainstStart(place, number);
      case "close against take-over":
        return this.#closeAgainstTakeOver(place, number);
      case "take-over under load":
        return this.#takeOverUnderLoad(place);
      case "SIGTERM under load":
        return this.#terminate(place);
      case "kill -9 under load":
        return this.#kill(place);
      case "kill -9 against start":
        return this.#killAgainstStart(place, number);
      case "clock steps under load":
        return this.#stepClocks(place);
    }
  }

  async #startAgainstStart(place: Place, number: number): Promise<void> {
    // What a dead process has left, all find, and one may replace.
    if (place.kind === "path" && number % 3 > 0) await makeStaleSocket(place.path);
    const at = Date.now() + LEAD;
    const outcomes = await Promise.all(this.#racers.map((_, index) => this.#serve(index, place, { at })));
    const winners = outcomes.filter(({ served }) => served).length;
    must(winners === 1, `${winners} of ${outcomes.length} servers got the ${place.kind}`);
    for (const { served, error } of outcomes)
      must(served || /EADDRINUSE/.test(`${error}`), `The loser was told: ${error}`);
    const winner = outcomes.findIndex(({ served }) => served);
    for (let ask = 0; ask < 3; ask++)
      must((await answerAt(place)) === `${winner}`, "Another server answers than the one that listens");
  }

  async #closeAgainstTakeOver(place: Place, number: number): Promise<void> {
    await this.#served(0, place);
    const at = Date.now() + LEAD;
    // Now one is earlier, now the other, by up to a millisecond or two.
    const delay = ((number * 7) % 20) / 10;
    const takeOver = place.kind === "path" && number % 4 > 0;
    const [, taken] = await Promise.all([
      this.#run(0, { do: "close", at: at + delay }),
      this.#serve(1, place, { at: at + 2 - delay, takeOver }),
    ]);
    if (taken.served) must((await answerAt(place)) === "1", "The server that took over does not answer");
    // Without taking over, the one that comes too early is told so.
    else
      must(
        !takeOver && !existsSync(place.path) && /EADDRINUSE/.test(`${taken.error}`),
        `It was not served: ${taken.error}`,
      );
  }

  /** A restart without a gap: every request is answered, by one or by the other. A port has one owner, so there is a gap. */
  async #takeOverUnderLoad(place: Place, between: () => Promise<unknown> = async () => {}): Promise<void> {
    await this.#served(0, place);
    let calls = 0;
    const load = await underLoad(place, async (load) => {
      if (place.kind === "path") await this.#served(1, place, { takeOver: true });
      await between();
      calls += await this.#closeAfterRequests(0);
      if (place.kind === "port") await this.#served(1, place);
      await load.goOn(LOAD * 2);
    });
    must((await answerAt(place)) === "1", "The server that took over does not answer");
    calls += (await this.#closeAfterRequests(1)) - 1;
    checkAnswers(load, ["0", "1"]);
    must(load.answers.length === calls, `${calls} requests were accepted, ${load.answers.length} answers came`);
    if (place.kind === "path") must(load.errors.length === 0, `A request was lost in the take-over: ${load.errors[0]}`);
    else must(lostIn(load).length <= LOAD, `More requests were lost than there are clients: ${lostIn(load)[0]}`);
  }

  /**
   * The server answers every request that it has accepted, and leaves. Connections that wait in the queue of a port when it is closed are
   * lost, one of each client at most: clients go on connecting to a port, so that queue never empties.
   */
  async #terminate(place: Place): Promise<void> {
    await this.#served(0, place);
    let calls = 0;
    const load = await underLoad(place, async (load) => {
      const left = this.#run(0, { do: "leave" });
      process.kill(this.#racers[0]!.pid, "SIGTERM");
      calls = (await left).calls!;
      await load.goOn(LOAD);
    });
    checkAnswers(load, ["0"]);
    must(load.answers.length === calls, `${calls} requests were accepted, ${load.answers.length} answers came`);
    const mostLost = place.kind === "path" ? 0 : LOAD;
    must(lostIn(load).length <= mostLost, `${lostIn(load).length} requests were lost: ${lostIn(load)[0]}`);
  }

  /**
   * What the server worked on is lost, one request of each client, and what waits in its queue: the system closes the sockets of a dead
   * process one after the other, so that a client may come to the queue once more. The next server loses nothing.
   */
  async #kill(place: Place): Promise<void> {
    await this.#served(0, place);
    const load = await underLoad(place, async (load) => {
      await this.#killFirst();
      await this.#served(1, place);
      await load.goOn(LOAD);
    });
    must((await answerAt(place)) === "1", "After the death of a server, the next one does not answer");
    const calls = (await this.#closeAfterRequests(1)) - 1;
    checkAnswers(load, ["0", "1"]);
    const lost = lostIn(load);
    must(lost.length <= LOAD * 2, `${lost.length} requests were lost with the server: ${lost[0]}`);
    const answered = load.answers.filter((answer) => answer === "1").length;
    must(answered === calls, `The next server accepted ${calls} requests, and ${answered} answers came`);
  }

  /** A process dies somewhere on its way to listen. It keeps no other process from listening: now, or when it is dead. */
  async #killAgainstStart(place: Place, number: number): Promise<void> {
    if (place.kind === "path" && number % 3 > 0) await makeStaleSocket(place.path);
    const at = Date.now() + LEAD;
    const first = this.#serve(0, place, { at }).catch(() => null);
    const second = this.#serve(1, place, { at });
    // At another moment each time, before, in and after the start.
    const moment = performance.now() + LEAD - 1 + ((number * 7) % 50) / 10;
    while (performance.now() < moment);
    await this.#killFirst();
    await first;
    const { served, error } = await second;
    must(served || /EADDRINUSE/.test(`${error}`), `The one that lived was told: ${error}`);
    if (!served) await this.#served(1, place);
    must((await answerAt(place)) === "1", "The server that lived does not answer");
    // A process that is killed on its way leaves the private folder in which it made its socket, and nothing that others trip over.
    if (place.kind === "path")
      for (const name of filesBeside(place.path).filter((each) => /^\.[^.]+$/.test(each)))
        rmSync(join(dirname(place.path), name), { recursive: true });
  }

  /** The wall clocks of the processes are hours apart, and set while they work. */
  async #stepClocks(place: Place): Promise<void> {
    await this.#run(0, { do: "step", by: 11 * HOUR });
    await this.#run(1, { do: "step", by: -11 * HOUR });
    await this.#takeOverUnderLoad(place, () =>
      Promise.all([0, 1].map((index) => this.#run(index, { do: "step", by: (index - 0.5) * 48 * HOUR }))),
    );
  }

  /** Kills the first process, and puts another one in its place. */
  async #killFirst(): Promise<void> {
    await this.#racers[0]!.stop();
    this.#racers[0] = await (this.#spare ?? this.#newRacer(0));
    this.#spare = this.#newRacer(0);
    // Told where it is awaited.
    this.#spare.catch(() => {});
  }

  /** Closes a server when it has answered what it has. Resolves with the number of requests that it had. */
  async #closeAfterRequests(index: number): Promise<number> {
    const { calls } = await this.#run(index, { do: "close", options: { grace: HANG } });
    return calls!;
  }

  #run(index: number, operation: RacerOperation): Promise<RacerOutcome> {
    return within(this.#racers[index]!.run(operation), `${operation.do} of process ${index}`);
  }

  #serve(index: number, { options }: Place, { at, takeOver = false }: { at?: number; takeOver?: boolean } = {}) {
    return this.#run(index, {
      do: "serve",
      ...(at !== undefined && { at }),
      name: `${index}`,
      options: { ...options, takeOver },
    });
  }

  async #served(index: number, place: Place, how?: { takeOver?: boolean }): Promise<void> {
    const { served, error } = await this.#serve(index, place, how);
    must(served, `It could not listen: ${error}`);
  }

  #closeAll(): Promise<unknown> {
    return Promise.all(this.#racers.map((_, index) => this.#run(index, { do: "close" })));
  }

  /** The second is of Node whatever the runtime is, because they share paths. */
  async #newRacer(index: number): Promise<RuntimeRacer> {
    const runtime = index === 0 ? this.#runtime : "node";
    this.#bundled ??= bundle("test/adapters/battery/programs/racer.ts", join(this.#folder, "program"));
    const racer = startRuntimeRacer(runtime, runtime === "node" ? { bundled: await this.#bundled } : {});
    // When it answers it has loaded what it needs.
    await within(racer.run({ do: "close" }), "The start of a process");
    return racer;
  }

  async #newPlace(kind: Place["kind"]): Promise<Place> {
    const path = join(this.#folder, `${this.#count}.sock`);
    if (kind === "path") return { kind, path, port: 0, options: { path }, connector: new FastCgiUnixConnector(path) };
    this.#port ??= await freePort();
    const port = this.#port;
    return { kind, path, port, options: { port }, connector: new FastCgiTcpConnector({ hostname: "127.0.0.1", port }) };
  }
}

/** Runs `play` while clients send requests. Whatever comes of it, they have ended when it is over. */
async function underLoad(place: Place, play: (load: Load) => Promise<void>): Promise<Load> {
  const load = new Load(place);
  try {
    await load.goOn(LOAD);
    await play(load);
  } finally {
    await load.stop();
  }
  return load;
}

/** Every answer is whole, and of a server that took part. What failed says why, within a bounded time. */
function checkAnswers({ answers, errors }: Load, names: readonly string[]): void {
  for (const answer of answers) must(names.includes(answer), `The answer ${JSON.stringify(answer)} is of no server`);
  for (const error of errors)
    must(error instanceof FastCgiError && error.code !== "timeout", `A request failed with ${error}`);
}

const isNotConnected = (error: unknown): boolean => error instanceof FastCgiError && error.code === "connectFailed";

/** The errors of requests that a server may have had: it was connected to. */
const lostIn = ({ errors }: Load): unknown[] => errors.filter((error) => !isNotConnected(error));

async function answerAt({ connector }: Place): Promise<string> {
  const response = await new FastCgiHttpClient(connector).fetch("http://localhost/", {
    signal: AbortSignal.timeout(HANG),
  });
  return response.text();
}

async function isAnswered(place: Place): Promise<boolean> {
  try {
    await answerAt(place);
    return true;
  } catch (error) {
    must(isNotConnected(error), `A server that was closed does something else than refuse: ${error}`);
    return false;
  }
}

/** The socket, and what was made beside it and left there. */
function filesBeside(path: string): string[] {
  return readdirSync(dirname(path)).filter((name) => name.startsWith(".") || name === basename(path));
}
