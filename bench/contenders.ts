// Servers, clients and gateways by name: how each is started. Every start is a fresh process on the core of what is tested.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { requireProgram } from "../scripts/setup.mjs";
import { freePort } from "../test/support/free_port.ts";
import { fastCgiLocation, type NginxLocation, startNginx } from "../test/support/nginx.ts";
import { startPhpFpm } from "../test/support/php_fpm.ts";
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
  /** The file to name in SCRIPT_FILENAME, if the application needs one. */
  readonly script?: string;
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
  if (runtime === "bun" && options.bun !== undefined) return [options.bun, []];
  if (runtime === "deno" && options.deno !== undefined) return [options.deno, ["run", "--quiet", "--allow-all"]];
  const node = typeof runtime === "number" ? options.nodes.get(runtime) : options.node;
  if (node === undefined || runtime === "bun" || runtime === "deno") throw new Error(`no ${runtime} was given`);
  return [node, ["--no-deprecation", "--expose-gc"]];
}

interface ScriptServer {
  /** Arguments before the address. */
  readonly args?: (bench: Bench) => readonly string[];
  readonly listen?: "unix" | "tcp";
  readonly runtime?: Runtime;
}

/** A server that is a script in `bench/peers`. */
export function scriptServer(
  file: string,
  { args, listen = "unix", runtime = "node" }: ScriptServer = {},
): StartServer {
  return async (bench, core = bench.cores.tested) => {
    const [command, options] = runtimeCommand(bench, runtime);
    const address = await addressFor(bench, listen);
    const program = await startProgram(command, [...options, bench.peer(file), ...(args?.(bench) ?? []), address], {
      name: file,
      core,
      ready: "ready",
    });
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

/** Our own server: the build of this run, or the one to compare with. */
export function fetchcgi(
  options: Pick<ScriptServer, "listen" | "runtime"> & { base?: boolean; response?: "FastResponse" } = {},
): StartServer {
  const { base, response = "Response" } = options;
  return scriptServer("fetchcgi_server.mjs", { ...options, args: (bench) => [libraryOf(bench, base), response] });
}

/** The folder of the built library. */
export function libraryOf(bench: Bench, base = false): string {
  if (!base) return bench.library;
  if (bench.options.base === undefined) throw new Error("no other build was given: --base FOLDER");
  return bench.options.base;
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

/** php-fpm with four workers that stay. */
export const phpFpm: StartServer = async (bench, core = bench.cores.tested) => {
  const pool = await startPhpFpm({ pool: { "pm.max_children": "4", "pm.max_requests": "0" } });
  await pin(core, treeOf(pool.pid));
  return {
    address: pool.target.path,
    pids: () => treeOf(pool.pid),
    script: bench.peer("application.php"),
    stop: () => pool.stop(),
  };
};

/** nginx with kept connections on both sides: in front of FastCGI, or of HTTP. */
export async function nginxBefore(backend: Server, protocol: "fastcgi" | "http", core: number): Promise<Server> {
  const location = protocol === "fastcgi" ? fastCgiBehind(backend) : httpBehind(backend);
  const others = new Set(childrenOf(process.pid));
  const nginx = await startNginx({ locations: [location], http: "keepalive_requests 100000000;" });
  const pids = childrenOf(process.pid)
    .filter((pid) => !others.has(pid))
    .flatMap(treeOf);
  await pin(core, pids);
  return { address: `127.0.0.1:${nginx.port}`, pids: () => pids, stop: () => nginx.stop() };
}

function fastCgiBehind({ address, script }: Server): NginxLocation {
  const location = fastCgiLocation(address.startsWith("/") ? `unix:${address}` : address, {
    keepConn: true,
    ...(script !== undefined && { script }),
  });
  return { ...location, http: location.http.replace("keepalive 4;", keepAlive(script === undefined ? 64 : 4)) };
}

function keepAlive(connections: number): string {
  return `keepalive ${connections}; keepalive_requests 100000000;`;
}

function httpBehind({ address }: Server): NginxLocation {
  const server = address.startsWith("/") ? `unix:${address}` : address;
  return {
    http: `upstream peer { server ${server}; ${keepAlive(64)} }`,
    server: `location / { proxy_pass http://peer; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host; }`,
  };
}

/** A gateway: HTTP on its address, FastCGI to `backend`. */
export type StartGateway = (bench: Bench, backend: Server) => Promise<Server>;

export const nginxGateway: StartGateway = (bench, backend) => nginxBefore(backend, "fastcgi", bench.cores.tested);

export const caddyGateway: StartGateway = async (bench, { address, script }) => {
  const listen = await addressFor(bench, "tcp");
  const file = join(bench.folder, `Caddyfile-${listen.split(":")[1]}`);
  const rewrite = script === undefined ? "" : `rewrite * /${script.split("/").at(-1)}`;
  const root = script === undefined ? "/var/www/html" : script.slice(0, script.lastIndexOf("/"));
  await writeFile(
    file,
    `{
  admin off
  auto_https off
  log {
    level ERROR
  }
}
http://:${listen.split(":")[1]} {
  bind 127.0.0.1
  ${rewrite}
  reverse_proxy unix/${address} {
    transport fastcgi {
      root ${root}
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

/** Our client in a fetch-style server on Node.js. */
export function fetchcgiGateway(base = false): StartGateway {
  return async (bench, { address, script }) => {
    const [command, options] = runtimeCommand(bench, "node");
    const listen = await addressFor(bench, "tcp");
    const port = listen.split(":")[1]!;
    const args = [libraryOf(bench, base), address, port, ...(script === undefined ? [] : [script])];
    const program = await startProgram(command, [...options, bench.peer("gateway.mjs"), ...args], {
      name: "gateway.mjs",
      core: bench.cores.tested,
      ready: "ready",
    });
    return { address: listen, ...handles(program) };
  };
}
