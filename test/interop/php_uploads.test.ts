// php-fpm behind a gateway for HTTP clients that leave in the middle of an upload, or take their time.

import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { serve } from "srvx";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import {
  FastCgiError,
  type FastCgiFetchInit,
  FastCgiHttpClient,
  type FastCgiHttpClientOptions,
  type FastCgiHttpConnector,
} from "../../adapters/node/index.ts";
import { toStreams } from "../../src/toolkit.ts";
import { patternBytes, patternChunks } from "../support/pattern.ts";
import { connectorTo, counting } from "../support/php_client.ts";
import { type PhpFpm, startPhpFpm } from "../support/php_fpm.ts";
import { RawConnection } from "../support/raw_connection.ts";
import { streamOf } from "../support/streams.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const MiB = 1024 * 1024;

let php: PhpFpm;
let directory: TemporaryDirectory;

beforeAll(async () => {
  // One worker: what a request before it has left to it, it has done before the next.
  php = await startPhpFpm({ pool: { "pm.max_children": "1" } });
  directory = await createTemporaryDirectory("uploads");
});
afterAll(async () => {
  await php?.stop();
  await directory?.remove();
});

/** A gateway of a client of store.php, what its `fetch` failed with, and the connections that it opened. */
interface Gateway {
  port: number;
  failures: unknown[];
  /** Resolves with the next failure. */
  failed(): Promise<unknown>;
  count: { opened: number };
}

async function gateway(kind: "srvx" | "node:http", options: FastCgiHttpClientOptions = {}): Promise<Gateway> {
  const { count, connector } = counting(connectorTo(php.target, "store.php"));
  const client = new FastCgiHttpClient(connector, options);
  const failures: unknown[] = [];
  let onFailure: (() => void) | null = null;
  const handle = async (request: Request, init?: FastCgiFetchInit): Promise<Response> => {
    try {
      return await client.fetch(request, init);
    } catch (error) {
      failures.push(error);
      onFailure?.();
      const { gatewayStatus: status } = error instanceof FastCgiError ? error : { gatewayStatus: 500 };
      return new Response(`${error}`, { status });
    }
  };
  const port = kind === "srvx" ? await srvxGateway(handle) : await nodeGateway(handle);
  const failed = async (): Promise<unknown> => {
    const next = failures.length + 1;
    while (failures.length < next) await new Promise<void>((resolve) => (onFailure = resolve));
    return failures.at(-1);
  };
  onTestFinished(() => client.close());
  return { port, failures, failed, count };
}

type Handle = (request: Request, init?: FastCgiFetchInit) => Promise<Response>;

async function srvxGateway(handle: Handle): Promise<number> {
  const server = serve({ port: 0, hostname: "127.0.0.1", silent: true, fetch: (request) => handle(request) });
  await server.ready();
  onTestFinished(() => server.close(true));
  return Number(new URL(server.url!).port);
}

