// The questions of the bench. Names in targets are names of entries.

import {
  caddyGateway,
  fetchcgi,
  go,
  httpListener,
  type Listener,
  libfcgi,
  nginxGateway,
  type Runtime,
  type Settings,
  scriptGateway,
  scriptServer,
  servedListener,
} from "./contenders.ts";
import {
  behindNginx,
  calling,
  callingFetchcgi,
  coding,
  commanding,
  gateway,
  type Held,
  holding,
  type Job,
  ours,
  serving,
  starting,
  wholeRun,
} from "./entries.ts";
import type { Load } from "./load.ts";
import { CHUNK, CHUNKS, HELLO, LARGE } from "./peers/answers.mjs";
import type { BenchCase, Entry, Target } from "./types.ts";

const CPU = "µs CPU per request";

const hello: Load = { path: "/", answer: HELLO, answerLength: HELLO.length };
const large = { connections: 8, answer: "alphabet", answerLength: LARGE } as const;

const FLOOR = "floor: bare socket callbacks";
const GO = "Go net/http/fcgi";
const LIBFCGI = "libfcgi, 64 processes";
const FASTCGI_CLIENT = "fastcgi-client, multiplexed";
const SERVED = "fetchcgi";
const LAZY = "fetchcgi, lazyRequest";
const FAST = "fetchcgi, lazyRequest and FastResponse";

/** A young generation of at most 2 MiB halves: what the documents advise for a process that moves large bodies. */
const SEMI_SPACE = { flags: ["--max-semi-space-size=2"] };

/** The floor on the runtime of a contender: the speed of the runtime itself is not this library's. */
const floor = (load: Load, runtime: Runtime = "node"): Entry =>
  serving(FLOOR, scriptServer("floor_server.mjs", { runtime }), load);

const served = (name: string, load: Load, settings: Settings = {}, options: Parameters<typeof fetchcgi>[1] = {}) =>
  ours(serving(name, fetchcgi(settings, options), load));

/** Hello on one runtime, the most that each handler may take of its floor, and other targets. */
function helloOn(
  title: string,
  runtime: Runtime,
  floors: readonly (readonly [of: string, most: number])[],
  peers: readonly Entry[] = [],
  others: readonly Target[] = [],
): BenchCase {
  return {
    id: `hello-${typeof runtime === "number" ? `node${runtime}` : runtime}`,
    title: `Serving hello on ${title}, 64 kept connections`,
    figure: CPU,
    quick: runtime === 24,
    entries: [
      served(SERVED, hello, {}, { runtime }),
      served(LAZY, hello, { lazyRequest: true }, { runtime }),
      served(FAST, hello, { lazyRequest: true, response: "FastResponse" }, { runtime }),
      floor(hello, runtime),
      ...peers,
    ],
    targets: [...floors.map(([of, most]) => ({ of, against: FLOOR, most })), ...others],
  };
}

const helloPeers = [serving(GO, go, hello), serving(LIBFCGI, libfcgi(64), hello)];
const helloTargets = [
  { of: SERVED, against: GO, most: 0.48 },
  { of: LAZY, against: GO, most: 0.42 },
  { of: FAST, against: GO, most: 0.3 },
  { of: FAST, against: LIBFCGI, most: 1.1 },
];
const newest = [[SERVED, 2.2] as const, [LAZY, 2] as const, [FAST, 1.4] as const];

const hellos: readonly BenchCase[] = [
  helloOn("Node.js 24", 24, newest, helloPeers, helloTargets),
  helloOn("Node.js 26", 26, newest, helloPeers, helloTargets),
  helloOn("Node.js 22", 22, [
    [SERVED, 2.5],
    [FAST, 1.4],
  ]),
  helloOn("Node.js 20", 20, [
    [SERVED, 3.4],
    [FAST, 1.4],
  ]),
  helloOn("Bun", "bun", [
    [SERVED, 2.4],
    [FAST, 1.5],
  ]),
  helloOn("Deno", "deno", [
    [SERVED, 2],
    [FAST, 1.5],
  ]),
  {
    id: "hono",
    title: "Serving hello by an unchanged Hono app, 64 kept connections",
    figure: CPU,
    entries: [
      served("globalThis.Response = FastResponse", hello, { app: "Hono", response: "FastResponse" }),
      served("the Response of the runtime", hello, { app: "Hono" }),
    ],
    targets: [{ of: "globalThis.Response = FastResponse", against: "the Response of the runtime", most: 0.6 }],
  },
];

/** An application that takes (req, res), and what it may take of what it takes on node:http. */
function listenerCase(
  listener: Listener,
  id: string,
  title: string,
  most: number,
  others: readonly Entry[] = [],
): BenchCase {
  const [own, native] = ["serve({ listener }), fastcgi_pass", "node:http, proxy_pass"] as const;
  return {
    id,
    title: `Hello by ${title} behind nginx, 64 connections`,
    figure: CPU,
    entries: [
      ours(behindNginx(own, servedListener(listener), "fastcgi_pass", hello)),
      behindNginx(native, httpListener(listener), "proxy_pass", hello),
      ...others,
    ],
    targets: [{ of: own, against: native, most }],
  };
}

