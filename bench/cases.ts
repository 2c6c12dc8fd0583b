// The questions of the bench, the most important first. Names in targets are names of entries.

import {
  caddyGateway,
  fetchcgi,
  fetchcgiGateway,
  go,
  libfcgi,
  nginxGateway,
  phpFpm,
  type Runtime,
  type StartServer,
  scriptServer,
  sink,
} from "./contenders.ts";
import {
  behindNginx,
  calling,
  callingFetchcgi,
  callingFromC,
  coding,
  codingInGo,
  gateway,
  holding,
  type Job,
  serving,
  servingHttp,
} from "./entries.ts";
import type { Load } from "./load.ts";
import type { BenchOptions } from "./options.ts";
import { CHUNK, CHUNKS, HELLO, LARGE } from "./peers/answers.mjs";
import type { BenchCase, Entry } from "./types.ts";

const CPU = "µs CPU per request";

const floorOn = (runtime: Runtime): StartServer => scriptServer("floor_server.mjs", { runtime });
const floor: StartServer = floorOn("node");
const nodeFastcgi: StartServer = scriptServer("node_fastcgi_server.mjs");
const nodeHttp: StartServer = scriptServer("node_http_server.mjs", { listen: "tcp" });
const srvx: StartServer = scriptServer("srvx_server.mjs", { listen: "tcp" });

const hello: Load = { path: "/", answer: HELLO, answerLength: HELLO.length };
const large = { connections: 8, answer: "alphabet", answerLength: LARGE } as const;
/** The most connections that php-fpm can keep: one for each of its workers. */
const four = { connections: 4 } as const;

const denoFcgi = { name: "deno x/fcgi", reason: "not on npm or JSR, and deno.land is not asked" } as const;

const NAMES = { bun: "Bun", deno: "Deno" } as const;

/** Our entries beside the one on Node.js: another build, other runtimes, where the command line names them. */
function ours(options: BenchOptions, make: (name: string, start: StartServer) => Entry): Entry[] {
  return [
    make("fetchcgi", fetchcgi()),
    ...(options.base === undefined ? [] : [make("fetchcgi (base)", fetchcgi({ base: true }))]),
    ...(options.bun === undefined ? [] : [make("fetchcgi on Bun", fetchcgi({ runtime: "bun" }))]),
    ...(options.deno === undefined ? [] : [make("fetchcgi on Deno", fetchcgi({ runtime: "deno" }))]),
  ];
}

/** The cases, with the contenders that the options name. Each has a target, or is there to compare builds and runtimes. */
export function casesFor(options: BenchOptions): readonly BenchCase[] {
  return [
    ...serveHello(options),
    ...calls(options),
    ...codecs(options),
    ...bodies(options),
    ...connections(options),
    ...fronts(options),
  ];
}

function serveHello(options: BenchOptions): BenchCase[] {
  const missing = (["bun", "deno"] as const)
    .filter((runtime) => options[runtime] === undefined)
    .map((runtime) => ({ name: `fetchcgi on ${NAMES[runtime]}`, reason: `no --${runtime} PATH was given` }));
  return [
    {
      id: "serve-hello",
      quick: true,
      title: "Serving hello, 64 kept connections",
      figure: CPU,
      entries: [
        ...ours(options, (name, start) => serving(name, start, hello)),
        serving("fetchcgi, FastResponse", fetchcgi({ response: "FastResponse" }), hello),
        serving("floor: bare socket callbacks", floor, hello),
        serving("C, fixed bytes", sink(), hello),
        serving("libfcgi, 64 processes", libfcgi(64), hello),
        serving("Go net/http/fcgi", go, hello),
        serving("php-fpm, 4 workers", phpFpm, { ...hello, ...four }),
        serving("node-fastcgi", nodeFastcgi, hello),
      ],
      missing: [...missing, denoFcgi],
      targets: [
        { of: "fetchcgi", against: "Go net/http/fcgi", most: 0.5 },
        { of: "fetchcgi", against: "node-fastcgi", most: 0.3 },
        { of: "fetchcgi", against: "floor: bare socket callbacks", most: 1.7 },
        { of: "fetchcgi, FastResponse", against: "floor: bare socket callbacks", most: 1.7 },
      ],
    },
    serveRuntimes(options),
  ];
}

