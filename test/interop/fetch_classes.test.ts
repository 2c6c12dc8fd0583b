// What has the members of a Response or a Request is one, whatever class it is of: of undici and node-fetch from npm, of GraphQL Yoga
// (@whatwg-node), and of @hono/node-server, which replaces the global classes.

import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FastCgiHttpClient, FastCgiHttpService } from "../../src/toolkit.ts";
import { latin1 } from "../support/bytes.ts";
import { request } from "../support/records.ts";
import { answering, type ReceivedRequest, ScriptedConnector } from "../support/scripted_application.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";
import { MemoryApplication } from "../support/web_server_end.ts";

failOnUnhandledRejections();

/** A package of which no more is known here than what the test uses. */
// biome-ignore lint/suspicious/noExplicitAny: their types are those of Fetch, which are not compared here.
const load = (name: string): Promise<any> => import(name);

interface Classes {
  Request: typeof Request;
  Response: typeof Response;
}

const packages: [name: string, classes: () => Promise<Classes>, streamOf: (pieces: Uint8Array[]) => unknown][] = [
  ["undici", () => load("undici"), webStream],
  // It knows streams of Node's only.
  ["node-fetch", () => load("node-fetch"), (pieces) => Readable.from(pieces)],
  ["@whatwg-node/fetch", () => load("@whatwg-node/fetch"), webStream],
];

function webStream(pieces: Uint8Array[]): ReadableStream<Uint8Array> {
  const rest = [...pieces];
  return new ReadableStream({
    pull(controller) {
      const piece = rest.shift();
      if (piece === undefined) controller.close();
      else controller.enqueue(piece);
    },
  });
}

/** What a handler answers, behind a connection in memory. */
async function answerOf(
  fetch: (request: Request) => unknown,
  uri = "/",
  body?: string,
  extra: Record<string, string> = { CONTENT_TYPE: "application/json" },
): Promise<string> {
  const service = new FastCgiHttpService(fetch as (request: Request) => Response);
  const application = new MemoryApplication(service.handler);
  const { web } = application.connect();
  await web.send(request(1, { uri, extra, ...(body !== undefined && { body }) }));
  const { stdout } = await web.answer(1);
  expect(application.errors).toEqual([]);
  return stdout;
}

const clients: FastCgiHttpClient[] = [];
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});

function recording() {
  const requests: ReceivedRequest[] = [];
  const connector = new ScriptedConnector(
    answering((received) => {
      requests.push(received);
      return "X-A: 1\r\n\r\nanswer";
    }),
  );
  const client = new FastCgiHttpClient(connector);
  clients.push(client);
  return { client, requests };
}

