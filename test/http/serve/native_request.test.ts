import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { GivenVariables } from "../../../src/cgi/variables.ts";
import type { ByteQueue, PieceTarget } from "../../../src/codec/byte_queue.ts";
import { IncomingRequest } from "../../../src/codec/incoming_request.ts";
import { REQUEST_DECODER_DEFAULTS } from "../../../src/codec/request_decoder_options.ts";
import { hasBody, nativeRequest } from "../../../src/http/serve/native_request.ts";
import { partsFromParams } from "../../../src/http/serve/params_to_request.ts";
import { FastCgiError, Role } from "../../../src/index.ts";
import { latin1 } from "../../support/bytes.ts";
import { collectGarbage } from "../../support/memory.ts";
import { deferred } from "../../support/open_stream.ts";
import { isDeno } from "../../support/runtime.ts";
import { failOnUnhandledRejections } from "../../support/unhandled_rejections.ts";

failOnUnhandledRejections();

afterEach(() => void vi.unstubAllGlobals());

const NO_LIMITS = REQUEST_DECODER_DEFAULTS;

/** A request off the wire. Its body is still to come where `body` is null. */
function incoming(params: Record<string, string> = {}, body: string | null = ""): IncomingRequest {
  const named = Object.entries({
    REQUEST_METHOD: body === "" ? "GET" : "POST",
    REQUEST_URI: "/path?query=1",
    HTTP_HOST: "example.com",
    HTTP_COOKIE: "a=1; b=2",
    HTTP_X_TEST: "yes",
    CONTENT_TYPE: body === "" ? "" : "text/x-a",
    CONTENT_LENGTH: body === null ? "" : String(body.length),
    ...params,
  });
  const decoded = new GivenVariables(new Map(named));
  const request = new IncomingRequest(1, Role.Responder, true, decoded, NO_LIMITS);
  if (body === null) return request;
  if (body !== "") request.stdinQueue.push(latin1(body));
  request.stdinQueue.end();
  return request;
}

function native(source = incoming()): Request {
  const parts = partsFromParams(source);
  return nativeRequest(parts, source, hasBody(parts, source));
}

const GONE = new FastCgiError("aborted", "Gone");

/** The ways in which a Request is made of another. */
const DERIVED: readonly [way: string, derive: (request: Request) => Request][] = [
  ["new Request(request)", (request) => new Request(request)],
  ["new Request(request, init)", (request) => new Request(request, { headers: { "x-test": "yes" } })],
  ["request.clone()", (request) => request.clone()],
  ["new Request(request.clone())", (request) => new Request(request.clone())],
  ["new Request(request).clone()", (request) => new Request(request).clone()],
  ["request.clone().clone()", (request) => request.clone().clone()],
];

