// docs/troubleshooting.md, by the words of each message: what the page says is the cause is made here, with real nginx and php-fpm, and the
// message must come.

import { linkSync, readFileSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FastCgiHttpClient, FastCgiTcpConnector, FastCgiUnixConnector, serve } from "../../adapters/node/index.ts";
import { requireProgram } from "../../scripts/setup.mjs";
import { freePort } from "../support/free_port.ts";
import { type HttpResponse, httpRequest } from "../support/http.ts";
import { type Nginx, startNginx } from "../support/nginx.ts";
import { type PhpFpm, phpScripts, startPhpFpm } from "../support/php_fpm.ts";
import { startProcess, waitUntil } from "../support/process.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";

const page = readFileSync(new URL("../../docs/troubleshooting.md", import.meta.url), "utf8");

const stops: (() => unknown)[] = [];
let folder: TemporaryDirectory;
let nginx: Nginx;
let php: PhpFpm;
let closedPort: number;
const at = (name: string): string => join(folder.path, name);

/** Listens on a path of the folder until the end. */
async function listen(server: Server, name: string): Promise<void> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket.on("error", () => {})));
  await new Promise<void>((resolve) => server.listen(at(name), resolve));
  stops.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
}

/** A socket whose queue is full, because its process accepts nothing. */
async function listenBusy(name: string): Promise<void> {
  const program =
    'use IO::Socket::UNIX; $s = IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1) or die; $| = 1; print "up\\n"; sleep';
  const busy = await startProcess(requireProgram("perl"), {
    name: "a busy application",
    args: ["-e", program, at(name)],
  });
  stops.push(() => busy.stop());
  await waitUntil(() => busy.stdout() !== "");
  for (let isFull = false; !isFull; ) {
    const socket = connect(at(name));
    stops.push(() => socket.destroy());
    isFull = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(false)).once("error", () => resolve(true));
    });
  }
}

