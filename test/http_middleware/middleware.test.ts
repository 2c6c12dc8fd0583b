// Fetch functions in front of programs that take (req, res, next), over real connections of node:http.

import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type ClientHttp2Stream, createServer as createHttp2Server, connect as http2Connect } from "node:http2";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { createGunzip } from "node:zlib";
import compression from "compression";
import express, { type ErrorRequestHandler, type Express } from "express";
import { afterEach, describe, expect, it } from "vitest";
import { toMiddleware } from "../../adapters/http_middleware/middleware.ts";
import { FastCgiError, type FastCgiHttpPeers, type FastCgiScript } from "../../src/index.ts";
import { encodedUpstream, PLAIN } from "../support/encoded_upstream.ts";
import { httpOpen, httpRequest, nextPiece } from "../support/http.ts";
import { exchangeHttp } from "../support/http_message.ts";
import { deferred, OpenStream } from "../support/open_stream.ts";
import { patternBytes } from "../support/pattern.ts";
import { RawConnection } from "../support/raw_connection.ts";
import { isBun } from "../support/runtime.ts";
import { unhandledRejectionsOf } from "../support/unhandled_rejections.ts";

type Fetch = Parameters<typeof toMiddleware>[0];
type Options = Parameters<typeof toMiddleware>[1];

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

interface Listening {
  readonly port: number;
  readonly url: string;
}

/** Listens until the end of the test. */
async function listen(listener: (req: IncomingMessage, res: ServerResponse) => void): Promise<Listening> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  stops.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return { port, url: `http://127.0.0.1:${port}` };
}

/** A program of nothing but the middleware. It answers what goes on to it with 299 or, with an error, 599. */
async function site(fetch: Fetch, options?: Options): Promise<Listening & { readonly errors: unknown[] }> {
  const errors: unknown[] = [];
  const middleware = toMiddleware(fetch, options);
  const listening = await listen((req, res) =>
    middleware(req, res, async (error) => {
      if (error !== undefined) errors.push(error);
      if (res.headersSent) return;
      res.statusCode = error === undefined ? 299 : 599;
      res.end(await text(req));
    }),
  );
  return { ...listening, errors };
}

function pieces(...texts: string[]): ReadableStream<Uint8Array> {
  return new Blob(texts).stream();
}

/** Has the members of a Response, as classes from npm have them. */
function likeResponse(headers: Headers = new Headers()): Pick<Response, "status" | "statusText" | "headers" | "body"> {
  return { status: 200, statusText: "", headers, body: null };
}

/** Iterating over them joins all cookies. */
function headersLikeNodeFetch(cookies: string[]): Headers {
  const headers = {
    get: () => null,
    raw: () => ({ "set-cookie": cookies }),
    [Symbol.iterator]: () => [["set-cookie", cookies.join(", ")]][Symbol.iterator](),
  };
  return headers as unknown as Headers;
}

async function readResponse(): Promise<Response> {
  const response = new Response("read");
  await response.text();
  return response;
}

function lockedResponse(): Response {
  const response = new Response("locked");
  response.body!.getReader();
  return response;
}

/** A stream of one piece, of any kind. */
function pieceStream(piece: unknown): ReadableStream {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(piece);
      controller.close();
    },
  });
}