describe("nativeRequest", () => {
  it("nativeRequest makes a Request of the global class", () => {
    const request = native();
    expect(request).toBeInstanceOf(Request);
    expect(request.constructor).toBe(Request);
    expect(Object.prototype.toString.call(request)).toBe("[object Request]");
  });

  it("nativeRequest gives it the method, URL, headers and body of the variables", async () => {
    const request = native(incoming({}, "body"));
    expect([request.method, request.url]).toEqual(["POST", "http://example.com/path?query=1"]);
    expect([...request.headers]).toEqual([
      ["content-length", "4"],
      ["content-type", "text/x-a"],
      ["cookie", "a=1; b=2"],
      ["host", "example.com"],
      ["x-test", "yes"],
    ]);
    expect(await request.text()).toBe("body");
    expect(request.bodyUsed).toBe(true);
  });

  it.for(DERIVED)("nativeRequest can be made into another by %s, with all that it has", async ([, derive]) => {
    const request = derive(native(incoming({ REQUEST_METHOD: "PUT" }, "body")));
    expect([request.method, request.url, request.headers.get("x-test")]).toEqual([
      ...["PUT", "http://example.com/path?query=1", "yes"],
    ]);
    expect(await request.text()).toBe("body");
    const get = derive(native());
    expect([get.method, get.body]).toEqual(["GET", null]);
  });

  it.each(["text", "json", "arrayBuffer", "blob", "bytes"] as const)(
    "nativeRequest reads its body below the stream by %s(), unless that is not there or the stream was touched",
    async (name) => {
      const make = (stdinQueue?: object): Request => {
        const below = { takeInto: async (target: PieceTarget) => target.add(latin1("[2]")), expectedBytes: null };
        const origin = {
          stdin: new Blob(["[1]"]).stream(),
          signal: new AbortController().signal,
          ...(stdinQueue && { stdinQueue: { ...below, isUsed: false, isLocked: false, ...stdinQueue } as ByteQueue }),
        };
        return nativeRequest(partsFromParams(incoming({}, "[1]")), origin, true);
      };
      const read = async (request: Request): Promise<string> => {
        const value = await request[name]();
        return name === "json" ? JSON.stringify(value) : new Response(value as BodyInit).text();
      };
      expect(await read(make({}))).toBe("[2]");
      for (const touched of [{ isUsed: true }, { isLocked: true }, undefined]) {
        expect(await read(make(touched))).toBe("[1]");
      }
      const cloned = make({});
      expect([await read(cloned.clone()), await read(cloned)]).toEqual(["[1]", "[1]"]);
      const begun = make({});
      await begun.body!.getReader().read();
      await expect(read(begun)).rejects.toThrow(TypeError);
    },
  );

  it("nativeRequest makes one class for each global Request, with a constructor as the native one has", () => {
    const [one, other] = [native(), native()].map((request) => Object.getPrototypeOf(request));
    expect(one).toBe(other);
    class Replaced extends Request {}
    vi.stubGlobal("Request", Replaced);
    const made = Object.getPrototypeOf(native());
    const descriptorOf = (prototype: object) => Object.getOwnPropertyDescriptor(prototype, "constructor");
    expect(made).not.toBe(Replaced.prototype);
    expect(descriptorOf(made)).toEqual(descriptorOf(Replaced.prototype));
  });

  it("nativeRequest asks for the signal of the request when its own is read, and not before", ({ skip }) => {
    skip(isDeno, "on Deno a Request follows no signal but the one that it is made with");
    const source = incoming();
    let asked = 0;
    const origin = {
      stdin: source.stdin,
      get signal() {
        asked++;
        return source.signal;
      },
      onAbort: (callback: () => void) => source.onAbort(callback),
    };
    const make = (): Request => nativeRequest(partsFromParams(source), origin, false);
    const request = make();
    expect(asked).toBe(0);
    expect(request.signal).toBe(source.signal);
    expect(asked).toBe(1);
    // Where Requests do not follow the event, or that can't be found out, they are given the signal.
    class Deaf extends Request {
      override get signal(): AbortSignal {
        return new AbortController().signal;
      }
    }
    class Choosy extends Request {
      constructor(...given: ConstructorParameters<typeof Request>) {
        if (given[0] === "http://localhost/") throw new Error("Not this one");
        super(...given);
      }
    }
    for (const [index, each] of [Deaf, Choosy].entries()) {
      vi.stubGlobal("Request", each);
      make();
      expect(asked).toBe(2 + index);
    }
  });

  it("nativeRequest leaves a body for each of its clones", async () => {
    const request = native(incoming({}, "body"));
    const clone = request.clone();
    expect([await clone.text(), await request.text()]).toEqual(["body", "body"]);
    expect(() => request.clone()).toThrow(TypeError);
  });

  it("nativeRequest has a signal that aborts with the request", () => {
    const source = incoming();
    const request = native(source);
    const { signal } = request;
    expect(signal).toBeInstanceOf(AbortSignal);
    expect(request.signal).toBe(signal);
    expect(signal.aborted).toBe(false);
    source.abort(GONE);
    expect(signal.aborted).toBe(true);
    expect(() => signal.throwIfAborted()).toThrow();
    expect(request.signal).toBe(signal);
  });

  it.for(DERIVED)("nativeRequest aborts what is made of it by %s, before or after the abort", ([, derive]) => {
    for (const isSignalAskedFor of [false, true]) {
      const source = incoming();
      const request = native(source);
      if (isSignalAskedFor) expect(request.signal.aborted).toBe(false);
      const before = derive(request);
      let events = 0;
      before.signal.addEventListener("abort", () => events++);
      source.abort(GONE);
      expect(before.signal.aborted).toBe(true);
      expect(before.signal.reason).toBe(request.signal.reason);
      expect(events).toBe(1);
      const after = derive(request);
      expect(after.signal.aborted).toBe(true);
      expect(after.signal.reason).toBe(request.signal.reason);
    }
  });

  it("nativeRequest is aborted from the start where the request was", () => {
    const source = incoming();
    source.abort(GONE);
    const request = native(source);
    expect([request.signal.aborted, new Request(request).signal.aborted]).toEqual([true, true]);
  });

  it("nativeRequest aborts what only a listener holds", async () => {
    const source = incoming();
    const reasons: unknown[] = [];
    const listen = (request: Request): void => {
      request.signal.addEventListener("abort", () => reasons.push(request.signal.reason));
    };
    listen(native(source));
    await collectGarbage();
    source.abort(GONE);
    expect(reasons).toEqual([source.signal.reason]);
  });

  it("nativeRequest can be given to fetch, which its abort ends", async () => {
    const asked = deferred<string>();
    const left = deferred();
    const server = createServer((request) => {
      request.on("close", () => left.resolve());
      asked.resolve(`${request.method} ${request.url} ${request.headers["x-test"]}`);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const source = incoming({ HTTP_HOST: `127.0.0.1:${(server.address() as AddressInfo).port}` });
    const fetched = fetch(native(source));
    const outcome = fetched.then(
      () => "a response",
      () => "aborted",
    );
    expect(await asked.promise).toBe("GET /path?query=1 yes");
    source.abort(GONE);
    expect(await outcome).toBe("aborted");
    await left.promise;
    server.close();
  });

  it("nativeRequest aborts nothing that is made of another request", () => {
    const [first, second] = [incoming(), incoming()];
    const [one, two] = [new Request(native(first)), new Request(native(second))];
    first.abort(GONE);
    expect([one.signal.aborted, two.signal.aborted]).toEqual([true, false]);
  });

  it("nativeRequest has no body for GET and HEAD, whatever stdin holds", () => {
    for (const method of ["GET", "HEAD"]) expect(native(incoming({ REQUEST_METHOD: method }, "body")).body).toBeNull();
  });

  it("nativeRequest has no body where CONTENT_LENGTH is 0 or stdin has ended empty", () => {
    expect(native(incoming({ REQUEST_METHOD: "POST" }, "")).body).toBeNull();
    expect(native(incoming({ REQUEST_METHOD: "POST", CONTENT_LENGTH: "" }, "")).body).toBeNull();
    expect(native(incoming({}, null)).body).not.toBeNull();
    expect(native(incoming({ CONTENT_LENGTH: "0" }, null)).body).toBeNull();
    // Where there is only the stream.
    expect(hasBody({ method: "POST" }, { variables: new GivenVariables(new Map()) })).toBe(true);
  });

  it("nativeRequest streams a body that is still to come, and fails with it", async () => {
    const source = incoming({ CONTENT_LENGTH: "8" }, null);
    const request = new Request(native(source), { headers: { "x-other": "1" } });
    const reader = request.body!.getReader();
    source.stdinQueue.push(latin1("body"));
    expect((await reader.read()).value).toEqual(latin1("body"));
    const next = reader.read();
    source.stdinQueue.end();
    await expect(next).rejects.toMatchObject({ code: "lengthMismatch" });
  });

  it("nativeRequest makes an instance of the class that has replaced the global one", () => {
    class Replaced extends Request {}
    native();
    vi.stubGlobal("Request", Replaced);
    expect(native()).toBeInstanceOf(Replaced);
    expect(new Replaced(native()).method).toBe("GET");
    vi.unstubAllGlobals();
    expect(native()).not.toBeInstanceOf(Replaced);
  });

  it("nativeRequest reads the signal at once when only that tells of the abort", () => {
    const controller = new AbortController();
    const { stdin } = incoming();
    const request = nativeRequest(partsFromParams(incoming()), { stdin, signal: controller.signal }, false);
    const derived = [request, new Request(request), request.clone()];
    controller.abort(GONE);
    expect(derived.map(({ signal }) => signal.reason)).toEqual([GONE, GONE, GONE]);
  });
});