/** Each runtime against its own floor, because the speed of the runtime itself is not this library's. */
function serveRuntimes({ bun, deno, nodes }: BenchOptions): BenchCase {
  const runtimes: (readonly [name: string, runtime: Runtime])[] = [
    ...[...nodes.keys()].map((major) => [`Node.js ${major}`, major] as const),
    ...(bun === undefined ? [] : [[NAMES.bun, "bun"] as const]),
    ...(deno === undefined ? [] : [[NAMES.deno, "deno"] as const]),
  ];
  return {
    id: "serve-runtimes",
    title: "Serving hello on each runtime, beside its own bare sockets",
    figure: CPU,
    entries: runtimes.flatMap(([name, runtime]) => [
      serving(name, fetchcgi({ runtime }), hello),
      serving(`${name}, FastResponse`, fetchcgi({ runtime, response: "FastResponse" }), hello),
      serving(`${name}, floor`, floorOn(runtime), hello),
    ]),
    targets: runtimes.map(([name]) => ({ of: name, against: `${name}, floor`, most: 2 })),
  };
}

function calls(options: BenchOptions): BenchCase[] {
  const call = (
    id: string,
    job: Job,
    title: string,
    load: Load,
    most: readonly [client: number, floor: number | null],
  ): BenchCase => ({
    id,
    quick: id === "client-hello",
    title,
    figure: CPU,
    entries: [
      callingFetchcgi("fetchcgi", job),
      callingFetchcgi("fetchcgi, multiplexed", job, { mode: "multiplexed" }),
      ...(options.base === undefined ? [] : [callingFetchcgi("fetchcgi (base)", job, { base: true })]),
      ...(options.bun === undefined ? [] : [callingFetchcgi("fetchcgi on Bun", job, { runtime: "bun" })]),
      ...(options.deno === undefined ? [] : [callingFetchcgi("fetchcgi on Deno", job, { runtime: "deno" })]),
      calling("floor: bare sockets", "floor_client.mjs", job),
      callingFromC("C", job, load),
      calling("fastcgi-client, multiplexed", "fastcgi_client.mjs", job),
    ],
    missing: [denoFcgi],
    targets: [
      { of: "fetchcgi", against: "fastcgi-client, multiplexed", most: most[0] },
      ...(most[1] === null ? [] : [{ of: "fetchcgi", against: "floor: bare sockets", most: most[1] }]),
    ],
  });
  return [
    call("client-hello", "hello", "Calling: hello from a C backend, 64 at once on kept connections", hello, [0.6, 2]),
    call("client-post", "post", "Calling: POST of 1 MiB, 8 at once", { ...hello, connections: 8, body: LARGE }, [
      0.6,
      null,
    ]),
    call("client-large", "large", "Calling: response of 1 MiB read as a stream, 8 at once", { path: "/", ...large }, [
      0.6,
      null,
    ]),
  ];
}

function codecs({ base }: BenchOptions): BenchCase[] {
  const other = (style: string, job: string): Entry[] =>
    base === undefined ? [] : [coding("fetchcgi (base)", style, job, true)];
  return [
    {
      id: "codec-get",
      quick: true,
      title: "Codec: a GET with 25 params, decoded to strings",
      figure: "µs CPU per conversation",
      entries: [
        coding("fetchcgi, stages by hand", "fetchcgi", "get"),
        coding("fetchcgi, one TransformStream", "one stream", "get"),
        coding("fetchcgi, two TransformStreams", "two streams", "get"),
        ...other("fetchcgi", "get"),
        coding("reference by hand", "reference", "get"),
        codingInGo("Go net/http/fcgi, its params alone"),
      ],
      targets: [
        { of: "fetchcgi, stages by hand", against: "Go net/http/fcgi, its params alone", most: 1 },
        { of: "fetchcgi, one TransformStream", against: "Go net/http/fcgi, its params alone", most: 1.5 },
      ],
    },
    {
      id: "codec-encode",
      quick: true,
      title: "Codec: a GET with 25 params, encoded",
      figure: "µs CPU per request",
      entries: [
        coding("fetchcgi", "fetchcgi", "encode"),
        ...other("fetchcgi", "encode"),
        coding("reference by hand", "reference", "encode"),
      ],
      missing: [
        {
          name: "Go net/http/fcgi",
          reason: "it has no encoder of requests that could be called (3.3 µs when its tests' own was measured)",
        },
      ],
      // 0.6 × the 3.3 µs of Go, because Go can't be measured in the same run.
      targets: [{ of: "fetchcgi", against: null, most: 2 }],
    },
    {
      id: "codec-large",
      title: "Codec: STDIN records of 32 KiB, whole in their chunk",
      figure: "µs CPU per record",
      entries: [coding("fetchcgi", "fetchcgi", "large"), coding("plain copy", "copy", "large")],
      // If a record is in one chunk it must not be copied, so it takes less than a tenth of the time of a copy.
      targets: [{ of: "fetchcgi", against: "plain copy", most: 0.1 }],
    },
    {
      id: "codec-split",
      quick: true,
      title: "Codec: STDIN records of 32 KiB, cut by their chunks",
      figure: "µs CPU per record",
      entries: [coding("fetchcgi", "fetchcgi", "split"), coding("plain copy", "copy", "split")],
      targets: [{ of: "fetchcgi", against: "plain copy", most: 2 }],
    },
  ];
}