describe("a request", () => {
  it("has the method, the URL, the headers and the body", async () => {
    const { url } = await site(async (request) =>
      Response.json([request.method, request.url, request.headers.get("x-own"), await request.text()]),
    );
    const response = await httpRequest(`${url}/a//b?x=%20`, {
      headers: { "X-Own": "gr\xfcn" },
      body: ["one", "two"].map((part) => Buffer.from(part)),
    });
    expect(JSON.parse(response.text())).toEqual(["POST", `${url}/a//b?x=%20`, "gr\xfcn", "onetwo"]);
  });

  it("has no header of the connection", async () => {
    const { port } = await site((request) => Response.json([...request.headers.keys()].sort()));
    const lines = "Host: a.example\r\nKeep-Alive: 5\r\nTE: trailers\r\nUpgrade: h2c\r\nX-Own: 1\r\n";
    expect(JSON.parse((await exchangeHttp(port, "GET /", lines)).body)).toEqual(["host", "x-own"]);
  });

  it.each([
    ["GET http://other.example:81/a?b", "Host: a.example\r\n", ["http://other.example:81/a?b", "other.example:81"]],
    ["GET http://other.example?b", "Host: a.example\r\n", ["http://other.example/?b", "other.example"]],
    ["GET //a.example/b", "Host: a.example\r\n", ["http://a.example//a.example/b", "a.example"]],
    ["GET /", "Host: [::1]:8080\r\n", ["http://[::1]:8080/", "[::1]:8080"]],
    ["OPTIONS *", "Host: a.example\r\n", 599],
    ["GET /", "Host: a.example/b\r\n", 599],
    ["GET /", "Host: a@b.example\r\n", 599],
    ["GET /", "Host: a.example:99999\r\n", 599],
    ["GET /", "Host: a%2eexample\r\n", 599],
    ["TRACE /", "Host: a.example\r\n", 599],
    // A guard of /admin has not seen that path.
    ["GET /x/../admin", "Host: a.example\r\n", 599],
    ["GET /x/%2E./admin?a", "Host: a.example\r\n", 599],
    ["GET http://a.example/./admin", "Host: a.example\r\n", 599],
    ["GET /x/..", "Host: a.example\r\n", 599],
    ["GET /x\\..\\admin", "Host: a.example\r\n", 599],
    ["GET /.a/..b/...?/../\\", "Host: a.example\r\n", ["http://a.example/.a/..b/...?/../\\", "a.example"]],
  ])("has the URL that the client asked for: %s, %s", async (start, lines, expected) => {
    // Bun refuses it itself.
    if (isBun && start === "OPTIONS *")
      return expect((await exchangeHttp((await site(() => null)).port, start, lines)).status).toBe(400);
    const { port, errors } = await site((request) => Response.json([request.url, request.headers.get("host")]));
    const answer = await exchangeHttp(port, start, lines);
    if (typeof expected !== "number") return expect(JSON.parse(answer.body)).toEqual(expected);
    expect(answer.status).toBe(expected);
    expect(errors).toEqual([expect.objectContaining({ code: "malformedRequest", status: 400 })]);
  });

  it("names the addresses of both ends", async () => {
    const { port } = await site((_request, init) => Response.json(init));
    const peers = JSON.parse((await exchangeHttp(port, "GET /", "Host: a.example\r\n")).body);
    expect(peers).toEqual({
      ...{ remoteAddress: "127.0.0.1", serverAddress: "127.0.0.1", serverPort: port },
      remotePort: expect.any(Number),
    });
  });

  it("is read no faster than its body", async () => {
    let received = 0;
    const go = deferred<void>();
    const { port } = await site(async (request) => {
      const reader = request.body!.getReader();
      const first = await reader.read();
      received = first.value!.length;
      await go.promise;
      for (let next = await reader.read(); !next.done; next = await reader.read()) received += next.value.length;
      return new Response(String(received));
    });
    const size = 32 * 1024 * 1024;
    const connection = await RawConnection.open({ port });
    stops.push(() => connection.close());
    let sent = 0;
    const sending = (async () => {
      await connection.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`);
      for (const piece = patternBytes(1024 * 1024); sent < size; sent += piece.length) await connection.write(piece);
    })();
    // Answers to others give it turns enough to read all that it would.
    const other = await site(() => new Response("other"));
    for (let count = 0; count < 40; count++) await httpRequest(other.url);
    expect(sent).toBeLessThan(size / 2);
    go.resolve();
    await sending;
    await connection.readUntil((bytes) => bytes.includes(String(size)));
  });

  it("is aborted, and no error, when its client leaves before the answer", async () => {
    const aborted = deferred<unknown>();
    const begun = deferred<void>();
    const { port, errors } = await site(async (request) => {
      begun.resolve();
      await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
      aborted.resolve(request.signal.reason);
      throw request.signal.reason;
    });
    const connection = await RawConnection.open({ port });
    await connection.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await begun.promise;
    connection.close();
    expect(await aborted.promise).toMatchObject({ name: "AbortError" });
    expect(errors).toEqual([]);
  });

  it("has a body that fails when its client leaves in it", async () => {
    const failed = deferred<unknown>();
    const { port } = await site(async (request) => {
      await request.text().catch(failed.resolve);
      return new Response("late");
    });
    const connection = await RawConnection.open({ port });
    await connection.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
    connection.close();
    expect(await failed.promise).toBeInstanceOf(Error);
  });

  it.each<[string, () => Response]>([
    ["an answer", () => new Response("", { status: 599 })],
    [
      "an error",
      () => {
        throw new FastCgiError("limit", "Cannot collect", { limit: "maxSpooledRequestBytes" });
      },
    ],
  ])("leaves its connection usable when its body is given up in the middle before %s", async (_what, end) => {
    const middleware = toMiddleware(async (request) => {
      const reader = request.body?.getReader();
      await reader?.read();
      await reader?.cancel();
      return end();
    });
    // Unlike site(), reads nothing of the body: that is left to node:http.
    const { port } = await listen((req, res) =>
      middleware(req, res, () => {
        res.statusCode = 599;
        res.end();
      }),
    );
    const connection = await RawConnection.open({ port });
    stops.push(() => connection.close());
    const size = 2_000_000;
    await connection.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`);
    await connection.write("x".repeat(size));
    await connection.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await connection.readUntil((bytes) => bytes.toString("latin1").split("HTTP/1.1 599").length === 3);
  });
});

describe("an answer", () => {
  it("has the status, the reason, the headers, each cookie, and the body", async () => {
    const headers = new Headers({ "X-Own": "1", Connection: "close", "Content-Type": "text/plain" });
    headers.append("Set-Cookie", "a=1; Path=/");
    headers.append("Set-Cookie", "b=2");
    const { url } = await site(
      () => new Response(pieces("one", "two"), { status: 418, statusText: "Brewing", headers }),
    );
    const { status, reason, headers: got, body } = await httpRequest(url);
    expect([status, reason, String(body)]).toEqual([418, "Brewing", "onetwo"]);
    expect(got).toMatchObject({ "x-own": "1", "content-type": "text/plain", "set-cookie": ["a=1; Path=/", "b=2"] });
  });

  it("keeps the cookies and Vary of the middleware before it, and replaces the rest", async () => {
    const middleware = toMiddleware(
      () => new Response("", { headers: { "Set-Cookie": "php=1", Vary: "Cookie", "X-Powered-By": "PHP" } }),
    );
    const { url } = await listen((req, res) => {
      res.setHeader("Set-Cookie", "session=1").setHeader("Vary", "Origin").setHeader("X-Powered-By", "Express");
      middleware(req, res, () => {});
    });
    const { headers } = await httpRequest(url);
    expect(headers).toMatchObject({
      "set-cookie": ["session=1", "php=1"],
      vary: "Origin, Cookie",
      "x-powered-by": "PHP",
    });
  });

  it("to HEAD has the headers and no body, which is cancelled", async () => {
    const cancelled = deferred<void>();
    const body = new ReadableStream({ cancel: () => cancelled.resolve() });
    const { url } = await site(() => new Response(body, { headers: { "Content-Length": "4" } }));
    const { status, headers, body: got } = await httpRequest(url, { method: "HEAD" });
    expect([status, headers["content-length"], got.length]).toEqual([200, "4", 0]);
    await cancelled.promise;
  });

  it.each([204, 304])("of %i has no body", async (status) => {
    const { url } = await site(() => new Response(null, { status, headers: { ETag: '"1"' } }));
    const answer = await httpRequest(url);
    expect([answer.status, answer.headers.etag, answer.body.length]).toEqual([status, '"1"', 0]);
  });

  it("sends the header before the body comes, and each piece when it comes", async () => {
    const stream = new TransformStream<Uint8Array, Uint8Array>();
    const writer = stream.writable.getWriter();
    const { url } = await site(() => new Response(stream.readable));
    const response = await httpOpen(url);
    expect(response.statusCode).toBe(200);
    for (const piece of ["one", "two"]) {
      void writer.write(Buffer.from(piece));
      expect(await nextPiece(response)).toBe(piece);
    }
    void writer.close();
    expect(await text(response)).toBe("");
  });

  it("is held back by a client that does not read, and ends when the client leaves", async () => {
    let made = 0;
    const cancelled = deferred<void>();
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        made++;
        controller.enqueue(patternBytes(64 * 1024));
      },
      cancel: () => cancelled.resolve(),
    });
    const { url, errors } = await site((request) => new Response(request.url.endsWith("/other") ? "other" : body));
    const response = await httpOpen(url);
    // Answers to others give it turns enough to write all that it can.
    for (let count = 0; count < 40; count++) await httpRequest(`${url}/other`);
    expect(made).toBeLessThan(500);
    response.destroy();
    await cancelled.promise;
    expect(errors).toEqual([]);
  });

  it.each([
    ["ends early", ["abc"], 10],
    ["goes on", ["abc", "HTTP/1.1 200 OK"], 3],
  ])("whose body %s looks cut, and nothing comes behind it", async (_how, texts, length) => {
    const { port, errors } = await site(() => {
      const rest = texts.map((text) => Buffer.from(text));
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          const piece = rest.shift();
          if (piece === undefined) controller.close();
          else controller.enqueue(piece);
        },
      });
      return new Response(body, { headers: { "Content-Length": String(length) } });
    });
    const connection = await RawConnection.open({ port });
    stops.push(() => connection.close());
    await connection.write("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(String(await connection.readToEnd()).split("HTTP/1.1").length - 1).toBeLessThan(2);
    expect(errors[0]).toMatchObject({
      name: "TypeError",
      message: expect.stringContaining(`expected ${length} bytes`),
    });
  });

  it.each<[string, () => Response]>([
    ["has no body but a length", () => new Response(null, { headers: { "Content-Length": "10" } })],
    [
      "fails before its first byte",
      () =>
        new Response(new ReadableStream({ start: (c) => c.error(new Error("on purpose")) }), {
          headers: { "Content-Length": "10" },
        }),
    ],
  ])("that %s leaves no length to the answer to its error", async (_how, make) => {
    const { url, errors } = await site(make);
    const { status, headers } = await httpRequest(url);
    expect([status, headers["content-length"] ?? "0"]).toEqual([599, "0"]);
    expect(errors).toHaveLength(1);
  });

  it.each<[string, () => unknown, RegExp]>([
    ["of Response.error()", () => Response.error(), /its status is 0$/],
    ["of a status that is none", () => ({ ...likeResponse(), status: 101 }), /its status is 101$/],
    ["of a reason that is none", () => ({ ...likeResponse(), statusText: "a\r\nb" }), /its statusText is "a\\r\\nb"$/],
    ["of a header that node:http refuses", () => likeResponse(new Headers({ "X-A": "1", "X-B": "\x01" })), /x-b/],
    ["whose body was read", readResponse, /its body was read already$/],
    ["whose body is being read", () => lockedResponse(), /its body was read already$/],
    ["whose body is of text", () => new Response(pieceStream("gr\xfcn")), /expected chunks that are Uint8Arrays/],
    ["whose body is of numbers", () => new Response(pieceStream(7)), /expected chunks that are Uint8Arrays/],
    [
      "whose body fails at its first piece",
      () => new Response(new ReadableStream({ pull: () => Promise.reject(new Error("pulled")) })),
      /^pulled$/,
    ],
  ])("%s is an error, and nothing of it is in the answer to the error", async (_how, make, message) => {
    const errors: unknown[] = [];
    const middleware = toMiddleware(async () => (await make()) as Response);
    const { port } = await listen((req, res) =>
      middleware(req, res, async (error) => {
        errors.push(error);
        // As an application that looks up its page of errors: a header must not leave meanwhile.
        for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
        res.end("page");
      }),
    );
    const { status, reason, headers, body } = await httpRequest(`http://127.0.0.1:${port}`);
    expect([status, reason, String(body)]).toEqual([200, "OK", "page"]);
    const ofNode = ["connection", "content-length", "date", "keep-alive"];
    expect(Object.keys(headers).filter((name) => !ofNode.includes(name))).toEqual([]);
    expect(errors).toEqual([expect.objectContaining({ message: expect.stringMatching(message) })]);
  });

  it("that fails leaves the headers and the cookies of the middleware before it", async () => {
    const ofResponse = {
      "Set-Cookie": "php=1",
      "X-Frame-Options": "none",
      "X-Powered-By": "PHP",
      "Content-Length": "3",
    };
    const middleware = toMiddleware(() => new Response("short", { headers: ofResponse }));
    const { url } = await listen((req, res) => {
      res.setHeader("Set-Cookie", "session=1").setHeader("X-Frame-Options", "DENY");
      middleware(req, res, () => res.end("page"));
    });
    const { headers, body } = await httpRequest(url);
    expect([headers["set-cookie"], headers["x-frame-options"], headers["x-powered-by"]]).toEqual([
      ["session=1"],
      "DENY",
      undefined,
    ]);
    expect(String(body)).toBe("page");
  });

  it.each(["x", "3, 4", "-3", "3.0", ""])("has no Content-Length where that of the response is %j", async (length) => {
    const { url, errors } = await site(() => new Response("abc", { headers: { "Content-Length": length } }));
    const { headers, body } = await httpRequest(url);
    expect([headers["content-length"], String(body), errors]).toEqual([undefined, "abc", []]);
  });

  it("is given up where it can't be sent", async () => {
    const cancelled = deferred<void>();
    const body = new ReadableStream({ cancel: () => cancelled.resolve() });
    const { url } = await site(() => ({ ...likeResponse(), status: 101, body }) as Response);
    expect((await httpRequest(url)).status).toBe(599);
    await cancelled.promise;
  });

  it("is given up where its client has left before it", async () => {
    const begun = deferred<void>();
    const left = deferred<void>();
    const cancelled = deferred<void>();
    const body = new ReadableStream({ cancel: () => cancelled.resolve() });
    const { port, errors } = await site(async (request) => {
      request.signal.addEventListener("abort", () => left.resolve());
      begun.resolve();
      await left.promise;
      return new Response(body);
    });
    const connection = await RawConnection.open({ port });
    await connection.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await begun.promise;
    connection.close();
    await cancelled.promise;
    expect(errors).toEqual([]);
  });

  it.each([
    ["HEAD", 200],
    ["GET", 204],
  ])("to %s of %i is whole if its body can't be cancelled", async (method, status) => {
    const body = new ReadableStream({ cancel: () => Promise.reject(new Error("on purpose")) });
    const { url, errors } = await site(() => ({ ...likeResponse(), status, body }) as Response);
    const unhandled = await unhandledRejectionsOf(async () => {
      expect(await httpRequest(url, { method })).toMatchObject({ status });
    });
    expect([errors, unhandled]).toEqual([[], []]);
  });

  it.each([204, 205])("of %i has no Content-Length of the program's", async (status) => {
    const { port } = await site(() => new Response(null, { status, headers: { "Content-Length": "10" } }));
    const { status: got, headers, body } = await exchangeHttp(port, "GET /", "Host: a\r\n");
    expect([got, body]).toEqual([status, ""]);
    expect(headers).not.toContainEqual([expect.stringMatching(/^content-length$/i), "10"]);
  });

  it("of another class, with a stream of Node, is sent like the runtime's own", async () => {
    const { url } = await site(
      () =>
        ({
          ...likeResponse(headersLikeNodeFetch(["a=1", "b=2"])),
          status: 201,
          body: Readable.from([Buffer.from("one"), Buffer.from("two")]),
        }) as never,
    );
    const { status, headers, body } = await httpRequest(url);
    expect([status, headers["set-cookie"], String(body)]).toEqual([201, ["a=1", "b=2"], "onetwo"]);
  });

  it("that fetch() returned is sent on, although fetch() has decoded its body", async () => {
    const upstream = await encodedUpstream();
    stops.push(upstream.stop);
    const { url, errors } = await site((request) => fetch(upstream.url(new URL(request.url).pathname.slice(1))));
    for (const coding of ["gzip", "gzip?chunked", "br"]) {
      const { headers, body } = await httpRequest(`${url}/${coding}`);
      expect([headers["content-encoding"], headers["content-length"], String(body)]).toEqual([
        undefined,
        undefined,
        PLAIN,
      ]);
    }
    expect(errors).toEqual([]);
  });

  it("that fetch() returned is given up when the client leaves before its body begins", async () => {
    const open = new OpenStream();
    const fetched = new Response(open.stream, { headers: { "content-encoding": "gzip" } });
    Object.defineProperty(fetched, "url", { value: "http://upstream.test/" });
    const { url, errors } = await site(() => fetched);
    const leaving = new AbortController();
    const answered = httpRequest(url, { signal: leaving.signal });
    await open.pulled();
    leaving.abort();
    await expect(answered).rejects.toThrow();
    await open.cancellation;
    expect(errors).toEqual([]);
  });

  it("that is a copy of what fetch() returned is refused with the reason", async () => {
    const headers = { "Content-Encoding": "gzip", "Content-Length": "3" };
    const { url, errors } = await site(() => new Response("decoded", { headers }));
    await httpRequest(url);
    expect(String(errors)).toMatch(/^TypeError: Cannot send the response body \(gzip; .+\): expected 3 bytes, got 7$/);
  });

  it("whose body fails looks cut, and the error goes on", async () => {
    const fail = deferred<void>();
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(Buffer.from("begun")),
      pull: () => fail.promise,
    });
    const { url, errors } = await site(() => new Response(body));
    const response = await httpOpen(url);
    expect(await nextPiece(response)).toBe("begun");
    fail.reject(new FastCgiError("connectionClosed", "gone"));
    await expect(text(response)).rejects.toThrow();
    expect(errors).toEqual([expect.objectContaining({ code: "connectionClosed", status: 502 })]);
  });

  it("whose body fails looks cut to HTTP/1.0, where the end of the connection is that of a body", async () => {
    const fail = deferred<void>();
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(Buffer.from("begun")),
      pull: () => fail.promise,
    });
    const { port } = await site(() => new Response(body));
    const socket = connect(port, "127.0.0.1", () => socket.write("GET / HTTP/1.0\r\n\r\n"));
    const ended = new Promise((resolve) => socket.once("end", () => resolve("end")).once("error", resolve));
    await new Promise((resolve) => socket.once("data", resolve));
    socket.resume();
    fail.reject(new Error("on purpose"));
    expect(await ended).toMatchObject({ code: "ECONNRESET" });
  });
});

