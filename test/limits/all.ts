// Runs every flood on a runtime, and says what is wrong with a result.

import type { RuntimeName } from "../adapters/battery/programs/adapter.ts";
import { CLIENT_FLOODS } from "./client_floods.ts";
import { type FloodResult, floodClient, floodServer, waitOnServer } from "./flooding.ts";
import { TargetServer } from "./processes.ts";
import { SERVER_FLOODS, SILENCES } from "./server_floods.ts";

/**
 * MiB by which a process may grow: buffers of the system and the runtime, and garbage that was not collected yet. Bun and Deno leave up to
 * 200 MiB of it, Bun where requests are refused as fast as they come, however many.
 */
const MOST_MEMORY: Readonly<Record<RuntimeName, number>> = { node: 128, bun: 256, deno: 256 };
/** MiB that a process may hold more than before: what the runtime compiles and caches. */
const MOST_HELD = 16;
/** Limits of a server that end a connection as a matter of course, so that `onError` is not told. */
const USUAL_ENDS = new Set(["idleTimeout", "lingerTimeout", "maxRequestsPerConnection"]);

/** A flood that can be run, and how it should end. */
export interface Planned {
  readonly name: string;
  readonly end: string | RegExp;
  run(): Promise<FloodResult>;
}

/** All floods on a runtime. `most` is in bytes. To be closed when they are over. */
export class Plan {
  readonly #runtime: RuntimeName;
  readonly #most: number;
  /** One server for all floods with the same options. */
  readonly #servers = new Map<string, TargetServer>();

  constructor(runtime: RuntimeName, most: number) {
    this.#runtime = runtime;
    this.#most = most;
  }

  get floods(): Planned[] {
    const most = this.#most;
    return [
      ...SERVER_FLOODS.map((flood) => ({
        name: flood.name,
        end: flood.ends,
        // What is taken takes as long as the answers to it.
        run: async () =>
          floodServer(await this.#server(flood.options), flood, flood.ends === "taken" ? most / 16 : most),
      })),
      ...SILENCES.map((silence) => ({
        name: silence.name,
        end: "closed",
        run: async () => waitOnServer(await this.#server(silence.options), silence),
      })),
      ...CLIENT_FLOODS.map((flood) => ({
        name: flood.name,
        end: flood.outcome,
        run: async () => floodClient(this.#runtime, await this.#server(), flood, most),
      })),
    ];
  }

  async close(): Promise<void> {
    await Promise.all([...this.#servers.values()].map((server) => server.stop()));
  }

  async #server(options: object = {}): Promise<TargetServer> {
    const key = JSON.stringify(options);
    const server = this.#servers.get(key) ?? (await TargetServer.start(this.#runtime, options));
    this.#servers.set(key, server);
    return server;
  }
}

/** What is wrong with a result. */
export function judged(result: FloodResult, end: string | RegExp, runtime: RuntimeName = "node"): string[] {
  const { side, limit, ended, reached, memory, held, descriptors, answers, companion } = result;
  const isExpected = typeof end === "string" ? ended === end : end.test(ended);
  return [
    !isExpected && `it should end with ${end}, not ${ended}`,
    side === "server" &&
      ended === "closed" &&
      !USUAL_ENDS.has(limit) &&
      !((reached[limit] ?? 0) > 0) &&
      `${limit} was not reached, but ${JSON.stringify(reached)}`,
    memory > MOST_MEMORY[runtime] && `it took ${memory} MiB`,
    held > MOST_HELD && `${held} MiB are held behind it`,
    descriptors > 0 && `${descriptors} descriptors stay open`,
    answers === 0 && "no answer beside it",
    companion?.answers === 0 && "no answer on its connection",
  ].filter((fault) => typeof fault === "string");
}
