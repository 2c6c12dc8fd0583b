// The kinds of entries that a case can have: what runs, what is loaded, what is measured.

import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { RecordType } from "fetchcgi/toolkit";
import {
  libraryOf,
  nginxBefore,
  type Runtime,
  runtimeCommand,
  type Server,
  type StartGateway,
  type StartServer,
  sink,
} from "./contenders.ts";
import { encodedGet } from "./encoded_get.ts";
import { openIdleConnections } from "./idle_connections.ts";
import { type Load, loadFastCgi, loadHttp, measureLoad } from "./load.ts";
import { startProgram } from "./program.ts";
import type { Bench } from "./setup.ts";
import type { Entry, Sample } from "./types.ts";

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

/** An HTTP server under load. */
export function servingHttp(name: string, startServer: StartServer, load: Load): Entry {
  return {
    name,
    async start(bench) {
      const server = await startServer(bench);
      return { measure: (seconds) => loadHttp(bench, server, load, seconds), stop: () => server.stop() };
    },
  };
}

/** A server behind nginx, which is loaded and not measured. */
export function behindNginx(name: string, startServer: StartServer, protocol: "fastcgi" | "http", load: Load): Entry {
  return {
    name,
    async start(bench) {
      const server = await startServer(bench);
      try {
        const nginx = await nginxBefore(server, protocol, bench.cores.load);
        return {
          measure: (seconds) => loadHttp(bench, nginx, load, seconds, server),
          stop: () => stopAll(nginx, server),
        };
      } catch (error) {
        await server.stop();
        throw error;
      }
    },
  };
}

/** A gateway in front of a FastCGI application, which is not measured. */
export function gateway(name: string, startGateway: StartGateway, startBackend: StartServer, load: Load): Entry {
  return {
    name,
    async start(bench) {
      const backend = await startBackend(bench, bench.cores.load);
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

async function stopAll(...servers: readonly Server[]): Promise<void> {
  for (const server of servers) await server.stop();
}

/** The task of a client. */
export type Job = "hello" | "post" | "large";

/** The backend that fits a job. */
function backendFor(job: Job): StartServer {
  if (job === "hello") return sink();
  return job === "post" ? sink(undefined, 1024 * 1024) : sink(1024 * 1024);
}

export interface CallingOptions {
  /** Arguments before the backend's address. */
  readonly before?: (bench: Bench) => readonly string[];
  /** Arguments after the job. */
  readonly behind?: (backend: Server) => readonly string[];
  readonly backend?: StartServer;
  readonly runtime?: Runtime;
}

/** A client that is a script in `bench/peers`. */
export function calling(name: string, file: string, job: Job, options: CallingOptions = {}): Entry {
  const { before, behind, backend: startBackend = backendFor(job), runtime = "node" } = options;
  return {
    name,
    async start(bench) {
      const [command, flags] = runtimeCommand(bench, runtime);
      const backend = await startBackend(bench, bench.cores.load);
      const args = [...(before?.(bench) ?? []), backend.address, job, ...(behind?.(backend) ?? [])];
      const worker = await startWorker(bench, command, [...flags, bench.peer(file), ...args], name, backend);
      return { measure: worker.measure, stop: () => stopAll(worker, backend) };
    },
  };
}

/** Our own client. */
export function callingFetchcgi(
  name: string,
  job: Job,
  { mode = "kept", base = false, ...options }: CallingOptions & { mode?: "kept" | "multiplexed"; base?: boolean } = {},
): Entry {
  return calling(name, "fetchcgi_client.mjs", job, {
    before: (bench) => [libraryOf(bench, base)],
    behind: ({ script }) => [mode, ...(script === undefined ? [] : [script])],
    ...options,
  });
}

/** The load generator as a client in C. */
export function callingFromC(name: string, job: Job, load: Load): Entry {
  return {
    name,
    async start(bench) {
      const backend = await backendFor(job)(bench, bench.cores.load);
      return { measure: (seconds) => measureLoad(bench, backend, load, seconds), stop: () => backend.stop() };
    },
  };
}

/** A codec alone, in JavaScript. */
export function coding(name: string, style: string, job: string, base = false): Entry {
  return {
    name,
    start(bench) {
      const [command, flags] = runtimeCommand(bench, "node");
      return startWorker(bench, command, [...flags, bench.peer("codec.mjs"), libraryOf(bench, base), style, job], name);
    },
  };
}

/** The decoder of Go's net/http/fcgi alone. */
export function codingInGo(name: string): Entry {
  return {
    name,
    async start(bench) {
      const file = join(bench.folder, "get.bin");
      await writeFile(file, encodedGet(RecordType.AbortRequest));
      return startWorker(bench, await bench.compiled("go_server"), ["-codec", file], name);
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

/** The memory of a process for each idle connection, after one request on each. In KiB. */
export function holding(name: string, startServer: StartServer, connections: number, load: Load): Entry {
  return {
    name,
    async start(bench) {
      const server = await startServer(bench);
      return {
        async measure() {
          // Memory that a process sets up once is not counted.
          await loadFastCgi(bench, server, { ...load, connections: 50 }, 1);
          const before = await residentMemory(server);
          const idle = await openIdleConnections(server.address, connections);
          try {
            const after = await residentMemory(server);
            return {
              value: (after - before) / connections,
              rate: null,
              p99: null,
              errors: connections - idle.answered,
            };
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