describe("what goes on to next", () => {
  it.each([null, undefined])("is a request for which fetch returns %s, with its body", async (nothing) => {
    const { url, errors } = await site(async () => nothing);
    const { status, body } = await httpRequest(url, { body: "unread" });
    expect([status, String(body), errors]).toEqual([299, "unread", []]);
  });

  const scripts = async ({ url }: Request): Promise<FastCgiScript | Response> => {
    const { pathname } = new URL(url);
    if (pathname === "/a.php") return { filename: "/srv/a.php" };
    return new Response("from the resolver", { status: pathname === "/folder" ? 308 : 404 });
  };

  it("is a request for which there is no script, with its body", async () => {
    const { url } = await site((_request, { script }) => Response.json(script), { script: scripts });
    expect((await httpRequest(`${url}/a.php`)).text()).toBe('{"filename":"/srv/a.php"}');
    expect((await httpRequest(`${url}/folder`)).status).toBe(308);
    const other = await httpRequest(`${url}/other`, { body: "unread" });
    expect([other.status, other.text()]).toEqual([299, "unread"]);
  });

  it.each<[string, Fetch, object]>([
    ["of FastCGI", async () => Promise.reject(new FastCgiError("timeout", "slow")), { code: "timeout", status: 504 }],
    [
      "of another kind",
      () => {
        throw new RangeError("thrown on purpose");
      },
      { name: "RangeError", message: "thrown on purpose" },
    ],
    [
      "for what is no Response",
      (() => 7) as never,
      { message: "Cannot answer: expected fetch to return a Response, got 7" },
    ],
  ])("is an error %s", async (_name, fetch, expected) => {
    const { url, errors } = await site(fetch);
    expect((await httpRequest(url)).status).toBe(599);
    expect(errors).toEqual([expect.objectContaining(expected)]);
  });
});

