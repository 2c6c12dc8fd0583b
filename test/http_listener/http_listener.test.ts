// An application for node:http between our server and our client, over connections in memory: on every runtime that has node:http.

import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import { createServer as createTcpServer, Socket } from "node:net";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { type HttpListener, listenerFetch } from "../../adapters/http_listener/listener_fetch.ts";
import type { ListenerSocket } from "../../adapters/http_listener/listener_socket.ts";
import {
  FastCgiHttpClient,
  FastCgiHttpService,
  FastCgiServer,
  type FastCgiServerOptions,
  Role,
} from "../../src/index.ts";
import { type FastCgiRecord, type FastCgiServerRequestEnd, RecordType } from "../../src/toolkit.ts";
import { connectionPair } from "../support/memory_connection.ts";
import { deferred } from "../support/open_stream.ts";
import { patternBytes } from "../support/pattern.ts";
import { begin, bytesOf, params, record, stdin } from "../support/records.ts";
import { unhandledRejectionsOf } from "../support/unhandled_rejections.ts";

/** A limit that only a hang reaches. */
const WAIT = { timeout: 30_000 };

const URL_OF_SITE = "http://shop.example";

interface Site {
  fetch(path: string, init?: Parameters<FastCgiHttpClient["fetch"]>[1]): Promise<Response>;
  readonly faults: unknown[];
  readonly messages: string[];
}

/** A site whose application is `listener`. */
function siteOf(listener: HttpListener, options: FastCgiServerOptions = {}): Site {
  const faults: unknown[] = [];
  const messages: string[] = [];
  const service = new FastCgiHttpService(listenerFetch(listener), {
    lazyRequest: true,
    onStderr: (message) => messages.push(message),
  });
  const server = new FastCgiServer(service.handler, { onError: (error) => faults.push(error), ...options });
  const client = new FastCgiHttpClient({
    async connect() {
      const [web, application] = connectionPair();
      void server.serve(application);
      return web;
    },
  });
  onTestFinished(() => client.close());
  return {
    fetch: (path, init) => client.fetch(URL_OF_SITE + path, init),
    faults,
    messages,
  };
}