function bodies(options: BenchOptions): BenchCase[] {
  const drain: Load = {
    path: "/drain",
    connections: 8,
    body: LARGE,
    answer: `${LARGE}\n`,
    answerLength: String(LARGE).length + 1,
  };
  const echo: Load = { path: "/echo", body: LARGE, ...large };
  const bytes: Load = { path: "/bytes", ...large };
  const stream: Load = { path: "/stream", ...large };
  const chunks: Load = { path: "/chunks", connections: 8, answer: "alphabet", answerLength: CHUNK * CHUNKS };
  return [
    {
      id: "serve-drain",
      quick: true,
      title: "Serving: POST of 1 MiB, drained, 8 connections",
      figure: CPU,
      entries: [
        ...ours(options, (name, start) => serving(name, start, drain)),
        serving("floor: bare socket callbacks", floor, drain),
        serving("libfcgi, 8 processes", libfcgi(8), drain),
        serving("Go net/http/fcgi", go, drain),
        serving("php-fpm, 4 workers", phpFpm, { ...drain, ...four }),
        serving("node-fastcgi", nodeFastcgi, drain),
      ],
      targets: [
        { of: "fetchcgi", against: "Go net/http/fcgi", most: 1 },
        { of: "fetchcgi", against: "node-fastcgi", most: 0.25 },
      ],
    },
    {
      id: "serve-echo",
      title: "Serving: POST of 1 MiB, echoed, 8 connections",
      figure: CPU,
      entries: [
        ...ours(options, (name, start) => serving(name, start, echo)),
        serving("Go net/http/fcgi", go, echo),
        serving("node-fastcgi", nodeFastcgi, echo),
      ],
      missing: [
        {
          name: "libfcgi",
          reason: "a process stops reading while its output is not read: the load generator sends first",
        },
      ],
    },
    {
      id: "serve-bytes",
      quick: true,
      title: "Serving: response of 1 MiB from bytes, 8 connections",
      figure: CPU,
      entries: [
        ...ours(options, (name, start) => serving(name, start, bytes)),
        serving("fetchcgi, FastResponse", fetchcgi({ response: "FastResponse" }), bytes),
        serving("floor: bare socket callbacks", floor, bytes),
        serving("libfcgi, 8 processes", libfcgi(8), bytes),
        serving("Go net/http/fcgi", go, bytes),
        serving("php-fpm, 4 workers", phpFpm, { ...bytes, ...four }),
        serving("node-fastcgi", nodeFastcgi, bytes),
      ],
      targets: [{ of: "fetchcgi", against: "Go net/http/fcgi", most: 1 }],
    },
    {
      id: "serve-stream",
      title: "Serving: response of 1 MiB from chunks of 64 KiB, 8 connections",
      figure: CPU,
      entries: [
        ...ours(options, (name, start) => serving(name, start, stream)),
        serving("Go net/http/fcgi", go, stream),
        serving("node-fastcgi", nodeFastcgi, stream),
      ],
      targets: [{ of: "fetchcgi", against: "Go net/http/fcgi", most: 1.2 }],
    },
    {
      id: "serve-chunks",
      quick: true,
      title: "Serving: response of 10,000 chunks of 100 bytes, 8 connections",
      figure: CPU,
      entries: [
        ...ours(options, (name, start) => serving(name, start, chunks)),
        servingHttp("node:http over HTTP", nodeHttp, chunks),
        serving("Go net/http/fcgi", go, chunks),
        serving("node-fastcgi", nodeFastcgi, chunks),
      ],
      targets: [{ of: "fetchcgi", against: "node:http over HTTP", most: 1 }],
    },
  ];
}

