// The kinds of entries that a case can have: what runs, what is loaded, what is measured.

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import {
  nginxInFront,
  type Runtime,
  runtimeCommand,
  type Server,
  type StartGateway,
  type StartServer,
  sink,
} from "./contenders.ts";
import { openIdleConnections } from "./idle_connections.ts";
import { type Load, loadFastCgi, loadHttp } from "./load.ts";
import { pinned, startProgram } from "./program.ts";
import type { Bench } from "./setup.ts";
import { spreadOf } from "./statistics.ts";
import type { Entry, Running, Sample } from "./types.ts";

const run = promisify(execFile);

/** An entry that uses this library. */
export function ours(entry: Entry): Entry {
  return { ...entry, isOurs: true };
}

/** A FastCGI server under load. */
export function serving(name: string, startServer: StartServer, load: Load): Entry {
  return {
    name,
    async start(bench) {
      const server = await startServer(bench);
      return { measure: (seconds) => loadFastCgi(bench, server, load, seconds), stop: () => server.stop() };
    },
  };
}

/** A gateway in front of the C backend, which is not measured. */
export function gateway(name: string, startGateway: StartGateway, load: Load): Entry {
  return {
    name,
    async start(bench) {
      const backend = await sink()(bench, bench.cores.load);
      try {
        const front = await startGateway(bench, backend);
        return { measure: (seconds) => loadHttp(bench, front, load, seconds), stop: () => stopAll(front, backend) };
      } catch (error) {
        await backend.stop();
        throw error;
      }
    },
  };
}

/** An application behind nginx, which is not measured. */
export function behindNginx(
  name: string,
  startServer: StartServer,
  by: "fastcgi_pass" | "proxy_pass",
  load: Load,
): Entry {
  return {
    name,
    async start(bench) {
      const application = await startServer(bench);
      try {
        const front = await nginxInFront(bench, application, by);
        return {
          measure: (seconds) => loadHttp(bench, { ...application, address: front.address }, load, seconds),
          stop: () => stopAll(front, application),
        };
      } catch (error) {
        await application.stop();
        throw error;
      }
    },
  };
}

async function stopAll(...servers: readonly Server[]): Promise<void> {
  for (const server of servers) await server.stop();
}

/** The task of a client. */
export type Job = "hello" | "post" | "large" | "text";

/** The backend that fits a job. */
function backendFor(job: Job): StartServer {
  if (job === "hello") return sink();
  return job === "post" ? sink(undefined, 1024 * 1024) : sink(1024 * 1024);
}

export interface CallingOptions {
  /** Arguments before the backend's address. */
  readonly before?: (bench: Bench) => readonly string[];
  readonly flags?: readonly string[];
}

/** A client that is a script in `bench/peers`. */
export function calling(name: string, file: string, job: Job, { before, flags = [] }: CallingOptions = {}): Entry {
  return {
    name,
    async start(bench) {
      const [command, runtimeFlags] = runtimeCommand(bench, "node");
      const backend = await backendFor(job)(bench, bench.cores.load);
      const args = [...runtimeFlags, ...flags, bench.peer(file), ...(before?.(bench) ?? []), backend.address, job];
      const worker = await startWorker(bench, command, args, name, backend);
      return { measure: worker.measure, stop: () => stopAll(worker, backend) };
    },
  };
}

/** Our own client. `options` are those of the client, besides the number of its connections. */
export function callingFetchcgi(
  name: string,
  job: Job,
  { options = {}, flags = [] }: { options?: object; flags?: readonly string[] } = {},
): Entry {
  const before = ({ library }: Bench): string[] => [library, JSON.stringify(options)];
  return ours(calling(name, "fetchcgi_client.mjs", job, { before, flags }));
}

/** Seconds, in which even the slow one does 20,000 requests. */
const RUN_WARM_UP = 2;

/** A contender that is warmed up and measured as one run, for cases that count slow runs. */
export function wholeRun(entry: Entry): Entry {
  return {
    ...entry,
    async start(bench): Promise<Running> {
      const running = await entry.start(bench);
      return {
        async measure(seconds) {
          await running.measure(RUN_WARM_UP);
          return running.measure(seconds);
        },
        stop: () => running.stop(),
      };
    },
  };
}

