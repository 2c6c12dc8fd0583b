// Requests from the load generators, and what they say of the process under test.

import type { Server } from "./contenders.ts";
import { runProgram } from "./program.ts";
import type { Bench } from "./setup.ts";
import type { Sample } from "./types.ts";

/** The requests that are sent to a server. */
export interface Load {
  /** REQUEST_URI. */
  readonly path: string;
  /** Connections, 64 by default. */
  readonly connections?: number;
  /** Bytes of the request's body. */
  readonly body?: number;
  /** The expected body of the answer: a text, `@` and a file, or `alphabet`; and its length. */
  readonly answer: string;
  readonly answerLength: number;
}

interface Report {
  readonly requests: number;
  readonly errors: number;
  readonly rps: number;
  readonly lat_us: { readonly p99: number };
  readonly stalled: boolean;
  readonly server: { readonly cpu_us_per_req: number; readonly cpu_us_per_req_sched: number };
}

/** Seconds in which a load generator fills its connections before it measures. */
function settling(connections: number): number {
  return 0.1 + connections / 2_500;
}

/** Loads a FastCGI server. */
export async function loadFastCgi(bench: Bench, server: Server, load: Load, seconds: number): Promise<Sample> {
  return measure(bench, "fastcgi_load", fastCgiArguments(server, load, seconds), server.pids());
}

function fastCgiArguments({ address }: Server, load: Load, seconds: number): string[] {
  const { connections = 64, body = 0 } = load;
  return [
    ...["-a", address, "-u", load.path, "-c", connections],
    ...["-b", body, "-y", load.answerLength, "-C", load.answer, "-w", settling(connections), "-d", seconds],
  ].map(String);
}

/** Loads an HTTP server. */
export async function loadHttp(bench: Bench, server: Server, load: Load, seconds: number): Promise<Sample> {
  const { path, connections = 64, answer, answerLength } = load;
  const args = [
    ...["-a", server.address, "-u", path, "-c", connections, "-y", answerLength, "-C", answer],
    ...["-w", settling(connections), "-d", seconds],
  ];
  return measure(bench, "http_load", args.map(String), server.pids());
}

async function measure(
  bench: Bench,
  program: "fastcgi_load" | "http_load",
  args: string[],
  pids: readonly number[],
): Promise<Sample> {
  const command = await bench.compiled(program);
  const report: Report = JSON.parse(await runProgram(command, [...args, "-m", pids.join(",")], bench.cores.load));
  if (report.requests === 0) throw new Error(`none of its answers was right and in time (${report.errors} errors)`);
  const { cpu_us_per_req, cpu_us_per_req_sched } = report.server;
  return {
    value: finer(cpu_us_per_req_sched, cpu_us_per_req),
    rate: report.rps,
    p99: report.lat_us.p99,
    errors: report.errors + (report.stalled ? 1 : 0),
  };
}

/** The finer figure is the sum of the threads': one that ends takes its share along. Kernels without schedstat have only the other. */
function finer(ofThreads: number, ofProcess: number): number {
  const isPlausible = ofThreads > 0 && (ofProcess === 0 || Math.abs(ofThreads / ofProcess - 1) < 0.2);
  return isPlausible ? ofThreads : ofProcess;
}
