// The clients of the adapters for Bun, Deno and Cloudflare Workers, in these runtimes themselves.

import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { RecordType, serve } from "../../adapters/node/index.ts";
import { deferred } from "../support/open_stream.ts";
import { phpScripts, startPhpFpm } from "../support/php_fpm.ts";
import { bytesOf, record } from "../support/records.ts";
import { runChecks, runtimeNames, startWorker, type Worker } from "../support/runtimes.ts";
import { TcpBackend } from "../support/tcp_backend.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { unansweredPort } from "../support/unanswered_port.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const MIB = 1024 * 1024;
const kinds = ["TCP", "Unix"] as const;
let folder: TemporaryDirectory;
let worker: Worker;
let sockets = 0;

beforeAll(async () => {
  folder = await createTemporaryDirectory("runtimes");
  worker = await startWorker();
});

afterAll(async () => {
  await worker?.stop();
  await folder?.remove();
});

function newPath(): string {
  return join(folder.path, `${++sockets}.sock`);
}

/** An application of Node's for the clients of the other runtimes, until the test is over. */
async function backend(
  kind: (typeof kinds)[number],
): Promise<{ target: { port: number } | { path: string }; aborted: Promise<unknown> }> {
  const aborted = deferred<unknown>();
  const server = await serve({
    ...(kind === "TCP" ? { port: 0 } : { path: newPath() }),
    maxStdinBytes: Number.POSITIVE_INFINITY,
    fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/echo") return new Response(request.body);
      if (pathname !== "/wait") return new Response(`answered ${pathname}`);
      request.signal.addEventListener("abort", () => aborted.resolve(request.signal.reason));
      return new Response(new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from("started")) }));
    },
  });
  onTestFinished(() => server.close({ timeout: 1 }));
  const address = server.address as { port: number } | { path: string };
  return { target: "path" in address ? address : { port: address.port }, aborted: aborted.promise };
}

/** All that a socket sends. */
async function textOf(socket: Socket): Promise<string> {
  let text = "";
  socket.setEncoding("utf8").on("data", (piece: string) => {
    text += piece;
  });
  await once(socket, "end");
  return text;
}

const clients = [
  ...runtimeNames.flatMap((runtime) => kinds.map((kind) => [runtime, kind] as const)),
  ["workerd", "TCP"] as const,
];