/** Something in memory alone: a codec, or a stream. */
export function coding(name: string, style: string, job: string): Entry {
  return {
    name,
    start(bench) {
      const [command, flags] = runtimeCommand(bench, "node");
      return startWorker(bench, command, [...flags, bench.peer("codec.mjs"), bench.library, style, job], name);
    },
  };
}

interface WorkerReport {
  readonly count: number;
  readonly errors: number;
  readonly p99?: number | null;
  readonly seconds: number;
  readonly cpu: number;
  readonly firstError?: string | null;
}

interface Worker extends Server {
  measure(seconds: number): Promise<Sample>;
}

/** A program that works by itself, in rounds, and says what CPU time it took. */
async function startWorker(
  bench: Bench,
  command: string,
  args: readonly string[],
  name: string,
  backend?: Server,
): Promise<Worker> {
  try {
    const program = await startProgram(command, args, { name, core: bench.cores.tested, ready: "ready" });
    return {
      address: "",
      pids: () => program.pids(),
      stop: () => program.stop(),
      async measure(seconds) {
        const {
          count,
          errors,
          p99 = null,
          cpu,
          seconds: took,
          firstError,
        }: WorkerReport = JSON.parse(await program.ask(String(seconds)));
        if (count === 0) throw new Error(`it did nothing: ${firstError ?? "no error"}`);
        return { value: cpu / count, rate: count / took, p99, errors };
      },
    };
  } catch (error) {
    await backend?.stop();
    throw error;
  }
}

/** What a server holds when its memory is measured. */
export type Held = "idle connections" | "active requests";

/**
 * The memory of a process in KiB, after garbage collection: for each connection that had one answer and is kept, or for
 * each request that its handler has not answered, on a connection of its own.
 */
export function holding(name: string, startServer: StartServer, held: Held, count: number, load: Load): Entry {
  return {
    name,
    async start(bench) {
      const server = await startServer(bench);
      return {
        async measure() {
          // Memory that a process sets up once is not counted.
          await loadFastCgi(bench, server, { ...load, connections: 50 }, 1);
          let before = await residentMemory(server);
          const idle = await openIdleConnections(server.address, count);
          try {
            if (held === "active requests") {
              before = await residentMemory(server);
              await idle.hold();
            }
            const value = ((await residentMemory(server)) - before) / count;
            return { value, rate: null, p99: null, errors: count - idle.answered };
          } finally {
            await idle.close();
          }
        },
        stop: () => server.stop(),
      };
    },
  };
}

/** In KiB, after garbage collection. */
async function residentMemory(server: Server): Promise<number> {
  for (let count = 0; count < 3; count++) {
    server.collectGarbage?.();
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  const sizes = server
    .pids()
    .map((pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** A runtime that starts, imports a file of the library or nothing, and ends. In milliseconds. */
export function starting(name: string, runtime: Runtime, file: string | null): Entry {
  return {
    name,
    async start(bench) {
      const code =
        file === null
          ? ["-e", "0"]
          : ["--input-type=module", "-e", `import "${pathToFileURL(join(bench.library, file))}"`];
      return { measure: (seconds) => timesOf(bench, runtime, code, seconds), stop: async () => {} };
    },
  };
}

/** The command, which starts, does its work and ends. In milliseconds. `toBackend` puts the address of a backend behind its arguments. */
export function commanding(
  name: string,
  runtime: Runtime,
  args: readonly string[],
  { toBackend = false }: { toBackend?: boolean } = {},
): Entry {
  return {
    name,
    async start(bench) {
      const backend = toBackend ? await sink()(bench, bench.cores.load) : null;
      const line = [join(bench.library, "cli/main.js"), ...args, ...(backend === null ? [] : [backend.address])];
      return {
        measure: (seconds) => timesOf(bench, runtime, line, seconds),
        stop: async () => backend?.stop(),
      };
    },
  };
}

/** Starts a runtime again and again for some seconds. The figure is the median, in milliseconds. */
async function timesOf(bench: Bench, runtime: Runtime, args: readonly string[], seconds: number): Promise<Sample> {
  const [command, flags] = runtimeCommand(bench, runtime);
  const end = performance.now() + seconds * 1000;
  const times: number[] = [];
  do {
    const before = performance.now();
    await run(...pinned(bench.cores.tested, command, [...flags, ...args]));
    times.push(performance.now() - before);
  } while (performance.now() < end);
  return { value: spreadOf(times).median, rate: null, p99: null, errors: 0 };
}