describe("a listener of node:http", () => {
  it("gets a real request, and answers with a real response", async () => {
    const seen = deferred<[IncomingMessage, ServerResponse]>();
    const site = siteOf((req, res) => {
      seen.resolve([req, res]);
      res.writeHead(201, "Made", { "X-Own": "words", "Set-Cookie": ["a=1", "b=2"], "Content-Type": "text/plain" });
      res.end("made\n");
    });
    const response = await site.fetch("/a//b?x=1&y", { headers: { "X-Sent": "gr\xfcn" } });
    expect([response.status, response.statusText, await response.text()]).toEqual([201, "Made", "made\n"]);
    expect(response.headers.get("x-own")).toBe("words");
    expect(response.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
    const [req, res] = await seen.promise;
    expect(req.url).toBe("/a//b?x=1&y");
    expect(req.headers.host).toBe("shop.example");
    expect(req.headers["x-sent"]).toBe("gr\xfcn");
    expect(Object.getPrototypeOf(req).constructor.name).toBe("IncomingMessage");
    expect(res.headersSent).toBe(true);
  });

  it("has its requests told to onRequestEnd, with their status and the bytes of both bodies", async () => {
    const ends: FastCgiServerRequestEnd[] = [];
    const seen = deferred<void>();
    const site = siteOf(
      async (req, res) => {
        if (req.url === "/throws") throw new Error("The listener failed");
        let length = 0;
        for await (const piece of req) length += piece.length;
        res.writeHead(length === 0 ? 404 : 201, { "Content-Type": "text/plain" });
        res.flushHeaders();
        if (req.url === "/breaks") {
          res.write("begun");
          await seen.promise;
          return void req.socket.destroy();
        }
        for (let piece = 0; piece < 3; piece++) res.write("piece");
        res.end();
      },
      { onRequestEnd: (end) => ends.push(end) },
    );
    const facts = async (path: string, init?: RequestInit): Promise<unknown[]> => {
      const response = await site.fetch(path, init);
      if (path === "/breaks") {
        const { value } = await response.body!.getReader().read();
        expect(new TextDecoder().decode(value)).toBe("begun");
        seen.resolve();
      } else await response.arrayBuffer();
      await vi.waitUntil(() => ends.length > 0, WAIT);
      const { method, url, status, outcome, requestBodyBytes, responseBodyBytes } = ends.splice(0)[0]!;
      return [method, url, status, outcome, requestBodyBytes, responseBodyBytes];
    };
    expect(await facts("/all?x", { method: "POST", body: "x".repeat(70_000) })).toEqual([
      ...["POST", `${URL_OF_SITE}/all?x`, 201, "complete", 70_000, 15],
    ]);
    expect(await facts("/none")).toEqual(["GET", `${URL_OF_SITE}/none`, 404, "complete", 0, 15]);
    expect(await facts("/none", { method: "HEAD" })).toEqual(["HEAD", `${URL_OF_SITE}/none`, 404, "complete", 0, 0]);
    expect(await facts("/throws")).toEqual(["GET", `${URL_OF_SITE}/throws`, 500, "failed", 0, expect.any(Number)]);
    expect(await facts("/breaks")).toEqual(["GET", `${URL_OF_SITE}/breaks`, 404, "failed", 0, 5]);
  });

  it("answers as without onRequestEnd when that throws or rejects", async () => {
    const broken = new Error("The log is full");
    for (const onRequestEnd of [
      () => {
        throw broken;
      },
      () => Promise.reject(broken),
    ]) {
      const site = siteOf((_, res) => res.end("made"), { onRequestEnd });
      const answers: string[] = [];
      const unhandled = await unhandledRejectionsOf(async () => {
        for (let request = 0; request < 2; request++) answers.push(await (await site.fetch("/")).text());
      });
      expect([answers, unhandled, site.faults]).toEqual([["made", "made"], [broken, broken], []]);
    }
  });

  it("keeps a question mark without a query, which is a part of the target", async () => {
    const site = siteOf((req, res) => res.end(req.url));
    expect(await (await site.fetch("/path", { params: { REQUEST_URI: "/path?" } })).text()).toBe("/path?");
  });

  it("has the addresses and the scheme of the HTTP client on its socket, and the context of FastCGI", async () => {
    const seen = deferred<Record<string, unknown>>();
    const site = siteOf((req, res) => {
      const { remoteAddress, remotePort, remoteFamily, localAddress, localPort, localFamily } = req.socket;
      const { encrypted, fastcgi } = req.socket as ListenerSocket;
      seen.resolve({
        ...{ remoteAddress, remotePort, remoteFamily, localAddress, localPort, localFamily, encrypted },
        address: req.socket.address(),
        isSocket: req.socket instanceof Socket,
        user: fastcgi.params.get("REMOTE_USER"),
      });
      res.end();
    });
    await site.fetch("/", {
      params: {
        ...{ REMOTE_ADDR: "2001:db8::7", REMOTE_PORT: "4711", SERVER_ADDR: "192.0.2.1", SERVER_PORT: "443" },
        ...{ HTTPS: "on", REMOTE_USER: "ada" },
      },
    });
    expect(await seen.promise).toEqual({
      ...{ remoteAddress: "2001:db8::7", remotePort: 4711, remoteFamily: "IPv6" },
      ...{ localAddress: "192.0.2.1", localPort: 443, localFamily: "IPv4", encrypted: true },
      address: { address: "192.0.2.1", port: 443, family: "IPv4" },
      isSocket: true,
      user: "ada",
    });
  });

  it("has no address of a client that has none", async () => {
    const seen = deferred<unknown>();
    const site = siteOf((req, res) => {
      seen.resolve([req.socket.remoteAddress, req.socket.remotePort]);
      res.end();
    });
    await site.fetch("/", { params: { REMOTE_ADDR: "unix:", REMOTE_PORT: "" } });
    expect(await seen.promise).toEqual([undefined, undefined]);
  });

  it.each(["POST", "DELETE"])("reads the body of a %s", async (method) => {
    const bytes = patternBytes(300_000);
    const site = siteOf(async (req, res) => {
      const pieces: Uint8Array[] = [];
      for await (const piece of req) pieces.push(piece);
      res.end(Buffer.concat(pieces));
    });
    const response = await site.fetch("/", { method, body: bytes });
    expect(Buffer.compare(new Uint8Array(await response.arrayBuffer()), bytes)).toBe(0);
  });

  it.each<BufferEncoding>(["utf8", "latin1", "utf16le", "hex"])("can write text as %s", async (encoding) => {
    const site = siteOf((_req, res) => {
      res.write("00fc", encoding);
      res.end("00fc", encoding);
    });
    const expected = Buffer.from("00fc", encoding);
    expect(Buffer.from(await (await site.fetch("/")).arrayBuffer())).toEqual(Buffer.concat([expected, expected]));
  });

  it("ends informational responses and trailers here", async () => {
    const site = siteOf((_req, res) => {
      res.writeEarlyHints({ link: "</style.css>; rel=preload; as=style" });
      res.writeProcessing();
      res.setHeader("Trailer", "X-Sum");
      res.write("body");
      res.addTrailers({ "X-Sum": "1" });
      res.end();
    });
    const response = await site.fetch("/");
    expect([response.status, await response.text()]).toEqual([200, "body"]);
    expect(response.headers.get("x-sum")).toBeNull();
    expect(site.faults).toEqual([]);
  });

  it("answers HEAD with the header of GET", async () => {
    const site = siteOf((_req, res) => {
      res.setHeader("Content-Length", "4");
      res.end("body");
    });
    const response = await site.fetch("/", { method: "HEAD" });
    expect([response.headers.get("content-length"), await response.text()]).toEqual(["4", ""]);
  });

  it.each([204, 304])("answers %i without a body", async (status) => {
    const site = siteOf((_req, res) => {
      res.writeHead(status);
      res.end();
    });
    const response = await site.fetch("/");
    expect([response.status, await response.text()]).toEqual([status, ""]);
    expect(site.faults).toEqual([]);
  });

  it.each([
    ["words\n", "text/plain;charset=UTF-8"],
    ["<p>words", "text/plain;charset=UTF-8"],
    [new Uint8Array([0, 1, 254]), "application/octet-stream"],
  ])("gives a body without a type one that shows it: %j", async (body, type) => {
    const site = siteOf((_req, res) => res.end(body));
    expect((await site.fetch("/")).headers.get("content-type")).toBe(type);
  });

  it("passes on each piece when it comes", async () => {
    const next = deferred<void>();
    const site = siteOf(async (_req, res) => {
      res.setHeader("Content-Type", "text/event-stream");
      res.write("data: 1\n\n");
      await next.promise;
      res.end("data: 2\n\n");
    });
    const reader = (await site.fetch("/")).body!.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader.read()).value).toBe("data: 1\n\n");
    next.resolve();
    expect((await reader.read()).value).toBe("data: 2\n\n");
    expect((await reader.read()).done).toBe(true);
  });

  it("is held back by a web server that does not read", async () => {
    const most = 256 * 1024 * 1024;
    let written = 0;
    const site = siteOf((req, res) => {
      if (req.url === "/other") return void res.end("answered");
      const piece = Buffer.alloc(64 * 1024, "x");
      const write = (): void => {
        while (written < most) {
          written += piece.length;
          if (!res.write(piece)) return void res.once("drain", write);
        }
        res.end();
      };
      write();
    });
    const { body } = await site.fetch("/");
    // Two hundred answers give it turns enough to write all that it can.
    for (let count = 0; count < 200; count++) await (await site.fetch("/other")).text();
    const held = written;
    expect(held).toBeLessThan(4 * 1024 * 1024);
    const reader = body!.getReader();
    let read = 0;
    for (let next = await reader.read(); !next.done && read < held * 2; next = await reader.read()) {
      read += next.value.length;
    }
    expect(written).toBeGreaterThan(held);
    await reader.cancel();
  });

  it("sees no header of the web server's own connection", async () => {
    const site = siteOf((req, res) => res.end(JSON.stringify([req.headers.connection, req.headers.upgrade ?? null])));
    const params = { HTTP_CONNECTION: "keep-alive, upgrade", HTTP_UPGRADE: "websocket", HTTP_TE: "trailers" };
    expect(await (await site.fetch("/", { params })).json()).toEqual(["close", null]);
  });

  it("holds back a client whose body it does not read", async () => {
    let sent = 0;
    const piece = patternBytes(64 * 1024);
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          if (sent >= 64 * 1024 * 1024) return controller.close();
          sent += piece.length;
          controller.enqueue(piece.slice());
        },
      },
      { highWaterMark: 0 },
    );
    const answered = deferred<ServerResponse>();
    const site = siteOf((_req, res) => {
      answered.resolve(res);
      res.writeHead(200, { "Content-Type": "text/plain" }).write("begun");
    });
    const headers = { "Content-Length": String(64 * 1024 * 1024) };
    const response = await site.fetch("/", { method: "POST", headers, body, duplex: "half" } as object);
    const reader = response.body!.getReader();
    await reader.read();
    const res = await answered.promise;
    expect(sent).toBeLessThan(32 * 1024 * 1024);
    res.end("!");
    const { value } = await reader.read();
    expect(new TextDecoder().decode(value)).toBe("!");
    await reader.cancel();
  });

  it("learns that its client has left", async () => {
    const closed = deferred<boolean>();
    const site = siteOf((req, res) => {
      req.on("error", () => {});
      res.on("close", () => closed.resolve(res.writableFinished));
      res.setHeader("Content-Type", "text/event-stream");
      res.write("data: 1\n\n");
    });
    const controller = new AbortController();
    const response = await site.fetch("/", { signal: controller.signal });
    const reader = response.body!.getReader();
    await reader.read();
    controller.abort();
    await expect(reader.read()).rejects.toThrow();
    expect(await closed.promise).toBe(false);
  });

  it("learns that its client has left before it answered", async () => {
    const closed = deferred<void>();
    const begun = deferred<void>();
    const site = siteOf((_req, res) => {
      res.on("close", () => closed.resolve());
      begun.resolve();
    });
    const controller = new AbortController();
    const response = site.fetch("/", { signal: controller.signal });
    await begun.promise;
    controller.abort();
    await expect(response).rejects.toThrow();
    await closed.promise;
  });

  const failures: [string, RequestListener, string][] = [
    [
      "throws",
      () => {
        throw new Error("thrown on purpose");
      },
      "thrown on purpose",
    ],
    [
      "rejects",
      (async () => Promise.reject(new Error("rejected on purpose"))) as RequestListener,
      "rejected on purpose",
    ],
    ["closes its connection", (_req, res) => void res.destroy(), "the application closed its connection"],
    [
      "switches protocols",
      (_req, res) => void res.writeHead(101, { Connection: "Upgrade", Upgrade: "websocket" }).end(),
      "FastCGI has no place for another one",
    ],
  ];
  it.each(failures)("that %s before it answers is answered with 500", async (_name, listener, message) => {
    const site = siteOf((req, res) => (req.url === "/fails" ? listener(req, res) : res.end("right")));
    expect((await site.fetch("/fails")).status).toBe(500);
    expect(site.faults.map(String)).toEqual([expect.stringContaining(message)]);
    expect(await (await site.fetch("/")).text()).toBe("right");
  });

  it.each([
    [
      "fails",
      (res: ServerResponse) => (res.req.socket as ListenerSocket).fail(new Error("failed on purpose")),
      "failed on purpose",
    ],
    ["closes its connection", (res: ServerResponse) => res.destroy(), "the application closed its connection"],
  ])("that %s in its answer breaks it off", async (_name, fail, message) => {
    const begun = deferred<ServerResponse>();
    const site = siteOf((_req, res) => {
      res.writeHead(200, { "Content-Type": "text/plain" }).write("begun");
      begun.resolve(res);
    });
    const reader = (await site.fetch("/")).body!.getReader();
    await reader.read();
    fail(await begun.promise);
    await expect(reader.read()).rejects.toThrow();
    await vi.waitFor(() => expect(site.faults.map(String)).toEqual([expect.stringContaining(message)]), WAIT);
  });

  it("that rejects after its answer is reported, and harms nothing", async () => {
    const site = siteOf((async (_req: IncomingMessage, res: ServerResponse) => {
      res.end("right");
      await new Promise((resolve) => res.once("close", resolve));
      throw new Error("rejected on purpose");
    }) as RequestListener);
    expect(await (await site.fetch("/")).text()).toBe("right");
    await vi.waitFor(() => expect(site.messages.join()).toContain("rejected on purpose"), WAIT);
    expect(site.faults).toEqual([]);
  });

  it("ends by a timeout of its own", async () => {
    const timedOut = deferred<void>();
    const site = siteOf((req) => {
      req.socket.setTimeout(1, () => {
        timedOut.resolve();
        req.socket.destroy();
      });
    });
    expect((await site.fetch("/")).status).toBe(500);
    await timedOut.promise;
  });

  it("can be an http.Server, which need not listen", async () => {
    const server = createServer({ keepAlive: true });
    server.on("checkContinue", (_req, res) => {
      res.writeHead(417);
      res.end();
    });
    server.on("request", (_req, res) => res.end("right"));
    const site = siteOf(server);
    expect(await (await site.fetch("/")).text()).toBe("right");
    expect((await site.fetch("/", { method: "POST", body: "x", params: { HTTP_EXPECT: "100-continue" } })).status).toBe(
      417,
    );
    expect(server.listening).toBe(false);
  });

  it("answers many requests at once, each its own", async () => {
    const site = siteOf(async (req, res) => {
      let bytes = 0;
      for await (const piece of req) bytes += piece.length;
      res.end(`${req.url} ${bytes}`);
    });
    const numbers = Array.from({ length: 200 }, (_, index) => index);
    const answers = await Promise.all(
      numbers.map(async (number) =>
        (await site.fetch(`/${number}`, { method: "PUT", body: "x".repeat(number) })).text(),
      ),
    );
    expect(answers).toEqual(numbers.map((number) => `/${number} ${number}`));
  });

  it.each(["a\x01b", "a\x7fb"])("is spared a header that HTTP does not allow: %j", async (value) => {
    const site = siteOf((_req, res) => res.end("called"));
    expect((await site.fetch("/", { params: { HTTP_X_SENT: value } })).status).toBe(400);
    expect(site.faults.map(String)).toEqual([expect.stringContaining("Cannot build a request: ")]);
  });

  it("is spared a method that HTTP would write in another way", async () => {
    const site = siteOf((_req, res) => res.end("called"));
    expect((await site.fetch("/", { params: { REQUEST_METHOD: "patch" } })).status).toBe(400);
  });

  it("gets all header fields, and all of its own are sent", async () => {
    const site = siteOf((req, res) => {
      for (let index = 0; index < 1500; index++) res.setHeader(`x-${index}`, "1");
      res.end(String(Object.keys(req.headers).filter((name) => name.startsWith("x-")).length));
    });
    const sent = Array.from({ length: 1500 }, (_, index) => [`x-${index}`, "1"] as [string, string]);
    const response = await site.fetch("/", { headers: sent });
    expect([...response.headers.keys()].filter((name) => name.startsWith("x-"))).toHaveLength(1500);
    expect(await response.text()).toBe("1500");
  });

  it("answers 205 without a body", async () => {
    const site = siteOf((_req, res) => {
      res.writeHead(205, { "Content-Length": "5" });
      res.end("words");
    });
    const response = await site.fetch("/");
    expect([response.status, response.headers.get("content-length"), await response.text()]).toEqual([205, null, ""]);
  });

  it("whose answer only the close of its connection ends is broken off where it was not ended", async () => {
    const begun = deferred<IncomingMessage>();
    const site = siteOf((req, res) => {
      res.removeHeader("Transfer-Encoding");
      res.write("begun");
      if (req.url === "/whole") res.end("!");
      else begun.resolve(req);
    });
    expect(await (await site.fetch("/whole")).text()).toBe("begun!");
    const reader = (await site.fetch("/cut")).body!.getReader();
    await reader.read();
    (await begun.promise).socket.destroy();
    await expect(reader.read()).rejects.toThrow();
  });

  it("that is no http.Server is reported, and its clients do not wait", async () => {
    const site = siteOf(createTcpServer() as Server);
    expect((await site.fetch("/")).status).toBe(500);
    expect(site.faults.map(String)).toEqual([expect.stringContaining("Cannot use listener: ")]);
  });

  it.each<[what: string, options: FastCgiServerOptions, length: string, records: FastCgiRecord[], status: number]>([
    ["shorter than its length", {}, "10", stdin(1, "12345"), 400],
    ["longer than its length", {}, "5", stdin(1, "12345GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400],
    ["too large", { maxStdinBytes: 4 }, "", [record(RecordType.Stdin, 1, "12345")], 413],
  ])("never gets the end of a body that is %s", async (_what, options, length, records, status) => {
    let isWhole = false;
    const listener: RequestListener = (req, res) => {
      req.on("error", () => {}).resume();
      req.on("end", () => {
        isWhole = true;
        res.end();
      });
    };
    const output = await outputFor(listener, options, { CONTENT_LENGTH: length }, records);
    expect(output).toContain(`Status: ${status} `);
    expect(isWhole).toBe(false);
  });

  it("learns that its client has left while it reads nothing of its body", async () => {
    const begun = deferred<void>();
    const closed = deferred<void>();
    const listener: RequestListener = (_req, res) => {
      res.on("close", () => closed.resolve());
      begun.resolve();
    };
    const records = [
      record(RecordType.Stdin, 1, patternBytes(60_000)),
      record(RecordType.Stdin, 1, patternBytes(60_000)),
    ];
    void outputFor(listener, {}, { CONTENT_LENGTH: "10000000" }, records, begun.promise);
    await closed.promise;
  });

  it("is an Authorizer without waiting for a body, which an Authorizer never gets", async () => {
    const listener: RequestListener = async (req, res) => {
      for await (const _ of req);
      res.end("right");
    };
    const output = await outputFor(listener, {}, { CONTENT_LENGTH: "5" }, [], undefined, Role.Authorizer);
    expect(output).toContain("right");
  });
});

