import { fileURLToPath } from "node:url";
import { type FastCgiHttpConnector, FastCgiTcpConnector, FastCgiUnixConnector } from "../../../adapters/node/index.ts";
import type { NameValuePair } from "../../../src/toolkit.ts";
import { freePort } from "../free_port.ts";
import { startProcess } from "../process.ts";
import { RawConnection } from "../raw_connection.ts";
import type { FastCgiTarget, FastCgiTargets } from "../target.ts";
import { createTemporaryDirectory } from "../temporary_directory.ts";

/** A file of this folder. */
export function programFile(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

export interface StartApplicationOptions {
  /** A Unix socket in a private folder, or a free port of 127.0.0.1. "unix" by default. */
  readonly listen?: keyof FastCgiTargets;
  /** Requests that it answers at once, 4 by default. Go answers any number, fcgiwrap one. */
  readonly workers?: number;
}

export interface RunningApplication {
  readonly target: FastCgiTarget;
  /** Leads to it, with the script and the variables that it needs. */
  readonly connector: FastCgiHttpConnector;
  /** The variables of a GET request, for a client that makes none. */
  params(path: string): NameValuePair[];
  stop(): Promise<void>;
}

/** What a program is started with. */
export interface ProgramContext {
  readonly target: FastCgiTarget;
  readonly workers: number;
  /** A private folder. */
  readonly directory: string;
}

/** How a program is started. */
export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

/** What a request to it has to name. */
export interface ApplicationNeeds {
  /** SCRIPT_FILENAME. */
  readonly script?: string;
  readonly params?: Readonly<Record<string, string>>;
}

/** A connector and variables that fit an application. */
export function reaching(
  target: FastCgiTarget,
  { script, params = {} }: ApplicationNeeds,
): Pick<RunningApplication, "target" | "connector" | "params"> {
  const preset = { params, ...(script !== undefined && { script: { filename: script } }) };
  return {
    target,
    connector:
      "path" in target
        ? new FastCgiUnixConnector(target.path, preset)
        : new FastCgiTcpConnector({ hostname: target.host, port: target.port }, preset),
    params: (path) => [
      ["REQUEST_METHOD", "GET"],
      ["SERVER_PROTOCOL", "HTTP/1.1"],
      ["SCRIPT_NAME", "/"],
      ["REQUEST_URI", path],
      ["QUERY_STRING", path.split("?")[1] ?? ""],
      ...(script === undefined ? [] : ([["SCRIPT_FILENAME", script]] as const)),
      ...Object.entries(params),
    ],
  };
}

/** Starts a program that listens by itself, and waits until it does. */
export async function startListening(
  name: string,
  { listen = "unix", workers = 4 }: StartApplicationOptions,
  needs: ApplicationNeeds,
  program: (context: ProgramContext) => Program | Promise<Program>,
): Promise<RunningApplication> {
  const directory = await createTemporaryDirectory("application");
  try {
    const target =
      listen === "tcp" ? { host: "127.0.0.1", port: await freePort() } : { path: `${directory.path}/application.sock` };
    const { command, args, env } = await program({ target, workers, directory: directory.path });
    const running = await startProcess(command, {
      name,
      args,
      env: { PATH: process.env.PATH, TMPDIR: directory.path, ...env },
      ready: () => listens(target),
    });
    return {
      ...reaching(target, needs),
      async stop() {
        await running.stop();
        await directory.remove();
      },
    };
  } catch (error) {
    await directory.remove();
    throw error;
  }
}

/** The way most programs write it: `/path` or `host:port`. */
export function addressOf(target: FastCgiTarget): string {
  return "path" in target ? target.path : `${target.host}:${target.port}`;
}

async function listens(target: FastCgiTarget): Promise<boolean> {
  try {
    (await RawConnection.open(target)).close();
    return true;
  } catch {
    return false;
  }
}