/** As people write it by hand: the request's stream is the body, and the signal follows the socket. */
async function nodeGateway(handle: Handle): Promise<number> {
  const server = createServer(async (incoming, outgoing) => {
    const controller = new AbortController();
    outgoing.on("close", () => controller.abort());
    const headers = Object.entries(incoming.headers).filter(
      (pair): pair is [string, string] => typeof pair[1] === "string",
    );
    const body = new ReadableStream<Uint8Array>({
      start(sink) {
        incoming.on("data", (piece: Buffer) => sink.enqueue(piece));
        incoming.on("end", () => sink.close());
      },
    });
    const init = { method: incoming.method, headers, body, duplex: "half", signal: controller.signal } as RequestInit;
    const response = await handle(new Request(`http://example.test${incoming.url}`, init));
    outgoing.writeHead(response.status).end(await response.text());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

let files = 0;

/** A path for the script to store to, and its log. */
function target(): { path: string; starts(): string[] } {
  const path = join(directory.path, `file-${++files}`);
  return {
    path,
    starts: () => (existsSync(`${path}.log`) ? readFileSync(`${path}.log`, "utf8").trim().split("\n") : []),
  };
}

function head(method: string, path: string, ...headers: string[]): string {
  return [`${method} /?file=${path} HTTP/1.1`, "Host: example.test", ...headers, "", ""].join("\r\n");
}

/** Has the worker do what it was given before. */
async function sync({ port }: Gateway): Promise<void> {
  const { path, starts } = target();
  const response = await fetch(`http://127.0.0.1:${port}/?file=${path}`, { method: "POST", body: "after" });
  expect(await response.text()).toBe("stored 5");
  expect(starts()).toEqual(["POST 5"]);
}

/** A connector whose connections tell of each write before it is made. */
function telling(connector: FastCgiHttpConnector, onWrite: () => void): FastCgiHttpConnector {
  return {
    preset: connector.preset,
    async connect(options) {
      const connection = toStreams(await connector.connect(options));
      const writer = connection.writable.getWriter();
      const writable = new WritableStream<Uint8Array>({
        write(piece) {
          onWrite();
          return writer.write(piece);
        },
        close: () => writer.close(),
        abort: (reason) => writer.abort(reason),
      });
      return { ...connection, writable };
    },
  };
}

describe.each(["unix", "tcp"] as const)("php-fpm on a socket of kind %s, and a request that is aborted", (listen) => {
  let worker: PhpFpm;
  beforeAll(async () => {
    worker = await startPhpFpm({ listen, pool: { "pm.max_children": "1" } });
  });
  afterAll(() => worker?.stop());

  const length = 4 * MiB;
  const bytes = patternBytes(length);
  const bodies: [kind: string, make: () => RequestInit["body"]][] = [
    ["bytes", () => bytes],
    ["a Blob", () => new Blob([bytes])],
    ["a stream that is collected on disk", () => streamOf(...patternChunks(length))],
  ];

  it.each(bodies)("php-fpm gets %s whole, or starts no script, whenever the request is aborted", async (_, make) => {
    const reason = new Error("Enough");
    for (const writes of [0, 1, 3, 20, 1000]) {
      for (const how of writes === 3 ? (["signal", "close"] as const) : (["signal"] as const)) {
        const { path, starts } = target();
        await writeFile(path, "what was there");
        const controller = new AbortController();
        let count = 0;
        const connector = telling(connectorTo(worker.target, "store.php"), () => {
          if (count++ === writes) abort();
        });
        const client = new FastCgiHttpClient(connector);
        const abort = (): void => {
          if (how === "signal") controller.abort(reason);
          else void client.close({ timeout: 0 });
        };
        const { signal } = controller;
        const init = { method: "PUT", body: make(), duplex: "half", signal } as RequestInit;
        const outcome = await client.fetch(`http://example.test/?file=${path}`, init).then(
          (response) => response.text(),
          (error) => error,
        );
        if (count <= writes) expect(outcome).toBe(`stored ${length}`);
        else if (how === "signal") expect(outcome).toBe(reason);
        else expect(outcome).toMatchObject({ code: "connectionClosed" });
        await client.close();
        // The only worker does this behind what it was given before.
        const next = target();
        await using other = new FastCgiHttpClient(connectorTo(worker.target, "store.php"));
        const after = await other.fetch(`http://example.test/?file=${next.path}`, { method: "POST", body: "after" });
        expect(await after.text()).toBe("stored 5");
        const stored = readFileSync(path);
        if (starts().length === 0) expect(stored.toString("latin1")).toBe("what was there");
        else expect(Buffer.compare(stored, bytes), `${how} at write ${writes}`).toBe(0);
      }
    }
  });
});

describe.each(["srvx", "node:http"] as const)("php-fpm behind %s", (kind) => {
  it.each([
    ["POST", 1_000_000],
    ["PUT", 1_000_000],
    ["POST", 3 * MiB],
    ["PUT", 3 * MiB],
  ])("php-fpm starts no script for a %s of %i bytes when the client leaves in the middle", async (method, length) => {
    const own = await gateway(kind);
    for (const framing of [`Content-Length: ${length}`, "Transfer-Encoding: chunked"]) {
      const { path, starts } = target();
      await writeFile(path, "what was there");
      const client = await RawConnection.open({ port: own.port });
      const failed = own.failed();
      const half = patternBytes(length / 2);
      await client.write(head(method, path, framing));
      if (framing.startsWith("Content-Length")) await client.write(half);
      else
        await client.write(Buffer.concat([Buffer.from(`${half.length.toString(16)}\r\n`), half, Buffer.from("\r\n")]));
      client.close();
      await failed;
      expect(own.count.opened).toBe(framing.startsWith("Content-Length") ? 0 : 1);
      await sync(own);
      expect(starts()).toEqual([]);
      expect(readFileSync(path, "utf8")).toBe("what was there");
    }
  });

  it("php-fpm gets a whole upload of any length, announced or not", async () => {
    const own = await gateway(kind);
    for (const length of [0, 1, 1_000_000, MiB, MiB + 1, 5 * MiB]) {
      for (const isAnnounced of [true, false]) {
        const { path, starts } = target();
        const body = isAnnounced ? patternBytes(length) : streamOf(...patternChunks(length));
        const init = { method: "PUT", body, duplex: "half" } as RequestInit;
        const response = await fetch(`http://127.0.0.1:${own.port}/?file=${path}`, init);
        expect(await response.text()).toBe(`stored ${length}`);
        expect(starts()).toEqual([`PUT ${length}`]);
        expect(Buffer.compare(readFileSync(path), patternBytes(length))).toBe(0);
      }
    }
  });

  it("php-fpm answers while more slow uploads than it has workers go on", async () => {
    const own = await gateway(kind, { maxConnections: 1 });
    const slow = target();
    const clients = await Promise.all(Array.from({ length: 4 }, () => RawConnection.open({ port: own.port })));
    for (const client of clients) {
      await client.write(head("POST", slow.path, "Content-Length: 1000"));
      await client.write("x");
    }
    await sync(own);
    for (const client of clients) await client.write("x".repeat(999));
    for (const client of clients) await client.readUntil((bytes) => bytes.includes("stored 1000"));
    expect(slow.starts()).toEqual(Array(4).fill("POST 1000"));
    for (const client of clients) client.close();
  });

  it("fetch rejects, and php-fpm starts nothing, when an upload gives nothing for too long", async () => {
    const own = await gateway(kind, { requestBodyTimeout: 200 });
    const { path, starts } = target();
    const client = await RawConnection.open({ port: own.port });
    await client.write(head("POST", path, "Content-Length: 1000"));
    await client.write("x".repeat(999));
    expect(await client.readHead()).toMatch(/^HTTP\/1\.1 408 /);
    client.close();
    expect(own.failures).toMatchObject([{ code: "timeout", limit: "requestBodyTimeout" }]);
    expect([starts(), own.count.opened]).toEqual([[], 0]);
  });

  it("fetch rejects, and php-fpm starts nothing, when an upload is larger than may be kept", async () => {
    const own = await gateway(kind, { maxBufferedRequestBytes: 1000, maxSpooledRequestBytes: 50_000 });
    for (const framing of ["Content-Length: 50001", "Transfer-Encoding: chunked"]) {
      const { path, starts } = target();
      const client = await RawConnection.open({ port: own.port });
      await client.write(head("POST", path, framing));
      if (framing.startsWith("Transfer")) await client.write(`c351\r\n${"x".repeat(50_001)}\r\n`);
      expect(await client.readHead()).toMatch(/^HTTP\/1\.1 413 /);
      client.close();
      expect(own.failures.at(-1)).toMatchObject({ code: "limit", limit: "maxSpooledRequestBytes" });
      expect([starts(), own.count.opened]).toEqual([[], 0]);
    }
  });
});