/**
 * The bytes of an application that gets a POST with these records. It is aborted after `abort`.
 */
async function outputFor(
  listener: RequestListener,
  options: FastCgiServerOptions,
  variables: Record<string, string>,
  records: FastCgiRecord[],
  abort?: Promise<void>,
  role: number = Role.Responder,
): Promise<string> {
  const service = new FastCgiHttpService(listenerFetch(listener), { lazyRequest: true });
  const server = new FastCgiServer(service.handler, { ...options, onError: () => {} });
  const [web, application] = connectionPair();
  void server.serve(application);
  const writer = web.writable.getWriter();
  const all = { REQUEST_METHOD: "POST", REQUEST_URI: "/", HTTP_HOST: "shop.example", ...variables };
  const request = bytesOf(begin(1, { role, keepConn: false }), ...params(1, all), records);
  // A server that has answered reads no more.
  void writer.write(request).catch(() => {});
  void abort?.then(() => writer.write(bytesOf(record(RecordType.AbortRequest, 1)))).catch(() => {});
  let output = "";
  const reader = web.readable.getReader();
  // FCGI_END_REQUEST of request 1.
  while (!output.includes("\x01\x03\x00\x01")) {
    const { done, value } = await reader.read();
    if (done) break;
    output += Buffer.from(value).toString("latin1");
  }
  web.close();
  return output;
}