beforeAll(async () => {
  folder = await createTemporaryDirectory("trouble");
  php = await startPhpFpm({ pool: { "pm.max_children": "1" } });
  stops.push(() => php.stop());
  const server = await serve({
    path: at("app.sock"),
    fetch: (request) =>
      request.url.endsWith("/slow")
        ? new Promise(() => {})
        : new Response("a page", { headers: { "content-security-policy": "x".repeat(12_000) } }),
    onError: () => {},
  });
  stops.push(() => server.close({ timeout: 0 }));
  const left = createServer();
  await new Promise<void>((resolve) => left.listen(at("left.tmp"), resolve));
  linkSync(at("left.tmp"), at("left.sock"));
  await new Promise((resolve) => left.close(resolve));
  await listen(
    createServer((socket) => socket.once("data", () => socket.end())),
    "dying.sock",
  );
  const endRequest = Uint8Array.of(1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  const endOfStdout = Uint8Array.of(1, 6, 0, 1, 0, 0, 0, 0);
  await listen(
    createServer((socket) => socket.once("data", () => socket.end(Buffer.concat([endOfStdout, endRequest])))),
    "wordless.sock",
  );
  await listen(
    createServer((socket) => socket.once("data", () => socket.end(endRequest))),
    "refusing.sock",
  );
  await listen(createHttpServer(), "http.sock");
  await listenBusy("busy.sock");
  closedPort = await freePort();
  writeFileSync(at("page.html"), "a page");
  writeFileSync(at("bug.php"), '<?php throw new Exception("a bug");');
  const socketOf = (name: string): string => `unix:${at(`${name}.sock`)}`;
  const fpm = `unix:${(php.target as { path: string }).path}`;
  const places: readonly [path: string, to: string, more?: string][] = [
    ["missing", socketOf("missing")],
    ["left", socketOf("left")],
    ["port", `127.0.0.1:${closedPort}`],
    ["busy", socketOf("busy")],
    ["header", socketOf("app")],
    ["dying", socketOf("dying")],
    ["wordless", socketOf("wordless")],
    ["refusing", socketOf("refusing")],
    ["http", socketOf("http")],
    ["slow", socketOf("app"), "fastcgi_read_timeout 100ms;"],
    ["no-script", fpm, `fastcgi_param SCRIPT_FILENAME ${at("no.php")};`],
    ["html", fpm, `fastcgi_param SCRIPT_FILENAME ${at("page.html")};`],
    ["nothing", fpm],
    ["bug", fpm, `fastcgi_param SCRIPT_FILENAME ${at("bug.php")};`],
    ["enough", socketOf("app"), "fastcgi_buffer_size 32k; fastcgi_buffers 8 32k;"],
  ];
  nginx = await startNginx({
    server: places
      .map(([path, to, more = ""]) => `location = /${path} { include fastcgi_params; ${more} fastcgi_pass ${to}; }`)
      .concat(`location = /bare { fastcgi_param SCRIPT_FILENAME ${phpScripts}/index.php; fastcgi_pass ${fpm}; }`)
      .join("\n"),
  });
  stops.push(() => nginx.stop());
});

afterAll(async () => {
  for (const stop of stops.reverse()) await stop();
  await folder?.remove();
});

/** The message as the page has it. */
function expectOnPage(message: string): void {
  expect(page.includes(message), message).toBe(true);
}

async function ask(path: string): Promise<HttpResponse> {
  return httpRequest(`${nginx.url}/${path}`);
}

describe("docs/troubleshooting.md names the cause of", () => {
  it.each<[what: string, path: string, status: number, message: string]>([
    ["a missing socket", "missing", 502, "failed (2: No such file or directory) while connecting to upstream"],
    ["a socket that was left over", "left", 502, "failed (111: Connection refused) while connecting to upstream"],
    ["a closed port", "port", 502, "connect() failed (111: Connection refused) while connecting to upstream"],
    ["a full queue", "busy", 502, "failed (11: Resource temporarily unavailable) while connecting to upstream"],
    ["a large header", "header", 502, "upstream sent too big header while reading response header from upstream"],
    [
      "an application that ends",
      "dying",
      502,
      "upstream prematurely closed connection while reading response header from upstream",
    ],
    [
      "an application without a word",
      "wordless",
      502,
      "upstream prematurely closed FastCGI stdout while reading response header from upstream",
    ],
    [
      "an application that refuses",
      "refusing",
      502,
      "upstream sent unexpected FastCGI record: 3 while reading response header from upstream",
    ],
    [
      "an HTTP server",
      "http",
      502,
      "upstream sent unsupported FastCGI protocol version: 72 while reading response header from upstream",
    ],
    [
      "a silent application",
      "slow",
      504,
      "upstream timed out (110: Connection timed out) while reading response header from upstream",
    ],
    ["a missing script", "no-script", 404, 'FastCGI sent in stderr: "Primary script unknown"'],
  ])("%s, in nginx's log", async (_, path, status, message) => {
    expect((await ask(path)).status).toBe(status);
    const line = (): string | undefined =>
      nginx
        .errorLog()
        .split("\n")
        .findLast((text) => text.includes(`"GET /${path} `) && text.includes(message));
    await waitUntil(() => line() !== undefined, { message: () => nginx.errorLog() });
    expectOnPage(message);
  });

  it("a socket that nginx may not use", async () => {
    const isRoot = process.getuid?.() === 0;
    const closed = await createTemporaryDirectory("closed");
    const server = await serve({ path: join(closed.path, "app.sock"), mode: 0, fetch: () => new Response() });
    const denied = await startNginx({
      server: `location / { fastcgi_pass unix:${closed.path}/app.sock; }`,
      ...(isRoot && { user: "daemon" }),
    });
    try {
      expect((await httpRequest(`${denied.url}/`)).status).toBe(502);
      const message = "failed (13: Permission denied) while connecting to upstream";
      await waitUntil(() => denied.errorLog().includes(message));
      expectOnPage(message);
    } finally {
      await denied.stop();
      await server.close({ timeout: 0 });
      await closed.remove();
    }
  });

  it("what php-fpm answers, and the empty pages", async () => {
    const answers = [];
    for (const path of ["no-script", "nothing", "html", "bare", "bug"]) {
      const { status, body } = await ask(path);
      answers.push(`${status} ${body.toString().trim()}`);
    }
    expect(answers).toEqual(["404 File not found.", "404 File not found.", "403 Access denied.", "200 ", "500 "]);
    await waitUntil(() => nginx.errorLog().includes("Uncaught Exception: a bug"));
    expect(nginx.errorLog()).toMatch(
      /Access to the script '\S+\/page\.html' has been denied \(see security\.limit_extensions\)/,
    );
    for (const message of ["File not found.", "Access denied.", "has been denied (see security.limit_extensions)"]) {
      expectOnPage(message);
    }
  });

  it("what this library says itself", async () => {
    const messageOf = (promise: Promise<unknown>): Promise<string> =>
      promise.then(
        () => "no error",
        (error) => error.message,
      );
    const fetch = () => new Response();
    const taken = await messageOf(serve({ path: at("app.sock"), fetch }));
    const nowhere = await messageOf(serve({ path: at("nowhere/app.sock"), fetch }));
    const refused = new FastCgiHttpClient(new FastCgiTcpConnector({ port: closedPort }), { maxConnectRetries: 0 });
    const port = await messageOf(refused.fetch("http://localhost/"));
    expectOnPage(taken.replace(folder.path, "/run/app"));
    expectOnPage(nowhere.replace(at("nowhere"), "/run/app"));
    expectOnPage(port.replace(String(closedPort), "9000"));
    const busy = new FastCgiHttpClient(new FastCgiUnixConnector(at("busy.sock")), { maxConnectRetries: 0 });
    expect(await messageOf(busy.fetch("http://localhost/"))).toContain("backlog of the socket is full");
  });

  it("helps: with the buffers that it says, nginx takes the large header", async () => {
    expect((await ask("enough")).status).toBe(200);
  });
});
