// `fetchcgi tap` and `fetchcgi inspect`, with peers that send any bytes.

import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, constants, existsSync, openSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { FastCgiHttpClient, FastCgiUnixConnector, serve } from "../../adapters/node/index.ts";
import { Recorder } from "../../cli/tap/recorder.ts";
import { Ui } from "../../cli/tap/ui.ts";
import type { ExchangeReport, Report } from "../../cli/wire/report.ts";
import { requireRuntime } from "../../scripts/setup.mjs";
import { encodeEndRequestBody, encodeRecords, RecordType } from "../../src/toolkit.ts";
import { freePort } from "../support/free_port.ts";
import { deferred } from "../support/open_stream.ts";
import { patternBytes } from "../support/pattern.ts";
import { startProcess, waitUntil } from "../support/process.ts";
import { begin } from "../support/records.ts";
import { createTemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";
import { loadFrontends } from "../support/vectors.ts";
import { fetchcgi } from "./run.ts";
import { startTap } from "./running_tap.ts";

failOnUnhandledRejections();

/** An application that does with its connections what a test says. */
async function startPeer(onConnection: (socket: Socket) => void, { isUnix = false } = {}): Promise<string> {
  const folder = await createTemporaryDirectory("peer");
  const path = join(folder.path, "app.sock");
  const sockets = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    onConnection(socket);
  });
  await new Promise<void>((resolve) =>
    isUnix ? server.listen(path, resolve) : server.listen(0, "127.0.0.1", resolve),
  );
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await folder.remove();
  });
  return isUnix ? path : `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Opens a connection, half-open, and collects what comes. */
async function open(target: { path: string } | { port: number }): Promise<{
  socket: Socket;
  received: () => Buffer;
  ended: Promise<void>;
  /** Resolves to the error with which it was closed, or to nothing. */
  closed: Promise<string | undefined>;
}> {
  const socket = connect({ ...target, allowHalfOpen: true });
  const pieces: Buffer[] = [];
  const [ended, closed] = [deferred<void>(), deferred<string | undefined>()];
  let error: NodeJS.ErrnoException | undefined;
  socket.on("data", (piece) => pieces.push(piece));
  socket.on("end", () => ended.resolve());
  socket.on("error", (thrown) => {
    error = thrown;
  });
  socket.on("close", () => closed.resolve(error?.code));
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  onTestFinished(() => void socket.destroy());
  return { socket, received: () => Buffer.concat(pieces), ended: ended.promise, closed: closed.promise };
}

const MAIN = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** The page of nginx's first recorded request, for an application. */
const REQUEST = loadFrontends().find(({ server, name }) => server === "nginx" && name === "get-query")!.bytes;

describe("fetchcgi tap", () => {
  it("passes bytes that are no FastCGI both ways, each end by itself, and says that they are none", async () => {
    const [there, back] = [patternBytes(3_000_000), patternBytes(2_000_000).reverse()];
    const got = deferred<string>();
    const to = await startPeer((socket) => {
      const pieces: Buffer[] = [];
      socket.on("data", (piece) => pieces.push(piece));
      // The answer comes behind the end of the input.
      socket.on("end", () => {
        got.resolve(sha256(Buffer.concat(pieces)));
        socket.end(back);
      });
    });
    const tap = await startTap(to);
    const web = await open(tap);
    web.socket.end(there);
    expect(await got.promise).toBe(sha256(there));
    await web.ended;
    expect(sha256(web.received())).toBe(sha256(back));
    await web.closed;
    await waitUntil(() => tap.text().includes("odd FCGI-3.3-2"));
    expect(tap.text()).toContain(
      "the web server sends something else: Cannot decode a record: expected version 1, got 7",
    );
  });

  it("holds a party back that sends faster than the other one reads", async () => {
    const held = deferred<Socket>();
    const to = await startPeer(
      (socket) => {
        socket.pause();
        held.resolve(socket);
      },
      { isUnix: true },
    );
    const tap = await startTap(to, ["--drain", "100"]);
    const web = await open(tap);
    const application = await held.promise;
    // More than the sockets and the tap can hold.
    const piece = patternBytes(64 * 1024);
    const size = 128 * piece.length;
    let taken = 0;
    const onTaken = (): void => {
      taken += piece.length;
    };
    for (let start = 0; start < size; start += piece.length) web.socket.write(piece, onTaken);
    // One event loop moves both directions: when twice as much has come back, all of it would have been taken as well.
    application.end(patternBytes(2 * size));
    await web.ended;
    expect(web.received()).toHaveLength(2 * size);
    expect(taken).toBeLessThan(size / 2);
    let count = 0;
    application.on("data", (read: Buffer) => {
      count += read.length;
    });
    application.resume();
    await waitUntil(() => count === size);
  });

  it("passes on that a party has broken the connection", async () => {
    const to = await startPeer((socket) => {
      socket.once("data", () => socket.write("before", () => socket.resetAndDestroy()));
    });
    const port = await freePort();
    const tap = await startTap(to, ["--listen", `tcp:127.0.0.1:${port}`, "--records"]);
    const web = await open({ port });
    // Node 20 ends a connection before it resets it, and what writes hears of the reset.
    const writing = setInterval(() => web.socket.write("x"), 10);
    onTestFinished(() => clearInterval(writing));
    expect(await web.closed).toMatch(/^(ECONNRESET|EPIPE)$/);
    await waitUntil(() => tap.text().includes("closed: "));
    expect(tap.text()).toMatch(/closed: the application (broke|closed) the connection/);
  });

  it("loses nothing of an early answer when the application takes no more of the request", async () => {
    const record = (type: number, contentData: Uint8Array): Uint8Array =>
      encodeRecords([{ type, requestId: 1, contentData }]);
    const end = record(RecordType.EndRequest, encodeEndRequestBody({ appStatus: 0, protocolStatus: 0 }));
    const answer = Buffer.concat([...Array(10).fill(record(RecordType.Stdout, patternBytes(60_000))), end]);
    const upload = Array(50).fill(record(RecordType.Stdin, patternBytes(60_000)));
    const left = deferred<void>();
    const to = await startPeer(
      (socket) => {
        // It reads nothing, so that the tap can't write any more once it has left.
        socket.pause();
        socket.on("close", () => left.resolve());
        socket.write(answer, () => socket.destroy());
      },
      { isUnix: true },
    );
    const port = await freePort();
    const tap = await startTap(to, ["--listen", `tcp:127.0.0.1:${port}`, "--drain", "100"]);
    const web = await open({ port });
    web.socket.pause();
    // Without the end of STDIN.
    web.socket.write(Buffer.concat([REQUEST.subarray(0, -8), ...upload]));
    await left.promise;
    await waitUntil(() => tap.text().includes("#1 "));
    web.socket.resume();
    await web.ended;
    expect(sha256(web.received())).toBe(sha256(answer));
    web.socket.end();
    expect(await web.closed).toBeUndefined();
  });

  it("goes on when what reads its output stands still, and says how much was not shown", async () => {
    const server = await serve({ port: 0, fetch: () => new Response("hello") });
    onTestFinished(() => server.close({ timeout: 0 }));
    const { port } = server.address as { port: number };
    const reader = deferred<void>();
    const tap = await startTap(`127.0.0.1:${port}`, ["--json", "--records", "--params"], reader.promise);
    const client = new FastCgiHttpClient(new FastCgiUnixConnector(tap.path), { keepAlive: true });
    onTestFinished(() => client.close({ timeout: 0 }));
    // A page with a header that makes each of its lines long.
    const headers = { "x-long": "x".repeat(50_000) };
    for (let count = 0; count < 120; count++)
      expect(await (await client.fetch("http://localhost/a", { headers })).text()).toBe("hello");
    expect(tap.text()).toBe("");
    reader.resolve();
    await waitUntil(() => tap.text().includes('"skipped"'));
    const shown = tap.exchanges().length;
    const skipped = tap.reports().flatMap((report) => (report.event === "skipped" ? [report.lines] : []));
    expect(shown).toBeGreaterThan(50);
    expect(shown).toBeLessThan(115);
    expect(skipped.reduce((sum, lines) => sum + lines)).toBeGreaterThan(10);
    expect(await (await client.fetch("http://localhost/b")).text()).toBe("hello");
    await waitUntil(() => tap.exchanges().at(-1)!.uri === "/b");
  });

  it("tells of a request that has no end yet, once, and of how it ended", async () => {
    const to = await startPeer(() => {});
    const tap = await startTap(to, ["--drain", "100"]);
    const web = await open(tap);
    web.socket.write(REQUEST);
    await waitUntil(() => /^#1 GET \S+ has no end after ([2-9]|\d\d+) s$/m.test(tap.text()));
    // When another one is told of, the first one could have been told of again.
    const other = await open(tap);
    other.socket.write(REQUEST);
    await waitUntil(() => /^#2 GET \S+ has no end/m.test(tap.text()));
    web.socket.destroy();
    other.socket.destroy();
    expect(await tap.stop()).toBe(0);
    expect(tap.text().match(/^#1 .*has no end/gm)).toHaveLength(1);
    expect(tap.text()).toMatch(/^ {4}aborted: the web server (closed|broke) the connection/m);
  });

  it.each([
    ["Bun", () => [requireRuntime("bun")]],
    ["Deno", () => [requireRuntime("deno"), "run", "--quiet", "--allow-all"]],
  ] as const)("passes bytes and ends by itself on %s", async (_, program) => {
    const back = patternBytes(1_000_000).reverse();
    const to = await startPeer((socket) => socket.resume().on("end", () => socket.end(back)));
    const folder = await createTemporaryDirectory("tap");
    onTestFinished(() => folder.remove());
    const path = join(folder.path, "tap.sock");
    const [command, ...before] = program();
    const args = ["tap", "--listen", `unix:${path}`, "--to", to];
    const running = await startProcess(command!, { name: "fetchcgi tap", args: [...before, MAIN, ...args] });
    onTestFinished(() => running.stop());
    await waitUntil(() => running.stderr().includes("listening on"));
    const web = await open({ path });
    web.socket.end(patternBytes(1_000_000));
    await web.ended;
    expect(sha256(web.received())).toBe(sha256(back));
    await waitUntil(() => running.stdout().includes("odd FCGI-3.3-2"));
    process.kill(running.pid, "SIGTERM");
    expect(await running.exited).toBe("code 0");
    expect(existsSync(path)).toBe(false);
  });

  it("ends when what reads its output has left", async () => {
    const to = await startPeer(() => {});
    const folder = await createTemporaryDirectory("tap");
    onTestFinished(() => folder.remove());
    const path = join(folder.path, "tap.sock");
    const child = spawn(
      requireRuntime("node24"),
      [MAIN, "tap", "--listen", `unix:${path}`, "--to", to, "--drain", "100"],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    let errors = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      errors += text;
    });
    const code = new Promise((resolve) => child.once("exit", resolve));
    await waitUntil(() => errors.includes("listening on"));
    child.stdout.destroy();
    const web = await open({ path });
    web.socket.write("GET / HTTP/1.1\r\n\r\n");
    web.socket.end();
    web.socket.destroy();
    expect(await code).toBe(0);
    expect(existsSync(path)).toBe(false);
  });

  it("keeps the rules of the library's server for an existing socket file", async () => {
    const to = await startPeer(() => {});
    const tap = await startTap(to, ["--mode", "600"]);
    expect(statSync(tap.path).mode & 0o777).toBe(0o600);
    const second = await fetchcgi(["tap", "--listen", `unix:${tap.path}`, "--to", to]);
    expect([second.code, second.errors]).toEqual([1, expect.stringContaining(`Cannot listen on ${tap.path}`)]);
    expect(await tap.stop()).toBe(0);
    expect(existsSync(tap.path)).toBe(false);
  });

  it("leaves the file of --write as it is when it can't listen", async () => {
    const to = await startPeer((socket) => socket.end());
    const tap = await startTap(to, ["--write", "{folder}/wire"]);
    const file = join(tap.folder, "wire");
    const web = await open(tap);
    await web.ended;
    web.socket.end();
    await waitUntil(() => readFileSync(file, "utf8").includes('"closed"'));
    const before = readFileSync(file, "utf8");
    const second = await fetchcgi(["tap", "--listen", `unix:${tap.path}`, "--to", to, "--write", file]);
    expect(second.code).toBe(1);
    // It may have asked whether a process listens there.
    expect(readFileSync(file, "utf8").slice(0, before.length)).toBe(before);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await tap.stop()).toBe(0);
    // A recording takes the place of an earlier one, and keeps nothing of it.
    writeFileSync(file, "x".repeat(100_000), { mode: 0o644 });
    const third = await startTap(to, ["--write", file]);
    await waitUntil(() => readFileSync(file, "utf8").startsWith("{"));
    expect(await third.stop()).toBe(0);
    expect(readFileSync(file, "utf8")).toMatch(/^\{"fetchcgi":"recording",[^\n]*\}\n$/);
  });

  it("goes on when the disk is full, says that the recording ends, and fails in the end", async () => {
    const to = await startPeer((socket) => socket.end("x"));
    const tap = await startTap(to, ["--write", "/dev/full"]);
    const web = await open(tap);
    await web.ended;
    expect(web.received().toString()).toBe("x");
    await waitUntil(() => tap.errors().includes("the recording ends here: ENOSPC"));
    web.socket.end();
    expect(await tap.stop()).toBe(1);
    expect(tap.errors().match(/the recording ends here/g)).toHaveLength(1);
  });

  it("ends a recording for which too much waits, also if it is no bytes", async () => {
    const folder = await createTemporaryDirectory("recorder");
    onTestFinished(() => folder.remove());
    const errors: string[] = [];
    const { signal } = new AbortController();
    const recorder = await Recorder.open(join(folder.path, "wire"), signal, ({ message }) => void errors.push(message));
    // Nothing is written yet, as by a disk that stands still.
    const about = "x".repeat(1024 * 1024);
    for (let connection = 1; connection <= 130; connection++)
      recorder.take({ time: 0, connection, what: "opened", about });
    expect(errors).toEqual([expect.stringContaining("the disk is too slow")]);
    expect(recorder.hasFailed).toBe(true);
    await recorder.close();
  });

  it("ends when it is asked to while the named pipe of --write has no reader", async () => {
    const folder = await createTemporaryDirectory("recorder");
    onTestFinished(() => folder.remove());
    const pipe = join(folder.path, "pipe");
    await promisify(execFile)("mkfifo", [pipe]);
    const ending = new AbortController();
    const args = ["tap", "--listen", `unix:${join(folder.path, "tap.sock")}`, "--to", "9", "--write", pipe];
    const ended = fetchcgi(args, { signal: ending.signal });
    ending.abort();
    expect(await ended).toEqual({ code: 130, text: "", errors: "" });
    // Its thread waits for the other end: there must be one, or vitest would wait too. It stays, because the thread may be late.
    openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
  });

  it.each(["SIGINT", "SIGTERM"] as const)(
    "ends at the first %s when the reader of its recording has stopped",
    async (name) => {
      const folder = await createTemporaryDirectory("recorder");
      onTestFinished(() => folder.remove());
      const [pipe, path] = [join(folder.path, "pipe"), join(folder.path, "tap.sock")];
      await promisify(execFile)("mkfifo", [pipe]);
      const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
      onTestFinished(() => closeSync(reader));
      const received = deferred<void>();
      const bytes = 1024 * 1024;
      const to = await startPeer((socket) => {
        let length = 0;
        socket.on("data", (piece) => {
          length += piece.length;
          if (length === bytes) received.resolve();
        });
      });
      const tap = await startProcess(process.execPath, {
        name: "fetchcgi tap",
        args: ["--import", "tsx", MAIN, "tap", "--listen", `unix:${path}`, "--to", to, "--write", pipe, "--drain", "1"],
        ready: () => existsSync(path),
      });
      onTestFinished(() => tap.stop());
      const web = await open({ path });
      web.socket.write(new Uint8Array(bytes));
      await received.promise;
      process.kill(tap.pid, name);
      expect(await tap.exited).toBe("SIGINT");
      expect(tap.stderr()).toContain("the recording ends here: what reads it takes no more");
    },
  );

  it.each([
    ["SIGINT", "SIGTERM"],
    ["SIGTERM", "SIGINT"],
  ] as const)("waits for requests after the first signal, %s, and ends by the second, %s", async (first, second) => {
    const folder = await createTemporaryDirectory("signals");
    onTestFinished(() => folder.remove());
    const path = join(folder.path, "tap.sock");
    const received = deferred<void>();
    const to = await startPeer((socket) => void socket.once("data", () => received.resolve()));
    const tap = await startProcess(process.execPath, {
      name: "fetchcgi tap",
      args: ["--import", "tsx", MAIN, "tap", "--listen", `unix:${path}`, "--to", to, "--drain", "999999"],
      ready: () => existsSync(path),
    });
    onTestFinished(() => tap.stop());
    const web = await open({ path });
    web.socket.write(encodeRecords([begin(1)]));
    await received.promise;
    process.kill(tap.pid, first);
    // It has heard it.
    await waitUntil(() => !existsSync(path));
    process.kill(tap.pid, second);
    expect(await tap.exited).toBe(second);
  });

  it("keeps few of its messages when what reads them stands still", async () => {
    const reader = deferred<void>();
    const tap = await startTap("unix:/nowhere/app.sock", [], reader.promise);
    for (let count = 0; count < 20; count++) await (await open(tap)).ended;
    // The rest waits, instead of being given to a terminal that would hold up the process.
    expect(tap.errors().match(/Cannot connect/g)).toHaveLength(1);
    reader.resolve();
    await waitUntil(() => tap.errors().match(/Cannot connect/g)!.length === 20);
  });

  it("prints no bodies with --json that were asked for by the page alone", async () => {
    const server = await serve({ port: 0, fetch: () => new Response("hello") });
    onTestFinished(() => server.close({ timeout: 0 }));
    const { port } = server.address as { port: number };
    const tap = await startTap(`127.0.0.1:${port}`, ["--json", "--ui"]);
    const client = new FastCgiHttpClient(new FastCgiUnixConnector(tap.path));
    onTestFinished(() => client.close({ timeout: 0 }));
    await (await client.fetch("http://localhost/a")).text();
    await waitUntil(() => tap.text().includes('"exchange"'));
    expect(tap.exchanges()[0]!.body).toEqual({ bytes: 5, records: expect.any(Number), isEnded: expect.any(Boolean) });
  });

  it("sends a browser that reads slowly what is kept, and the ids tell what it has missed", async () => {
    const ui = await Ui.open(0);
    onTestFinished(() => ui.close());
    const report = (number: number): ExchangeReport =>
      ({ event: "exchange", number, body: { text: "x".repeat(30_000) } }) as unknown as ExchangeReport;
    for (let number = 1; number <= 900; number++) ui.take(report(number));
    const { host, pathname, port } = new URL(ui.url);
    const { socket } = await open({ port: Number(port) });
    const ids: number[] = [];
    let tail = "";
    socket.on("data", (piece) => {
      tail += piece.toString("latin1");
      for (const [, id] of tail.matchAll(/\nid: (\d+)\n/g)) if (Number(id) !== ids.at(-1)) ids.push(Number(id));
      tail = tail.slice(-20);
    });
    const begun = new Promise<void>((resolve) => socket.once("data", () => resolve()));
    socket.write(`GET ${pathname}events HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    await begun;
    socket.pause();
    for (let number = 901; number <= 2500; number++) ui.take(report(number));
    socket.resume();
    await waitUntil(() => ids.at(-1) === 2500);
    expect(ids[0]).toBe(1);
    expect(ids.length).toBeGreaterThan(1000);
    expect(ids.length).toBeLessThan(2500);
    expect(ids).toEqual([...new Set(ids)].sort((one, other) => one - other));
  });

  it("says what is wrong with its arguments", async () => {
    for (const [args, message] of [
      [[], "expected --listen ADDRESS and --to ADDRESS, got no --listen"],
      [["--listen", "9001"], "got no --to"],
      [["--listen", "9001", "--to", "http://a/"], 'Cannot connect to "http://a/"'],
      [
        ["--listen", "9001", "--to", "9000", "--ui", "--ui-port", "70000"],
        'Cannot use --ui-port: expected a whole number from 0 to 65535, got "70000"',
      ],
      [["--listen", "9001", "--to", "9000", "--mode", "600"], "Cannot use --mode: expected --listen unix:/path"],
      [["--listen", "fd:0", "--to", "9000", "--take-over"], "Cannot use --take-over: expected --listen unix:/path"],
      [["--listen", "9001", "--to", "9000", "--write", "/nowhere/file"], "Cannot write /nowhere/file: ENOENT"],
    ] as const) {
      const { code, errors } = await fetchcgi(["tap", ...args]);
      expect(errors).toContain(message);
      expect(code).toBe(2);
    }
  });
});

