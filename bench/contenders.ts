// Servers, clients and gateways by name: how each is started. Every start is a fresh process on the core of what is tested.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { requireProgram } from "../scripts/setup.mjs";
import { freePort } from "../test/support/free_port.ts";
import { fastCgiLocation, type NginxLocation, startNginx } from "../test/support/nginx.ts";
import { waitUntil } from "../test/support/process.ts";
import { childrenOf } from "../test/support/process_tree.ts";
import { isListening } from "./is_listening.ts";
import { type Program, pin, startProgram, treeOf } from "./program.ts";
import type { Bench } from "./setup.ts";

/** A server under test, or a server behind it or in front of it. */
export interface Server {
  /** `/path` or `host:port`. */
  readonly address: string;
  pids(): number[];
  /** Makes the process collect its garbage, if it can. */
  collectGarbage?(): void;
  stop(): Promise<void>;
}

/** Starts a server on the core for what is tested, or on another. */
export type StartServer = (bench: Bench, core?: number) => Promise<Server>;

/** The JavaScript runtimes that can run a contender: by name, or a Node.js by its major version. */
export type Runtime = "node" | "bun" | "deno" | number;

/** The command that runs a script. */
export function runtimeCommand({ options }: Bench, runtime: Runtime): [command: string, args: string[]] {
  const path = typeof runtime === "number" ? options.nodes.get(runtime) : options[runtime];
  if (path === undefined)
    throw new Error(`there is no ${typeof runtime === "number" ? "Node.js " : ""}${runtime} here`);
  if (runtime === "bun") return [path, []];
  if (runtime === "deno") return [path, ["run", "--quiet", "--allow-all"]];
  return [path, ["--no-deprecation", "--expose-gc"]];
}

interface ScriptServer {
  /** Arguments before the address. */
  readonly args?: (bench: Bench) => readonly string[];
  readonly listen?: "unix" | "tcp";
  readonly runtime?: Runtime;
  /** Flags of the runtime. */
  readonly flags?: readonly string[];
}

/** A server that is a script in `bench/peers`. */
export function scriptServer(
  file: string,
  { args, listen = "unix", runtime = "node", flags = [] }: ScriptServer = {},
): StartServer {
  return async (bench, core = bench.cores.tested) => {
    const [command, runtimeFlags] = runtimeCommand(bench, runtime);
    const address = await addressFor(bench, listen);
    const given = [...runtimeFlags, ...flags, bench.peer(file), ...(args?.(bench) ?? []), address];
    const program = await startProgram(command, given, { name: file, core, ready: "ready" });
    return {
      address,
      ...handles(program),
      collectGarbage() {
        const [pid] = program.pids();
        if (pid !== undefined) process.kill(pid, "SIGUSR2");
      },
    };
  };
}

/** A path or a port that is free. */
export async function addressFor(bench: Bench, listen: "unix" | "tcp"): Promise<string> {
  return listen === "unix" ? bench.socket() : `127.0.0.1:${await freePort()}`;
}

function handles(program: Program): Pick<Server, "pids" | "stop"> {
  return { pids: () => program.pids(), stop: () => program.stop() };
}

/** What our server is asked to be. */
export interface Settings {
  /** The class of the responses, the global one for a Hono app. */
  readonly response?: "FastResponse";
  readonly app?: "Hono";
  readonly lazyRequest?: boolean;
}

/** Our own server. */
export function fetchcgi(settings: Settings = {}, options: Pick<ScriptServer, "runtime" | "flags"> = {}): StartServer {
  const args = ({ library }: Bench): string[] => [library, JSON.stringify(settings)];
  return scriptServer("fetchcgi_server.mjs", { ...options, args });
}

/** An application that takes (req, res). */
export type Listener = "bare" | "Express";

/** Our own server of such an application. */
export function servedListener(listener: Listener): StartServer {
  return scriptServer("listener_server.mjs", { args: ({ library }) => [listener, library] });
}

/** The same on node:http. */
export function httpListener(listener: Listener): StartServer {
  return scriptServer("listener_server.mjs", { args: () => [listener] });
}