describe.each(clients)("the client on %s over %s", (runtime, kind) => {
  /** Sends requests from the runtime. */
  async function outcomesOf(...checks: Parameters<typeof runChecks>[1]): ReturnType<typeof runChecks> {
    return runtime === "workerd" ? worker.runChecks(checks) : runChecks(runtime, checks);
  }

  it(`FastCgiHttpClient carries 20 MiB both ways at once, and gives up (${runtime}, ${kind})`, async () => {
    const { target, aborted } = await backend(kind);
    const [plain, echo, given] = await outcomesOf(
      { target, url: "http://localhost/path" },
      { target, url: "http://localhost/echo", upload: 20 * MIB, options: { requestBuffering: "stream" } },
      { target, url: "http://localhost/wait", abort: true },
    );
    expect(plain).toEqual({ status: 200, text: "answered /path" });
    expect(echo).toEqual({ status: 200, bytes: 20 * MIB, isPattern: true });
    expect(given!.error).toMatch(/abort/i);
    expect(await aborted).toMatchObject({ code: "connectionClosed" });
  });

  it(`FastCgiHttpClient reaches php-fpm, with a body that has to be measured (${runtime}, ${kind})`, async () => {
    const php = await startPhpFpm({ listen: kind === "TCP" ? "tcp" : "unix" });
    onTestFinished(() => php.stop());
    const target = "path" in php.target ? php.target : { port: php.target.port };
    const url = "http://localhost/";
    const [hello, upload, spooled] = await outcomesOf(
      { target, script: join(phpScripts, "hello.php"), url },
      { target, script: join(phpScripts, "upload-digest.php"), url, upload: MIB },
      { target, script: join(phpScripts, "upload-digest.php"), url, upload: 3 * MIB },
    );
    expect(hello).toMatchObject({ status: 200, text: expect.stringMatching(/./) });
    expect(JSON.parse(upload!.text!)).toMatchObject({ bytes: MIB, contentLength: String(MIB) });
    // Beyond a MiB it goes to disk, where there is one.
    if (runtime === "workerd") expect(spooled!.error).toMatch(/^lengthRequired: /);
    else expect(JSON.parse(spooled!.text!)).toMatchObject({ bytes: 3 * MIB, contentLength: String(3 * MIB) });
  });

  it(`readable and writable half-close each on its own, and fail when the peer resets (${runtime}, ${kind})`, async () => {
    const received: string[] = [];
    const listen = async (onConnection: (socket: Socket) => void): Promise<{ port: number } | { path: string }> => {
      const server = createServer({ allowHalfOpen: true }, (socket) => onConnection(socket.on("error", () => {})));
      onTestFinished(() => void server.close());
      const where = kind === "TCP" ? { port: 0, host: "127.0.0.1" } : { path: newPath() };
      await once(server.listen(where), "listening");
      return "path" in where ? { path: where.path! } : { port: (server.address() as AddressInfo).port };
    };
    const answering = await listen(async (socket) => socket.end(`you said ${await textOf(socket)}`));
    const ending = await listen(async (socket) => {
      for (const piece of ["good ", "bye ", "for ", "ever"]) {
        socket.write(piece);
        // Each comes alone, as a rule.
        await sleep(10);
      }
      socket.end();
      received.push(await textOf(socket));
    });
    const resetting = await listen((socket) => void socket.once("data", () => socket.resetAndDestroy()));
    const [first, second, third] = await outcomesOf(
      { target: answering, raw: { text: "hello", order: "send first" } },
      { target: ending, raw: { text: "late words", order: "read first" } },
      ...(kind === "TCP" ? [{ target: resetting, raw: { text: "hello", order: "send first" } } as const] : []),
    );
    const remoteAddress = "path" in answering ? answering : { hostname: "127.0.0.1", port: answering.port };
    expect(first).toEqual({ text: "you said hello", remoteAddress });
    expect(second).toMatchObject({ text: "good bye for ever" });
    expect(received).toEqual(["late words"]);
    if (kind === "TCP") expect(third!.error).toMatch(/reset|lost/i);
  });

  it(`connect says what is wrong when nobody listens (${runtime}, ${kind})`, async () => {
    const { target } = await backend(kind);
    const gone = "path" in target ? { path: newPath() } : { port: 1 };
    const [outcome] = await outcomesOf({
      target: gone,
      options: { maxConnectRetries: 0 },
    });
    const where = "path" in gone ? gone.path : "127.0.0.1:1";
    expect(outcome!.error).toContain(`connectFailed: Cannot connect to ${where}: `);
    if (runtime !== "workerd")
      expect(outcome!.error).toMatch(/is the application running\? \((ECONNREFUSED|ENOENT)\)$/);
  });

  if (kind === "Unix") return;
  // Unix sockets have no reset, and connecting to one takes no time.
  it(`FastCgiHttpClient fails a body whose connection breaks (${runtime}, ${kind})`, async () => {
    const breaking = await TcpBackend.start(async ({ id, uri, connection }) => {
      await connection.send(bytesOf(record(RecordType.Stdout, id, `Content-Type: text/plain\r\n\r\nthe beginning`)));
      if (uri === "/reset") setTimeout(() => connection.reset(), 20);
      else connection.end();
    });
    onTestFinished(() => breaking.close());
    const target = { port: breaking.port };
    const outcomes = await outcomesOf(
      { target, url: "http://localhost/reset" },
      { target, url: "http://localhost/end" },
    );
    for (const { error } of outcomes) expect(error).toMatch(/^connectionClosed: /);
  });

  it(`connect gives up when connecting takes longer than connectTimeout (${runtime}, ${kind})`, async () => {
    const target = await unansweredPort();
    const [outcome] = await outcomesOf({ target, options: { connectTimeout: 100, maxConnectRetries: 0 } });
    expect(outcome!.error).toMatch(/^timeout: /);
  });
});