const listeners: readonly BenchCase[] = [
  listenerCase("bare", "listener", "a bare listener", 4, [
    ours(behindNginx("serve({ fetch }), fastcgi_pass", fetchcgi(), "fastcgi_pass", hello)),
  ]),
  listenerCase("Express", "listener-express", "an Express app", 4),
];

const posted = { connections: 8, body: LARGE, answer: `${LARGE}\n`, answerLength: String(LARGE).length + 1 } as const;
const streamed: Load = { path: "/drain", ...posted };
const text: Load = { path: "/text", ...posted };

const bodies: readonly BenchCase[] = [
  {
    id: "post",
    quick: true,
    title: "Serving: POST of 1 MiB, 8 connections",
    figure: CPU,
    entries: [
      served("fetchcgi, streamed", streamed),
      served("fetchcgi, streamed, semi-space 2", streamed, {}, SEMI_SPACE),
      served("fetchcgi, text()", text),
      served("fetchcgi, text(), semi-space 2", text, {}, SEMI_SPACE),
      floor(streamed),
      serving(GO, go, streamed),
      serving("Go, text", go, text),
    ],
    targets: [
      { of: "fetchcgi, streamed", against: FLOOR, most: 1.8 },
      { of: "fetchcgi, streamed, semi-space 2", against: GO, most: 1.1 },
      { of: "fetchcgi, text()", against: "Go, text", most: 1.1 },
    ],
  },
  {
    id: "response",
    quick: true,
    title: "Serving: response of 1 MiB, 8 connections",
    figure: CPU,
    entries: [
      served("fetchcgi, FastResponse of bytes", { path: "/bytes", ...large }, { response: "FastResponse" }),
      served("fetchcgi, Response of bytes", { path: "/bytes", ...large }),
      served("fetchcgi, chunks of 64 KiB", { path: "/stream", ...large }),
      serving("Go, bytes", go, { path: "/bytes", ...large }),
      serving("Go, chunks of 64 KiB", go, { path: "/stream", ...large }),
    ],
    targets: [
      { of: "fetchcgi, FastResponse of bytes", against: "Go, bytes", most: 0.85 },
      { of: "fetchcgi, chunks of 64 KiB", against: "Go, chunks of 64 KiB", most: 1.1 },
    ],
  },
  {
    id: "chunks",
    title: "Serving: response of 10,000 chunks of 100 bytes, 8 connections",
    figure: CPU,
    entries: [
      served(SERVED, { path: "/chunks", connections: 8, answer: "alphabet", answerLength: CHUNK * CHUNKS }),
      coding("bare loop of read()", "reader loop", "chunks"),
    ],
    targets: [{ of: SERVED, against: "bare loop of read()", most: 1.3 }],
  },
];

const floorClient = (job: Job): Entry => calling(FLOOR, "floor_client.mjs", job);
const fastcgiClient = (job: Job): Entry => calling(FASTCGI_CLIENT, "fastcgi_client.mjs", job);
const CALLED = "fetchcgi";
const CALLED_SEMI_SPACE = "fetchcgi, semi-space 2";
const CALLED_FAST = "fetchcgi, FastResponse";

const calls: readonly BenchCase[] = [
  {
    id: "client-hello",
    quick: true,
    title: "Calling: hello from a C backend, 64 at once on kept connections",
    figure: CPU,
    entries: [
      callingFetchcgi(CALLED, "hello"),
      callingFetchcgi(CALLED_FAST, "hello", { options: { response: "FastResponse" } }),
      floorClient("hello"),
      fastcgiClient("hello"),
    ],
    targets: [
      { of: CALLED, against: FLOOR, most: 2.2 },
      { of: CALLED_FAST, against: FLOOR, most: 1.9 },
      { of: CALLED, against: FASTCGI_CLIENT, most: 0.5 },
    ],
  },
  {
    id: "client-runs",
    title: "Calling: hello, processes that are a fifth slower than their median",
    figure: CPU,
    freshRounds: 20,
    noControl: true,
    entries: [wholeRun(callingFetchcgi(CALLED, "hello")), wholeRun(floorClient("hello"))],
    targets: [{ of: CALLED, against: FLOOR, most: 0, slowRuns: true }],
  },
  {
    id: "client-post",
    title: "Calling: POST of 1 MiB, 8 at once",
    figure: CPU,
    entries: [
      callingFetchcgi(CALLED, "post"),
      callingFetchcgi(CALLED_SEMI_SPACE, "post", SEMI_SPACE),
      floorClient("post"),
      fastcgiClient("post"),
    ],
    targets: [{ of: CALLED, against: FASTCGI_CLIENT, most: 0.6 }],
  },
  {
    id: "client-large",
    title: "Calling: response of 1 MiB, 8 at once",
    figure: CPU,
    entries: [
      callingFetchcgi(CALLED, "large"),
      callingFetchcgi(CALLED_SEMI_SPACE, "large", SEMI_SPACE),
      callingFetchcgi("fetchcgi, text()", "text"),
      floorClient("large"),
      fastcgiClient("large"),
    ],
    targets: [
      { of: CALLED, against: FLOOR, most: 2 },
      { of: CALLED_SEMI_SPACE, against: FASTCGI_CLIENT, most: 1.2 },
    ],
  },
];