function connections(options: BenchOptions): BenchCase[] {
  const once: Load = { ...hello, keep: false };
  const helloWith = (count: number, inFlight = 1): Load => ({ ...hello, connections: count, inFlight });
  return [
    {
      id: "serve-multiplexed",
      quick: true,
      title: "Serving hello: requests in flight on one connection",
      figure: CPU,
      entries: [
        serving("1 in flight", fetchcgi(), helloWith(1)),
        serving("10 in flight", fetchcgi(), helloWith(1, 10)),
        serving("100 in flight", fetchcgi(), helloWith(1, 100)),
        serving("100 connections", fetchcgi(), helloWith(100)),
        serving("Go net/http/fcgi, 100 in flight", go, helloWith(1, 100)),
      ],
      targets: [{ of: "100 in flight", against: "100 connections", most: 1 }],
    },
    {
      id: "serve-close",
      title: "Serving hello: a connection for each request, 64 at once",
      figure: CPU,
      entries: [
        ...ours(options, (name, start) => serving(name, start, once)),
        serving("libfcgi, 64 processes", libfcgi(64), once),
        serving("Go net/http/fcgi", go, once),
        serving("php-fpm, 4 workers", phpFpm, { ...once, ...four }),
        serving("node-fastcgi", nodeFastcgi, once),
      ],
      missing: [
        { name: "floor: bare socket callbacks, C, fixed bytes", reason: "the floor knows kept connections only" },
      ],
      targets: [{ of: "fetchcgi", against: "Go net/http/fcgi", most: 1 }],
    },
    {
      id: "serve-connections",
      title: "Serving hello: number of connections",
      figure: CPU,
      entries: [
        serving("10 connections", fetchcgi(), helloWith(10)),
        serving("50 connections", fetchcgi(), helloWith(50)),
        serving("500 connections", fetchcgi(), helloWith(500)),
        serving("5,000 connections", fetchcgi(), helloWith(5_000)),
        serving("floor, 50 connections", floor, helloWith(50)),
        serving("floor, 5,000 connections", floor, helloWith(5_000)),
      ],
      targets: [{ of: "5,000 connections", against: "50 connections", most: 1.25 }],
    },
    {
      id: "serve-idle",
      title: "Serving: 10,000 idle connections",
      figure: "KiB of memory per connection",
      fresh: true,
      entries: [
        ...ours(options, (name, start) => holding(name, start, 10_000, hello)),
        holding("floor: bare socket callbacks", floor, 10_000, hello),
        holding("Go net/http/fcgi", go, 10_000, hello),
        holding("node-fastcgi", nodeFastcgi, 10_000, hello),
      ],
      targets: [{ of: "fetchcgi", against: null, most: 12 }],
    },
  ];
}

function fronts(options: BenchOptions): BenchCase[] {
  return [
    {
      id: "nginx-hello",
      quick: true,
      title: "Hello behind nginx, 64 kept connections",
      figure: CPU,
      entries: [
        ...ours(options, (name, start) => behindNginx(name, start, "fastcgi", hello)),
        behindNginx("node:http, proxy_pass", nodeHttp, "http", hello),
        behindNginx("srvx with native Response, proxy_pass", srvx, "http", hello),
        behindNginx("Go net/http/fcgi", go, "fastcgi", hello),
        behindNginx("libfcgi, 64 processes", libfcgi(64), "fastcgi", hello),
        behindNginx("php-fpm, 4 workers", phpFpm, "fastcgi", { ...hello, ...four }),
        behindNginx("node-fastcgi", nodeFastcgi, "fastcgi", hello),
      ],
      targets: [
        { of: "fetchcgi", against: "node:http, proxy_pass", most: 1 },
        { of: "fetchcgi", against: "srvx with native Response, proxy_pass", most: 0.5 },
      ],
    },
    {
      id: "gateway-c",
      quick: true,
      title: "Gateway, HTTP in and FastCGI out: hello from a C backend, 64 connections",
      figure: CPU,
      entries: [
        gateway("fetchcgi and srvx", fetchcgiGateway(), sink(), hello),
        ...(options.base === undefined
          ? []
          : [gateway("fetchcgi (base) and srvx", fetchcgiGateway(true), sink(), hello)]),
        gateway("nginx", nginxGateway, sink(), hello),
        gateway("Caddy", caddyGateway, sink(), hello),
      ],
      targets: [{ of: "fetchcgi and srvx", against: "Caddy", most: 0.6 }],
    },
    {
      id: "gateway-php",
      title: "Gateway, HTTP in and FastCGI out: hello from php-fpm, 4 connections",
      figure: CPU,
      entries: [
        gateway("fetchcgi and srvx", fetchcgiGateway(), phpFpm, { ...hello, ...four }),
        gateway("nginx", nginxGateway, phpFpm, { ...hello, ...four }),
        gateway("Caddy", caddyGateway, phpFpm, { ...hello, ...four }),
      ],
      targets: [{ of: "fetchcgi and srvx", against: "Caddy", most: 0.6 }],
    },
  ];
}