describe("Express", () => {
  const onError: ErrorRequestHandler = (error, _req, res, _next) => {
    res.status(error.status ?? 500).send(error.message);
  };

  async function shop(build: (app: Express) => void): Promise<Listening> {
    const app = express();
    build(app);
    return listen(app.use(onError));
  }

  it("gives the whole URL to middleware below a path", async () => {
    const { url } = await shop((app) => {
      app.use((req, _res, next) => {
        req.url = req.url.replace("/short", "/blog/long");
        next();
      });
      app.use(
        "/blog",
        toMiddleware((request) => new Response(request.url)),
      );
    });
    for (const path of ["/blog", "/blog/", "/blog/a?b", "/short?c"]) {
      expect((await httpRequest(url + path)).text()).toBe(url + path);
    }
  });

  it("tells the client that a trusted proxy has named", async () => {
    const { url } = await shop((app) => {
      app.set("trust proxy", true);
      app.use(toMiddleware((request, init) => Response.json([request.url, init])));
    });
    const headers = { Host: "shop.example", "X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https" };
    expect(JSON.parse((await httpRequest(url, { headers })).text())).toEqual([
      "https://shop.example/",
      { remoteAddress: "192.0.2.7", serverAddress: "127.0.0.1" },
    ]);
  });

  it("believes no proxy that it does not trust", async () => {
    const { url } = await shop((app) => {
      app.use(toMiddleware((request, init) => Response.json([request.url, init.remoteAddress])));
    });
    const headers = { Host: "shop.example", "X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https" };
    expect(JSON.parse((await httpRequest(url, { headers })).text())).toEqual(["http://shop.example/", "127.0.0.1"]);
  });

  it.each([
    ["JSON", express.json(), '{"a":1}', "application/json"],
    ["a form", express.urlencoded(), "a=1", "application/x-www-form-urlencoded"],
    ["bytes", express.raw(), "abc", "application/octet-stream"],
  ])("that has read a body as %s gets an error that says what to do", async (_name, parser, body, type) => {
    const { url } = await shop((app) => {
      app.use(parser);
      app.use(toMiddleware(async (request) => new Response(await request.text())));
    });
    const { status, text } = await httpRequest(url, { body, headers: { "Content-Type": type } });
    expect([status, text()]).toEqual([
      500,
      "Cannot read the body: other middleware has read it; put toMiddleware before what reads bodies, such as express.json()",
    ]);
    expect((await httpRequest(url, { headers: { "Content-Type": type } })).status).toBe(200);
    expect((await httpRequest(url, { body: "", headers: { "Content-Type": type } })).status).toBe(200);
  });

  it("answers with the status of the error", async () => {
    const { url } = await shop((app) => {
      app.use(toMiddleware(() => Promise.reject(new FastCgiError("connectFailed", "php is gone"))));
    });
    expect(await httpRequest(url)).toMatchObject({ status: 502 });
  });

  it("compresses, and still sends each piece when it comes", async () => {
    const stream = new TransformStream<Uint8Array, Uint8Array>();
    const writer = stream.writable.getWriter();
    const { url } = await shop((app) => {
      app.use(compression({ threshold: 0 }));
      app.use(toMiddleware(() => new Response(stream.readable, { headers: { "Content-Type": "text/event-stream" } })));
    });
    const response = await httpOpen(url, { headers: { "Accept-Encoding": "gzip" } });
    expect(response.headers["content-encoding"]).toBe("gzip");
    const texts = response.pipe(createGunzip());
    const reader = texts[Symbol.asyncIterator]();
    for (const piece of ["data: 1\n\n", "data: 2\n\n"]) {
      void writer.write(Buffer.from(piece));
      expect(String((await reader.next()).value)).toBe(piece);
    }
    void writer.close();
    expect((await reader.next()).done).toBe(true);
  });

  it("compresses what is large, whole, and without a listener for each wait", async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): unknown => warnings.push(warning);
    process.on("warning", onWarning);
    stops.push(() => process.off("warning", onWarning));
    const bytes = patternBytes(8 * 1024 * 1024);
    const { url } = await shop((app) => {
      app.use(compression());
      app.use(
        toMiddleware(() => new Response(new Blob([bytes]).stream(), { headers: { "Content-Type": "text/plain" } })),
      );
    });
    const response = await httpOpen(url, { headers: { "Accept-Encoding": "gzip" } });
    const hash = createHash("sha256");
    for await (const piece of response.pipe(createGunzip())) hash.update(piece);
    expect(hash.digest("hex")).toBe(createHash("sha256").update(bytes).digest("hex"));
    expect(warnings).toEqual([]);
  });
});

