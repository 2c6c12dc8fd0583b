// What a web server sends for each request, as `fetchcgi check server` shows it on its page: read through the web server, so that
// an application that the web server starts itself needs nothing else.

import { chmod, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { generate } from "selfsigned";
import { build } from "tsup";
import { fetchcgi } from "../../cli/run.ts";
import { waitUntil } from "../process.ts";
import { RawConnection } from "../raw_connection.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../temporary_directory.ts";
import { exampleText } from "../web_servers/example_config.ts";
import { startWebServer } from "../web_servers/web_server.ts";
import { type ParamsRequest, paramsRequests, sendParamsRequest } from "./requests.ts";
import { type Column, exampleFor } from "./servers.ts";

/** The values of each variable, in the order of its first name. */
export type Recorded = ReadonlyMap<string, readonly string[]>;

/** What a web server sends for each of `paramsRequests`; undefined where it can't be asked. */
export async function recordColumn(column: Column): Promise<(Recorded | undefined)[]> {
  const folder = await createTemporaryDirectory("params");
  await chmod(folder.path, 0o755); // Apache's workers run as another user.
  const recorded: (Recorded | undefined)[] = paramsRequests.map(() => undefined);
  try {
    for (const setup of ["site", "prefix", "https"] as const) {
      const requests = paramsRequests.filter((request) => request.setup === setup);
      const pages = await recordSetup(column, setup, requests, folder);
      for (const [index, page] of pages.entries()) recorded[paramsRequests.indexOf(requests[index]!)] = page;
    }
  } finally {
    await folder.remove();
  }
  return recorded;
}

async function recordSetup(
  column: Column,
  setup: ParamsRequest["setup"],
  requests: readonly ParamsRequest[],
  folder: TemporaryDirectory,
): Promise<Recorded[]> {
  const example = exampleFor(column, setup);
  if (example === undefined) return [];
  const socket = join(folder.path, `${setup}.sock`);
  const stops: (() => Promise<unknown>)[] = [];
  try {
    const program = column.spawns ? await writeProgram(folder.path) : undefined;
    if (program === undefined) stops.push(await startCheck(socket));
    const pem = setup === "https" ? await writeCertificate(folder.path) : "";
    const running = await startWebServer(column.server, {
      example,
      socket,
      ...(program !== undefined && { program }),
      ...(setup === "https" && { edit: (config: string) => column.https!(config, pem) }),
    });
    stops.push(() => running.stop());
    const pages: Recorded[] = [];
    for (const request of requests) {
      const page = await sendParamsRequest(running.port, request);
      pages.push(normalised(variablesOn(page), running.port));
    }
    return pages;
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

/** Runs the command, and resolves to what ends it. */
async function startCheck(socket: string): Promise<() => Promise<unknown>> {
  const controller = new AbortController();
  const { signal } = controller;
  let failed = "";
  const done = fetchcgi(["check", "server", "--listen", `unix:${socket}`, "--mode", "666"], { signal }).then((run) => {
    failed = run.errors;
    return run.code;
  });
  await waitUntil(async () => {
    if (failed !== "") throw new Error(failed);
    return listens(socket);
  });
  return () => {
    controller.abort();
    return done;
  };
}

async function listens(path: string): Promise<boolean> {
  try {
    (await RawConnection.open({ path })).close();
    return true;
  } catch {
    return false;
  }
}

/** The example's start script for the command. */
async function writeProgram(folder: string): Promise<string> {
  await build({
    config: false,
    silent: true,
    entry: { app: fileURLToPath(new URL("../../../cli/main.ts", import.meta.url)) },
    outDir: folder,
    outExtension: () => ({ js: ".mjs" }),
    format: "esm",
    target: "node20",
  });
  const script = exampleText("app.fcgi")
    .replace("/usr/bin/node", process.execPath)
    .replace("/srv/app/app.js", `${join(folder, "app.mjs")} check server --listen fd:0`);
  const program = join(folder, "app.fcgi");
  await writeFile(program, script, { mode: 0o755 });
  return program;
}

async function writeCertificate(folder: string): Promise<string> {
  const { cert, private: key } = await generate([{ name: "commonName", value: "www.example.test" }], {
    keyType: "ec",
    algorithm: "sha256",
  });
  const file = join(folder, "https.pem");
  await writeFile(file, `${cert}\n${key}\n`);
  return file;
}

/** The variables that the page lists. */
function variablesOn(page: string): [name: string, value: string][] {
  const start = page.indexOf("\nVariables:\n");
  if (start < 0) throw new Error(`Cannot read the page: it lists no variables\n${page.slice(0, 1000)}`);
  const lines = page
    .slice(start)
    .split("\n")
    .filter((line) => line.startsWith("  "));
  return lines.map((line) => {
    const equals = line.indexOf("=");
    return [line.slice(2, equals), line.slice(equals + 1)];
  });
}

/** Without what differs from one run, machine or patch version to the next. */
function normalised(pairs: readonly (readonly [name: string, value: string])[], port: number): Recorded {
  const recorded = new Map<string, string[]>();
  for (const [name, value] of pairs) {
    const values = recorded.get(name) ?? [];
    values.push(stable(name, value, port));
    recorded.set(name, values);
  }
  return recorded;
}

const VERSIONED = ["SERVER_SOFTWARE", "SERVER_SIGNATURE"];
const FOLDER = tmpdir().replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

function stable(name: string, value: string, port: number): string {
  if (name === "REMOTE_PORT") return "(port of the client)";
  if (name === "PATH") return "(search path)";
  const text = value
    .replace(new RegExp(`${FOLDER}/[^/]+/www`, "g"), "/srv/www")
    .replace(new RegExp(`${FOLDER}/[^/]+/app\\.fcgi`, "g"), "/srv/app/app.fcgi")
    .replace(new RegExp(`${FOLDER}/[^/]+/(\\w+)\\.sock`, "g"), "/run/app/app.sock")
    .replace(new RegExp(`${FOLDER}/[^/]+`, "g"), "(its own folder)")
    .replace(new RegExp(`\\b${port}\\b`, "g"), "8080");
  return VERSIONED.includes(name) ? text.replace(/([/ ])v?\d+\.\d[^\s<]*/g, "$1(version)") : text;
}