const cookies = ["a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "b=2"];

describe.for(packages)("a Response of %s", ([, classes, streamOf]) => {
  it("FastCgiHttpService sends it as the runtime's own", async () => {
    const { Response } = await classes();
    const make = (body: BodyInit | null): Response => {
      const response = new Response(body, { status: 201, headers: { "X-Test": "yes", "Content-Type": "text/x-a" } });
      for (const cookie of cookies) response.headers.append("Set-Cookie", cookie);
      return response;
    };
    for (const body of ["héllo", new TextEncoder().encode("héllo")]) {
      const [header, sent] = (await answerOf(() => make(body))).split("\r\n\r\n");
      expect(header!.split("\r\n").toSorted()).toEqual(
        expect.arrayContaining([
          "Status: 201 Created",
          "content-type: text/x-a",
          ...cookies.map((cookie) => `set-cookie: ${cookie}`),
          "x-test: yes",
        ]),
      );
      expect(sent).toBe("héllo");
    }
    expect(await answerOf(() => make(null))).toMatch(/^Status: 201 Created\r\n[\s\S]*\r\n\r\n$/);
  });

  it("FastCgiHttpService sends its stream to the end", async () => {
    const { Response } = await classes();
    const pieces = Array.from({ length: 3 }, () => new Uint8Array(100_000).fill(97));
    const sent = await answerOf(() => new Response(streamOf(pieces) as BodyInit));
    expect(sent.length - sent.indexOf("\r\n\r\n") - 4).toBe(300_000);
  });
});

describe.for(packages)("a Request of %s", ([, classes]) => {
  it("FastCgiHttpClient sends it as the runtime's own", async () => {
    const { Request } = await classes();
    const { client, requests } = recording();
    const headers = { "X-Test": "yes", "Content-Type": "text/x-a" };
    const post = (): Request => new Request("http://a.test/path?q", { method: "POST", headers, body: "héllo" });
    await client.fetch(post());
    await client.fetch(post(), { headers: { "X-Test": "other" } });
    await client.fetch(new Request("http://a.test/path?q", { headers }));
    expect(requests.map(({ stdin }) => stdin)).toEqual([latin1("h\xc3\xa9llo"), latin1("h\xc3\xa9llo"), latin1("")]);
    expect(requests.map(({ params }) => params.get("REQUEST_METHOD"))).toEqual(["POST", "POST", "GET"]);
    expect(requests.map(({ params }) => params.get("HTTP_X_TEST"))).toEqual(["yes", "other", "yes"]);
    expect(requests[0]!.params.get("REQUEST_URI")).toBe("/path?q");
    expect(requests[0]!.params.get("CONTENT_TYPE")).toBe("text/x-a");
    expect(requests[0]!.params.get("CONTENT_LENGTH")).toBe("6");
  });

  it("FastCgiHttpClient gives up with its signal", async () => {
    const { Request } = await classes();
    const { client } = recording();
    const controller = new AbortController();
    const aborted = new Request("http://a.test/", { signal: controller.signal });
    controller.abort(new Error("Gone"));
    await expect(client.fetch(aborted)).rejects.toThrow("Gone");
  });
});

describe("frameworks", () => {
  it("FastCgiHttpService serves GraphQL Yoga", async () => {
    const { createSchema, createYoga } = await load("graphql-yoga");
    const schema = createSchema({
      typeDefs: "type Query { hello(name: String!): String! }",
      resolvers: { Query: { hello: (_: unknown, { name }: { name: string }) => `Hello ${name}` } },
    });
    const yoga = createYoga({ schema, logging: false });
    const query = JSON.stringify({ query: '{ hello(name: "Ada") }' });
    const answer = await answerOf(yoga.fetch, "/graphql", query);
    expect(answer).toMatch(/^Status: 200 OK\r\n/);
    expect(answer).toContain('{"data":{"hello":"Hello Ada"}}');
    expect(await answerOf(yoga.fetch, "/elsewhere")).toMatch(/^Status: 404 Not Found\r\n/);
  });
});

describe("middleware", () => {
  it("FastCgiHttpService serves Hono with middleware that makes a Request of the request", async () => {
    const [{ Hono }, { bodyLimit }, { methodOverride }] = await Promise.all(
      ["hono", "hono/body-limit", "hono/method-override"].map(load),
    );
    const app = new Hono();
    app.use("/limited", bodyLimit({ maxSize: 4 }));
    app.use("/form", methodOverride({ app }));
    for (const path of ["/limited", "/form"]) {
      app.all(path, async ({ req }: { req: Request }) => new Response(`${req.method} ${await req.text()}`));
    }
    // A body without a length is read into another Request, to see how long it is.
    const unknown = { CONTENT_LENGTH: "", HTTP_TRANSFER_ENCODING: "chunked" };
    expect(await answerOf(app.fetch, "/limited", "body", unknown)).toMatch(/\r\n\r\nPOST body$/);
    expect(await answerOf(app.fetch, "/limited", "long body", unknown)).toMatch(/^Status: 413 /);
    const form = { CONTENT_TYPE: "application/x-www-form-urlencoded" };
    expect(await answerOf(app.fetch, "/form", "_method=DELETE&a=1", form)).toMatch(/\r\n\r\nDELETE a=1$/);
  });

  it("FastCgiHttpService passes a request on by fetch", async () => {
    const server = createServer((incoming, response) => {
      incoming.pipe(response.setHeader("x-seen", `${incoming.method} ${incoming.url}`));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const host = { HTTP_HOST: `127.0.0.1:${(server.address() as AddressInfo).port}` };
    for (const proxy of [
      fetch,
      (request: Request) => fetch(request),
      (request: Request) => fetch(new Request(request)),
    ]) {
      const answer = await answerOf(proxy, "/path", "body", host);
      expect(answer).toMatch(/\r\nx-seen: POST \/path\r\n[\s\S]*\r\n\r\nbody$/);
    }
    server.closeAllConnections();
    server.close();
  });
});

describe("@hono/node-server", () => {
  const classes = { Request: globalThis.Request, Response: globalThis.Response };

  beforeEach(async () => {
    // It replaces the global classes.
    const { getRequestListener } = await load("@hono/node-server");
    getRequestListener(() => new Response());
    expect(globalThis.Response).not.toBe(classes.Response);
  });

  afterEach(() => {
    for (const [name, value] of Object.entries(classes)) {
      Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    }
  });

  it("FastCgiHttpService serves where it has replaced the global classes", async () => {
    const html = { headers: { "content-type": "text/html" } };
    const answer = await answerOf(() => new Response("<p>", html));
    expect(answer.split("\r\n").filter((line) => line.startsWith("content-type"))).toEqual(["content-type: text/html"]);
    expect(answer).toMatch(/\r\n\r\n<p>$/);
    expect(await answerOf(async (request) => new Response(await request.text()), "/", "body")).toMatch(/\r\n\r\nbody$/);
    expect(await answerOf((request) => new Response(new Request(request).method))).toMatch(/\r\n\r\nGET$/);
    expect(await answerOf((request) => new Response(String(request instanceof Request)))).toMatch(/\r\n\r\ntrue$/);
  });

  it("FastCgiHttpClient sends what it makes of a request, and what a handler makes of that", async () => {
    const { client, requests } = recording();
    const { getRequestListener } = await load("@hono/node-server");
    const listener = getRequestListener((request: Request) =>
      client.fetch(request, request.url.endsWith("/put") ? { method: "PUT" } : {}),
    );
    const server = createServer(listener).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    for (const path of ["/post", "/put"]) {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", body: "body" });
      expect(await response.text()).toBe("answer");
    }
    server.closeAllConnections();
    server.close();
    expect(requests.map(({ params, stdin }) => [params.get("REQUEST_METHOD"), stdin])).toEqual([
      ["POST", latin1("body")],
      ["PUT", latin1("body")],
    ]);
  });
});