/** Our client behind the HTTP server of a runtime, and those that it is compared with. */
function gatewayOn(
  id: string,
  server: string,
  runtime: Runtime,
  peers: readonly Entry[],
  most: readonly number[],
): BenchCase {
  const name = `fetchcgi and ${server}`;
  return {
    id,
    title: `Gateway on ${server}, HTTP in and FastCGI out: hello from a C backend, 64 connections`,
    figure: CPU,
    quick: id === "gateway",
    entries: [ours(gateway(name, scriptGateway("gateway.mjs", runtime), hello)), ...peers],
    targets: peers.map((peer, index) => ({ of: name, against: peer.name, most: most[index]! })),
  };
}

const floorGateway = gateway("node:http and bare sockets", scriptGateway("floor_gateway.mjs"), hello);
const nginx = gateway("nginx, one worker", nginxGateway, hello);
const gateways: readonly BenchCase[] = [
  gatewayOn("gateway", "srvx", "node", [gateway("Caddy", caddyGateway, hello), floorGateway], [0.48, 2]),
  gatewayOn("gateway-bun", "Bun.serve", "bun", [nginx], [1.9]),
  gatewayOn("gateway-deno", "Deno.serve", "deno", [nginx], [2.2]),
];

const memoryOf = (id: string, held: Held, unit: string, most: number, peers: readonly Entry[] = []): BenchCase => ({
  id,
  title: `Serving: 10,000 ${held}`,
  figure: `KiB of memory per ${unit}`,
  freshRounds: 2,
  entries: [ours(holding(SERVED, fetchcgi(), held, 10_000, hello)), ...peers],
  targets: [{ of: SERVED, against: null, most }],
});

const rest: readonly BenchCase[] = [
  memoryOf("idle", "idle connections", "connection", 8.5, [
    holding(FLOOR, scriptServer("floor_server.mjs"), "idle connections", 10_000, hello),
  ]),
  memoryOf("active", "active requests", "request", 3.5),
  {
    id: "encode",
    quick: true,
    title: "Codec: a GET with 25 params, encoded",
    figure: CPU,
    entries: [ours(coding("fetchcgi", "fetchcgi", "encode")), coding("by hand", "reference", "encode")],
    targets: [{ of: "fetchcgi", against: "by hand", most: 0.9 }],
  },
  {
    // What a call costs, and a stream: it decides which of them server and client use.
    id: "decode",
    title: "Codec: a GET with 25 params, decoded to strings",
    figure: CPU,
    entries: [
      ours(coding("fetchcgi, stages by hand", "fetchcgi", "get")),
      ours(coding("fetchcgi, one TransformStream", "one stream", "get")),
      ours(coding("fetchcgi, two TransformStreams", "two streams", "get")),
      coding("by hand", "reference", "get"),
    ],
  },
  ...[20, 22, 24, 26].map(
    (major): BenchCase => ({
      id: `start-node${major}`,
      title: `Starting Node.js ${major} with import "fetchcgi/node"`,
      figure: "ms",
      entries: [ours(starting('import "fetchcgi/node"', major, "node.js")), starting("node -e 0", major, null)],
      targets: [{ of: 'import "fetchcgi/node"', against: "node -e 0", most: 1.7 }],
    }),
  ),
  ...[20, 22, 24, 26].map(
    (major): BenchCase => ({
      id: `command-node${major}`,
      title: `Starting the command on Node.js ${major}`,
      figure: "ms",
      quick: major === 24,
      entries: [
        ours(commanding("fetchcgi --help", major, ["--help"])),
        ours(commanding("fetchcgi ping", major, ["ping"], { toBackend: true })),
        starting("node -e 0", major, null),
      ],
      targets: [
        { of: "fetchcgi --help", against: "node -e 0", most: 1.5 },
        { of: "fetchcgi ping", against: "node -e 0", most: 1.5 },
      ],
    }),
  ),
];

/** The cases, the most important first. Each has a target, but for the one that says why it is there. */
export const cases: readonly BenchCase[] = [...hellos, ...listeners, ...calls, ...gateways, ...bodies, ...rest];