/** A compiled server that takes its address and more. */
function compiledServer(
  name: "fastcgi_sink" | "libfcgi_server" | "go_server",
  args: (address: string) => string[],
  ready: string,
): StartServer {
  return async (bench, core = bench.cores.tested) => {
    const command = await bench.compiled(name);
    const address = bench.socket();
    return { address, ...handles(await startProgram(command, args(address), { name, core, ready })) };
  };
}

/** Fixed bytes from C, as fast as it goes: the limit of a server, and the backend of clients. It shares connections. */
export function sink(size?: number, stdin?: number): StartServer {
  const options = [
    "-m",
    ...(size === undefined ? [] : ["-s", String(size)]),
    ...(stdin === undefined ? [] : ["-b", String(stdin)]),
  ];
  return compiledServer(
    "fastcgi_sink",
    (address) => ["-a", address, "-H", "Content-Type: text/plain\r\n", ...options],
    "listening",
  );
}

export const go: StartServer = compiledServer("go_server", (address) => [address], "ready");

export function libfcgi(processes: number): StartServer {
  return compiledServer("libfcgi_server", (address) => [address, String(processes)], "ready");
}

/** A gateway: HTTP on its address, FastCGI to `backend`. */
export type StartGateway = (bench: Bench, backend: Server) => Promise<Server>;

/** nginx with one worker and kept connections on both sides. */
export const nginxGateway: StartGateway = (bench, { address }) => nginx(fastCgiPass(address), bench.cores.tested);

/** nginx beside the load generator, in front of an application that is tested: by FastCGI or by HTTP. */
export function nginxInFront(bench: Bench, { address }: Server, by: "fastcgi_pass" | "proxy_pass"): Promise<Server> {
  return nginx(by === "fastcgi_pass" ? fastCgiPass(address) : proxyPass(address), bench.cores.load);
}

/** Connections to a backend that nginx keeps: all that a case has. */
const KEPT = "keepalive 64; keepalive_requests 100000000;";

function fastCgiPass(address: string): NginxLocation {
  const location = fastCgiLocation(`unix:${address}`, { keepConn: true });
  return { ...location, http: location.http.replace("keepalive 4;", KEPT) };
}

function proxyPass(address: string): NginxLocation {
  return {
    http: `upstream application { server unix:${address}; ${KEPT} }`,
    server: `location / {
      proxy_pass http://application;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
    }`,
  };
}

async function nginx(location: NginxLocation, core: number): Promise<Server> {
  const others = new Set(childrenOf(process.pid));
  const started = await startNginx({ locations: [location], http: "keepalive_requests 100000000;" });
  const pids = childrenOf(process.pid)
    .filter((pid) => !others.has(pid))
    .flatMap(treeOf);
  await pin(core, pids);
  return { address: `127.0.0.1:${started.port}`, pids: () => pids, stop: () => started.stop() };
}

export const caddyGateway: StartGateway = async (bench, { address }) => {
  const listen = await addressFor(bench, "tcp");
  const port = listen.split(":")[1];
  const file = join(bench.folder, `Caddyfile-${port}`);
  await writeFile(
    file,
    `{
  admin off
  auto_https off
  log {
    level ERROR
  }
}
http://:${port} {
  bind 127.0.0.1
  reverse_proxy unix/${address} {
    transport fastcgi {
      root /var/www/html
      split .php
    }
  }
}
`,
  );
  const env = { ...process.env, HOME: bench.folder, XDG_DATA_HOME: bench.folder, XDG_CONFIG_HOME: bench.folder };
  const program = await startProgram(requireProgram("caddy"), ["run", "--config", file, "--adapter", "caddyfile"], {
    name: "caddy",
    core: bench.cores.tested,
    env,
  });
  await waitUntil(() => isListening(listen), { message: `Cannot start caddy:\n${program.stderr()}` });
  return { address: listen, ...handles(program) };
};

/** A gateway that is a script in `bench/peers`: our client behind a fetch-style HTTP server, unless it is the floor. */
export function scriptGateway(file: string, runtime: Runtime = "node"): StartGateway {
  return (bench, backend) =>
    scriptServer(file, { runtime, listen: "tcp", args: ({ library }) => [library, backend.address] })(bench);
}
