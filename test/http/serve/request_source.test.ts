// What a fetch handler gets when its FastCgiRequest is not the connection's own, but a copy with other variables, a wrapper, or one that
// a program has made.

import { describe, expect, it } from "vitest";
import {
  type FastCgiContext,
  type FastCgiHandler,
  FastCgiHttpService,
  type FastCgiRequest,
  RecordType,
  Role,
} from "../../../src/toolkit.ts";
import { latin1 } from "../../support/bytes.ts";
import { deferred } from "../../support/open_stream.ts";
import { begin, params, record, request, stdin } from "../../support/records.ts";
import { streamOf, textFrom } from "../../support/streams.ts";
import { failOnUnhandledRejections } from "../../support/unhandled_rejections.ts";
import { complete, MemoryApplication } from "../../support/web_server_end.ts";

failOnUnhandledRejections();

/** The ways in which a program makes a request of another, with variables of its own. */
const COPIES: readonly [way: string, copy: (request: FastCgiRequest, params: FastCgiRequest["params"]) => unknown][] = [
  ["a spread", (request, params) => ({ ...request, params })],
  ["Object.assign", (request, params) => Object.assign({}, request, { params })],
  ["Object.create", (request, params) => Object.create(request, { params: { value: params } })],
  [
    "a Proxy",
    (request, params) =>
      new Proxy(request, {
        get: (target, name, receiver) => (name === "params" ? params : Reflect.get(target, name, receiver)),
      }),
  ],
  [
    "its members",
    ({ requestId, role, keepConn, paramPairs, stdin, data, signal }, params) => ({
      ...{ requestId, role, keepConn, params, paramPairs, stdin, data, signal },
    }),
  ],
];

/** An application that takes `/app` from the path before its fetch handler sees it. */
function strip(copy: (typeof COPIES)[number][1], service: FastCgiHttpService): FastCgiHandler {
  return (request, context) => {
    const uri = request.params.get("REQUEST_URI")!.replace(/^\/app/, "");
    const params = new Map(request.params).set("REQUEST_URI", uri).set("HTTP_X_STRIPPED", "yes");
    return service.handler(copy(request, params) as FastCgiRequest, context);
  };
}

describe.for(COPIES)("a FastCgiRequest copied by %s", ([, copy]) => {
  it("FastCgiHttpService reads an upload of it to its end", async () => {
    for (const lazyRequest of [false, true]) {
      const service = new FastCgiHttpService(
        async (request, { params }) => {
          const text = `${request.method} ${request.url} ${request.headers.get("x-stripped")} ${await request.text()}`;
          return new Response(`${text} ${params.get("REQUEST_URI")}`);
        },
        { lazyRequest },
      );
      const application = new MemoryApplication(strip(copy, service));
      const { web } = application.connect();
      const extra = { DOCUMENT_URI: "/app/path" };
      await web.send(request(1, { uri: "/app/path?query", body: "a whole upload", extra }));
      expect((await web.answer(1)).stdout).toMatch(
        /\r\n\r\nPOST http:\/\/example.com\/path\?query yes a whole upload \/path\?query$/,
      );
      expect(application.errors).toEqual([]);
    }
  });

  it("FastCgiHttpService fails a body of it that is cut", async () => {
    const service = new FastCgiHttpService(async (request) => new Response(await request.text()));
    const { web } = new MemoryApplication(strip(copy, service)).connect();
    await web.send(request(1, { body: "cut", extra: { CONTENT_LENGTH: "10" } }));
    expect((await web.answer(1)).stdout).toMatch(/^Status: 400 /);
  });

  it("FastCgiHttpService aborts its Request, and what is made of that", async () => {
    const began = deferred<Request>();
    const ended = deferred();
    const service = new FastCgiHttpService(async (request) => {
      began.resolve(request);
      await ended.promise;
      return new Response();
    });
    const { web } = new MemoryApplication(strip(copy, service)).connect();
    await web.send(request(1));
    const served = await began.promise;
    const derived = [served, new Request(served), served.clone()];
    await web.send(record(RecordType.AbortRequest, 1));
    if (!served.signal.aborted) await new Promise((resolve) => served.signal.addEventListener("abort", resolve));
    expect(derived.map(({ signal }) => signal.aborted)).toEqual([true, true, true]);
    ended.resolve();
    await web.answer(1);
  });

  it("FastCgiHttpService gives a Filter its file, and its messages the request", async () => {
    const told: unknown[] = [];
    const service = new FastCgiHttpService(
      async (_, context) => {
        context.stderr.write("message");
        return new Response(`${context.role} ${await textFrom(context.stdin)} ${await textFrom(context.data)}`);
      },
      { onStderr: (message, { params }) => told.push(message, params.get("HTTP_X_STRIPPED")) },
    );
    const { web } = new MemoryApplication(strip(copy, service)).connect();
    await web.send(
      begin(1, { role: Role.Filter }),
      params(1, { REQUEST_METHOD: "POST", REQUEST_URI: "/", HTTP_HOST: "a.test", FCGI_DATA_LENGTH: "4" }),
      stdin(1, "body"),
      record(RecordType.Data, 1, "file"),
      record(RecordType.Data, 1),
    );
    expect((await web.answer(1)).stdout).toMatch(/\r\n\r\n3 body file$/);
    expect(told).toEqual(["message", "yes"]);
  });
});