describe("HTTP/2", () => {
  /** A client of a server of HTTP/2 that has only the middleware. */
  async function http2Site(fetch: Fetch) {
    const errors: unknown[] = [];
    const middleware = toMiddleware(fetch);
    const server = createHttp2Server((req, res) =>
      middleware(req as unknown as IncomingMessage, res as unknown as ServerResponse, (error) => errors.push(error)),
    ).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as { port: number };
    const client = http2Connect(`http://127.0.0.1:${port}`);
    stops.push(
      () => client.destroy(),
      () => server.close(),
    );
    return { client, port, errors };
  }

  it("has the host and the body, and answers without the fields of HTTP/1", async () => {
    const { client, port } = await http2Site(async (request, init: FastCgiHttpPeers) => {
      const headers = {
        Connection: "close",
        "X-Host": request.headers.get("host")!,
        "X-Port": String(init.serverPort),
      };
      return new Response(`${request.url} ${await request.text()}`, { headers, statusText: "OK" });
    });
    const stream = client.request({ ":method": "POST", ":path": "/a" });
    stream.end("body");
    const headers = await new Promise<object>((resolve) => stream.once("response", resolve));
    expect(headers).toMatchObject({ ":status": 200, "x-host": `127.0.0.1:${port}`, "x-port": String(port) });
    expect(headers).not.toHaveProperty("connection");
    expect(await text(stream)).toBe(`http://127.0.0.1:${port}/a body`);
  });

  it.each([
    ["cancels", (stream: ClientHttp2Stream) => stream.close(8)],
    ["closes without an error", (stream: ClientHttp2Stream) => stream.close(0)],
    ["leaves with its connection", (stream: ClientHttp2Stream) => stream.session?.destroy()],
  ])("has no end of a body that its client %s in the middle", async (_name, cut) => {
    const failed = deferred<unknown>();
    const begun = deferred<void>();
    const { client } = await http2Site(async (request) => {
      const reader = request.body!.getReader();
      await reader.read();
      begun.resolve();
      failed.resolve(await reader.read().catch((error: unknown) => error));
      return new Response();
    });
    const stream = client.request({ ":method": "POST", ":path": "/" });
    stream.on("error", () => {});
    stream.write("half");
    await begun.promise;
    cut(stream);
    expect(await failed.promise).toBeInstanceOf(Error);
  });

  it("shows a body that failed as cut", async () => {
    const fail = deferred<void>();
    const { client, errors } = await http2Site(
      () =>
        new Response(
          new ReadableStream<Uint8Array>({
            start: (controller) => controller.enqueue(Buffer.from("begun")),
            pull: () => fail.promise,
          }),
        ),
    );
    const stream = client.request({ ":path": "/" });
    await new Promise((resolve) => stream.once("data", resolve));
    fail.reject(new Error("failed on purpose"));
    await expect(text(stream)).rejects.toThrow();
    expect(errors).toHaveLength(1);
  });
});
