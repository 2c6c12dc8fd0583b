import { afterEach, describe, expect, it, vi } from "vitest";
import type { FastCgiFetchInit } from "../../../src/http/call/client_options.ts";
import { asOutgoingHead, outgoingRequest } from "../../../src/http/call/outgoing_request.ts";
import { latin1 } from "../../support/bytes.ts";
import { isBun } from "../../support/runtime.ts";
import { transferred } from "../../support/transferred.ts";

const URL_ = "http://a.test/path";

afterEach(() => void vi.unstubAllGlobals());

it.each<[string, string, RequestInit]>([
  ["no headers", URL_, {}],
  ["headers in another order, with names in capitals", URL_, { headers: { "X-B": "2", "x-a": "1" } }],
  ["pairs", URL_, { headers: [["x-a", "1"]] }],
  [
    "a name twice",
    URL_,
    {
      headers: [
        ["X-A", "1"],
        ["x-a", "2"],
      ],
    },
  ],
  ["a value that Headers trims", URL_, { headers: { "x-a": " 1 " } }],
  ["a name that is no string", URL_, { headers: [[1 as unknown as string, "1"]] }],
  ["a value that is no string", URL_, { headers: { "x-a": 1 as unknown as string } }],
  ["Headers", URL_, { headers: new Headers({ "x-a": "1" }) }],
  ["a text without a type", URL_, { method: "POST", body: "text" }],
  [
    "a text without a type, and a value that Headers trims",
    URL_,
    { method: "POST", body: "text", headers: { "x-a": " 1" } },
  ],
  ["a body of GET", URL_, { body: "text" }],
  ["a body of HEAD", URL_, { method: "HEAD", body: "text" }],
  ["bytes", URL_, { method: "POST", body: latin1("\xff\0") }],
  ["bytes whose buffer was transferred", URL_, { method: "POST", body: transferred(new Uint8Array(3)) }],
  ["a pair of one", URL_, { headers: [["x-a"] as unknown as [string, string]] }],
  ["a pair of three", URL_, { headers: [["x-a", "1", "2"] as unknown as [string, string]] }],
  ["no pair", URL_, { headers: ["x-a" as unknown as [string, string]] }],
  ["headers that are a text", URL_, { headers: "x-a: 1" as unknown as Headers }],
  ["a name that is none", URL_, { headers: { "x a": "1" } }],
  ["a value with a line end", URL_, { headers: { "x-a": "1\r\nx-b: 2" } }],
  ["a method in small letters", URL_, { method: "post" }],
  ["a method that Fetch forbids", URL_, { method: "CONNECT" }],
  ["a user", "http://user@a.test/", {}],
  ["a password", "http://:password@a.test/", {}],
])("outgoingRequest makes of %s what Request makes of it", async (_, url, init) => {
  let expected: Request;
  try {
    expected = new Request(url, init);
  } catch (error) {
    expect(error).toBeInstanceOf(TypeError);
    expect(() => outgoingRequest(url, init)).toThrow(TypeError);
    return;
  }
  const headers = new Headers(expected.headers);
  // Bun's own Request gives a text no type, as Fetch says it must.
  if (isBun && init.method === "POST" && typeof init.body === "string" && !headers.has("content-type")) {
    headers.set("content-type", "text/plain;charset=UTF-8");
  }
  const made = outgoingRequest(url, init);
  expect(String(made.url)).toBe(expected.url);
  expect(made.method).toBe(expected.method);
  // Bun lists them as they came.
  expect([...(made.headers as Headers)].sort()).toEqual([...headers].sort());
  expect([...made.native().headers].sort()).toEqual([...headers].sort());
  expect(made.native()).toBe(made.native());
});

/** Counts how many Requests are made. */
function countRequests(): () => number {
  let count = 0;
  const construct = (target: typeof Request, args: unknown[]): object => {
    count++;
    return Reflect.construct(target, args);
  };
  vi.stubGlobal("Request", new Proxy(Request, { construct }));
  return () => count;
}

/** A Request of another class. */
function otherRequest(members: object = {}): Request {
  return { url: URL_, method: "DELETE", headers: new Headers({ "x-a": "1" }), body: null, ...members } as Request;
}

/** A signal of another class, which has aborted. */
const otherSignal = { aborted: true, reason: "no more", addEventListener() {} } as unknown as AbortSignal;