describe("a FastCgiRequest", () => {
  /** One that a program has made. */
  function made(members: Partial<Record<keyof FastCgiRequest, unknown>> = {}): FastCgiRequest {
    const params = new Map([
      ["REQUEST_METHOD", "POST"],
      ["REQUEST_URI", "/made"],
      ["HTTP_HOST", "a.test"],
      ["CONTENT_LENGTH", "4"],
    ]);
    return {
      ...{ requestId: 1, role: Role.Responder, keepConn: false, params, paramPairs: [...params] },
      ...{ stdin: streamOf(latin1("body")), data: streamOf(), signal: new AbortController().signal },
      ...members,
    } as FastCgiRequest;
  }

  const context = { waitUntil: () => {} };

  it("FastCgiHttpService serves one that a program has made", async () => {
    const service = new FastCgiHttpService(
      async (request) => new Response(`${request.method} ${request.url} ${await request.text()}`),
    );
    const { stdout } = await service.handler(made(), context);
    expect(await textFrom((stdout as Blob[])[0]!.stream())).toMatch(/\r\n\r\nPOST http:\/\/a.test\/made body$/);
  });

  it("FastCgiHttpService reads a stream of another class", async () => {
    const pieces = [latin1("bo"), latin1("dy")];
    const read = async () => ({ done: pieces.length === 0, value: pieces.shift() });
    const stdin = { getReader: () => ({ read, cancel: async () => {} }), cancel: async () => {} };
    const service = new FastCgiHttpService(async (request) => new Response(await request.text()));
    const { stdout } = await service.handler(made({ stdin }), context);
    expect(await textFrom((stdout as Blob[])[0]!.stream())).toMatch(/\r\n\r\nbody$/);
  });

  it("FastCgiHttpService refuses one without a member, by its name", async () => {
    const service = new FastCgiHttpService(() => new Response());
    for (const [members, message] of [
      [{ params: { REQUEST_METHOD: "GET" } }, "expected its params to be a Map, got Object"],
      [{ params: { get: () => "GET" } }, "expected its params to be a Map, got Object"],
      [{ paramPairs: undefined }, "expected its paramPairs to be an array, got undefined"],
      [{ stdin: undefined }, "expected its stdin to be a ReadableStream, got undefined"],
      [{ stdin: "body" }, "expected its stdin to be a ReadableStream, got string"],
      [{ data: null }, "expected its data to be a ReadableStream, got null"],
      [{ signal: undefined }, "expected its signal to be an AbortSignal, got undefined"],
    ] as const) {
      await expect(async () => service.handler(made(members), context)).rejects.toThrow(
        new TypeError(`Cannot serve the request: ${message}`),
      );
    }
  });

  it("FastCgiServer gives its handler, onError and waitUntil one that a spread copies", async () => {
    const seen: FastCgiRequest[] = [];
    let body = "";
    const handler: FastCgiHandler = async (request, context) => {
      seen.push(request);
      body = await textFrom({ ...request }.stdin);
      context.waitUntil(Promise.reject(new Error("late")), request);
      throw new Error("failed");
    };
    const application = new MemoryApplication(handler, { onError: (_, request) => void seen.push(request!) });
    const { web } = application.connect();
    await web.send(request(1, { body: "body" }));
    await web.answer(1);
    await application.server.close({ grace: 0 });
    expect(seen).toHaveLength(3);
    expect(new Set(seen).size).toBe(1);
    expect(Object.keys(seen[0]!).toSorted()).toEqual([
      "data",
      "keepConn",
      "paramPairs",
      "params",
      "requestId",
      "role",
      "signal",
      "stdin",
    ]);
    expect(body).toBe("body");
  });

  it("FastCgiHttpService tells onStderr and onError of one that a spread copies", async () => {
    const seen: FastCgiRequest[] = [];
    const fetch = (_: Request, context: FastCgiContext): Response => {
      context.stderr.write("message");
      throw new Error("failed");
    };
    const service = new FastCgiHttpService(fetch, { onStderr: (_, request) => void seen.push({ ...request }) });
    const application = new MemoryApplication(service.handler, {
      onError: (_, request) => void seen.push({ ...request! }),
    });
    const { web } = application.connect();
    await web.send(request(1, { body: "body" }));
    expect(await web.answer(1)).toEqual(complete(expect.any(String), { appStatus: 1 }));
    expect(seen.map(({ stdin }) => stdin instanceof ReadableStream)).toEqual([true, true]);
  });
});