describe("fetchcgi inspect", () => {
  it("shows the recordings of this project, with their names", async () => {
    const file = fileURLToPath(new URL("../vectors/frontends/lighttpd-authorizer.br", import.meta.url));
    const { text, code } = await fetchcgi(["inspect", file, "--params"]);
    expect(code).toBe(0);
    expect(text).toMatch(/^lighttpd-authorizer \S+$/m);
    expect(text).toMatch(/^#1 --- GET \/\S* .*AUTHORIZER/m);
    expect(text).toContain("    GATEWAY_INTERFACE=CGI/1.1\n");
  });

  it("shows bytes of one side, from a file and from standard input, as text and as JSON", async () => {
    const folder = await createTemporaryDirectory("inspect");
    onTestFinished(() => folder.remove());
    const file = join(folder.path, "bytes");
    writeFileSync(file, REQUEST);
    const { text, code } = await fetchcgi(["inspect", file]);
    expect(text).toMatch(
      /^#1 --- GET \S+ .*not timed {2}\(connection 1, id 1\)\n {4}unknown: the trace has only what the web server sent$/,
    );
    expect(code).toBe(0);
    const stdin = (async function* () {
      for (const byte of REQUEST) yield Uint8Array.of(byte);
    })();
    const json = await fetchcgi(["inspect", "-", "--json"], { stdin });
    const lines = json.text.split("\n").map((line) => JSON.parse(line));
    expect(lines).toMatchObject([
      { event: "exchange", method: "GET", outcome: "unknown" },
      { event: "connection", what: "closed" },
    ]);
    // What --json has printed can be shown as well.
    writeFileSync(file, `${json.text}\n`);
    expect((await fetchcgi(["inspect", file])).text).toBe(text);
    expect((await fetchcgi(["inspect", file, "--find", "not there"])).text).toBe("");
  });

  it("shows what comes before the place where a file breaks, and says so", async () => {
    const folder = await createTemporaryDirectory("inspect");
    onTestFinished(() => folder.remove());
    const file = join(folder.path, "wire");
    const bytes = Buffer.from(REQUEST).toString("base64");
    const header = '{"fetchcgi":"recording","version":1}\n';
    writeFileSync(
      file,
      `${header}{"time":0,"connection":1,"what":"bytes","from":"web server","bytes":"${bytes}"}\n{"time":1,"conn`,
    );
    const { text, errors, code } = await fetchcgi(["inspect", file]);
    expect(text).toContain("#1 --- GET");
    expect(errors).toContain(`Cannot read ${file} to its end: line 3: `);
    expect(code).toBe(1);
  });

  it("says that the end of a recording is missing when it was cut off between two lines", async () => {
    const folder = await createTemporaryDirectory("inspect");
    onTestFinished(() => folder.remove());
    const file = join(folder.path, "wire");
    const opened = '{"fetchcgi":"recording","version":1}\n{"time":0,"connection":1,"what":"opened"}\n';
    writeFileSync(file, opened);
    const { errors, code } = await fetchcgi(["inspect", file]);
    expect([errors, code]).toEqual([`fetchcgi: Cannot read ${file} to its end: 1 of the connections have no end`, 1]);
    writeFileSync(file, `${opened}{"time":1,"connection":1,"what":"closed"}\n`);
    expect((await fetchcgi(["inspect", file])).code).toBe(0);
  });

  it("ends at more open connections than a system has, instead of keeping all of them", async () => {
    const folder = await createTemporaryDirectory("inspect");
    onTestFinished(() => folder.remove());
    const file = join(folder.path, "wire");
    const opened = Array.from({ length: 65_537 }, (_, index) => `{"time":0,"connection":${index},"what":"opened"}\n`);
    writeFileSync(file, `{"fetchcgi":"recording","version":1}\n${opened.join("")}`);
    const { errors, code } = await fetchcgi(["inspect", file]);
    expect([errors, code]).toEqual([
      `fetchcgi: Cannot read ${file} to its end: more than 65536 connections are open at once`,
      1,
    ]);
  });

  it("prints nothing of a made-up file that a terminal obeys, and survives it", async () => {
    const folder = await createTemporaryDirectory("inspect");
    onTestFinished(() => folder.remove());
    const file = join(folder.path, "events");
    const evil = "\u001b]0;x\u0007\u009b2J";
    const stream = { bytes: 3, records: 1, isEnded: true, hex: evil };
    const oddity = { rule: evil, title: evil, reason: evil, isAdvice: false };
    const exchange = {
      ...{ event: "exchange", number: evil, connection: evil, requestId: evil, role: evil, keepConn: true },
      ...{ together: 2, method: evil, uri: evil, status: evil, outcome: evil, reason: evil, appStatus: evil },
      ...{ times: { firstByte: null, end: null }, params: [[evil, evil]], header: [evil] },
      ...{ stdin: stream, data: stream, body: stream, stderr: { ...stream, hex: undefined, text: evil } },
      ...{ oddities: [oddity, oddity] },
    };
    const events = [
      exchange,
      { event: "connection", connection: evil, what: "odd", text: evil, oddity },
      { event: "connection", connection: evil, what: "lost", text: evil },
      { event: "record", exchange: evil, time: 1, from: evil, type: evil, requestId: evil, about: evil },
      { event: "skipped", lines: evil },
      { event: "part", name: evil },
    ];
    writeFileSync(file, events.map((event) => `${JSON.stringify(event)}\n`).join(""));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    const obeyed = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/;
    const { text, errors } = await fetchcgi(["inspect", file, "--verbose"]);
    expect(errors).toBe("");
    expect(text).toContain("]0;x");
    expect(text).not.toMatch(obeyed);
    const json = await fetchcgi(["inspect", file, "--verbose", "--json"]);
    expect(json.text).not.toMatch(obeyed);
    expect(json.text.split("\n").map((line) => JSON.parse(line))).toEqual(JSON.parse(JSON.stringify(events)));
    for (const line of ['{"event":"exchange"}', '{"event":"record","time":"x"}', `{"event":"exchange","${evil}`]) {
      writeFileSync(file, `{"event":"part","name":"a"}\n${line}\n`);
      const broken = await fetchcgi(["inspect", file, "--verbose"]);
      expect([broken.code, broken.errors]).toEqual([1, expect.stringContaining(`Cannot read ${file} to its end: `)]);
      expect(broken.errors).not.toMatch(obeyed);
    }
  });

  it("finds a text with quotes and backslashes", async () => {
    const folder = await createTemporaryDirectory("inspect");
    onTestFinished(() => folder.remove());
    const file = join(folder.path, "events");
    writeFileSync(file, `${JSON.stringify({ event: "part", name: 'Uncaught App\\Models\\User says "no"' })}\n`);
    for (const [wanted, found] of [
      ["app\\models", 1],
      ['"NO"', 1],
      ["app/models", 0],
    ] as const)
      expect((await fetchcgi(["inspect", file, "--find", wanted])).text.match(/Uncaught/g)?.length ?? 0).toBe(found);
  });

  it("says what a file is not", async () => {
    const folder = await createTemporaryDirectory("inspect");
    onTestFinished(() => folder.remove());
    const file = join(folder.path, "other");
    for (const [content, message] of [
      ["", "it is empty"],
      ["GET / HTTP/1.1", "it is no recording of `fetchcgi tap`, and its first byte is none of a FastCGI record"],
      ["{}", "its first line is that of no recording, and no event"],
      ["{", "its first line is no JSON"],
    ] as const) {
      writeFileSync(file, content);
      const { code, errors } = await fetchcgi(["inspect", file]);
      expect([code, errors]).toEqual([2, `fetchcgi: Cannot read ${file}: ${message}`]);
    }
    expect((await fetchcgi(["inspect", "/nowhere/file"])).errors).toContain("Cannot read /nowhere/file: ENOENT");
    expect(readFileSync(file, "utf8")).toBe("{");
  });
});

describe("Ui", () => {
  it("gives a browser that comes back what it has missed", async () => {
    const ui = await Ui.open(0);
    onTestFinished(() => ui.close());
    const { port, pathname } = new URL(ui.url);
    const head = `GET ${pathname}events HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n`;
    const report = (connection: number): Report => ({
      event: "connection",
      connection,
      time: 0,
      what: "lost",
      text: "x",
    });
    for (let count = 1; count <= 300; count++) ui.take(report(count));
    const back = await open({ port: Number(port) });
    back.socket.write(`${head}Last-Event-ID: 290\r\n\r\n`);
    await waitUntil(() => back.received().includes("id: 300\n"));
    expect(
      back
        .received()
        .toString()
        .match(/^id: \d+$/gm),
    ).toEqual(Array.from({ length: 10 }, (_, index) => `id: ${index + 291}`));
  });
});