describe("outgoingRequest of a URL", () => {
  const { signal } = new AbortController();
  it.each<FastCgiFetchInit>([
    ...["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"].map((method) => ({ method })),
    { method: "POST", body: "text" },
    { method: "PUT", body: latin1("bytes") },
    { headers: { "x-a": "1" } },
    { signal },
    { signal: null, body: null },
    { params: { A: "1" }, remoteAddress: "192.0.2.1" },
  ])("outgoingRequest makes no native Request of the init %j before one is asked for, and then one", (init) => {
    const count = countRequests();
    const made = outgoingRequest(URL_, init);
    expect([count(), made.bodyUsed]).toEqual([0, false]);
    expect(made.native()).toBe(made.native());
    expect(count()).toBe(1);
  });

  it("outgoingRequest sends bytes as they are, and a text as UTF-8", () => {
    const bytes = latin1("\xff");
    expect(outgoingRequest(URL_, { method: "POST", body: bytes }).body).toBe(bytes);
    expect(outgoingRequest(URL_, { method: "POST", body: "é" }).body).toEqual(latin1("\xc3\xa9"));
    expect(outgoingRequest(URL_, { method: "POST" }).body).toBeNull();
  });

  it("outgoingRequest follows the signal of the init, of any class, as its native Request does", () => {
    const controller = new AbortController();
    const made = outgoingRequest(URL_, { signal: controller.signal });
    expect(made.signal).toBe(controller.signal);
    const { signal } = made.native();
    controller.abort("no more");
    expect([signal.aborted, signal.reason]).toEqual([true, "no more"]);
    const converted = outgoingRequest(URL_, { signal: otherSignal }).signal!;
    expect(converted).toBeInstanceOf(AbortSignal);
    expect([converted.aborted, converted.reason]).toEqual([true, "no more"]);
    expect(outgoingRequest(URL_, {}).signal).toBeUndefined();
  });

  it("outgoingRequest makes a native Request of an init with further options", () => {
    const { method, native } = outgoingRequest(URL_, { method: "PUT", redirect: "manual" });
    expect([method, native().redirect]).toEqual(["PUT", "manual"]);
  });

  it("outgoingRequest says what is no URL, and why", () => {
    for (const input of ["/path", "http://["]) {
      for (const init of [{}, { redirect: "manual" } as const]) {
        expect(() => outgoingRequest(input, init)).toThrow(
          expect.objectContaining({
            name: "TypeError",
            message: `Cannot send the request: expected input to be a Request or an absolute URL, got "${input}"`,
            cause: expect.any(TypeError),
          }),
        );
      }
    }
  });
});

describe("outgoingRequest of a Request", () => {
  it("outgoingRequest takes it as it is, also with options of FastCGI's own", async () => {
    const init = { method: "POST", body: "text", headers: { "x-a": "1" }, signal: new AbortController().signal };
    for (const own of [{}, { params: {}, script: { filename: "/srv/a.php" } }]) {
      const request = new Request(URL_, init);
      const made = outgoingRequest(request, own);
      expect(made.native()).toBe(request);
      expect([made.method, made.url, made.bodyUsed]).toEqual(["POST", URL_, false]);
      expect(made.headers).toBe(request.headers);
      expect(made.signal).toBe(request.signal);
      expect(made.body).toBe(request.body);
      await request.text();
      expect(outgoingRequest(request, own).bodyUsed).toBe(true);
    }
  });

  it("outgoingRequest does not ask whether its body was used when it has none", () => {
    class Lazy extends Request {
      override get bodyUsed(): boolean {
        throw new Error("Asked for");
      }
    }
    expect(outgoingRequest(new Lazy(URL_), {}).bodyUsed).toBe(false);
  });

  it("outgoingRequest makes another of it and an init of Fetch, which keeps all else", () => {
    const request = new Request(URL_, { headers: { "x-a": "1" }, redirect: "manual" });
    const { method, headers, native } = outgoingRequest(request, { method: "PUT", params: {} });
    expect([method, headers.get("x-a"), native().redirect]).toEqual(["PUT", "1", "manual"]);
    expect(native()).not.toBe(request);
    expect(outgoingRequest(request, { signal: otherSignal }).signal).toMatchObject({
      aborted: true,
      reason: "no more",
    });
  });

  it("outgoingRequest makes a native Request of one of another class, with an init or without", () => {
    const plain = outgoingRequest(otherRequest(), {});
    expect([plain.method, plain.headers.get("x-a"), plain.native() instanceof Request]).toEqual(["DELETE", "1", true]);
    const changed = outgoingRequest(otherRequest(), { method: "PUT" });
    expect([changed.method, changed.headers.get("x-a"), changed.native() instanceof Request]).toEqual([
      ...["PUT", "1", true],
    ]);
  });
});

it("asOutgoingHead takes all but the body of a Request of any class", () => {
  const body = { getReader: () => expect.unreachable() };
  for (const signal of [undefined, new AbortController().signal, otherSignal]) {
    const request = otherRequest({ body, bodyUsed: true, signal });
    const { native, headers, ...head } = asOutgoingHead(request);
    expect(native()).toBe(request);
    expect(headers.get("x-a")).toBe("1");
    const aborts = signal === otherSignal;
    expect(head).toEqual({
      ...{ method: "DELETE", url: URL_, body: null, bodyUsed: false },
      signal: signal && expect.objectContaining({ aborted: aborts, reason: aborts ? "no more" : undefined }),
    });
  }
});
