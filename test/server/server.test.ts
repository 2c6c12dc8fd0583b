import { describe, expect, it, vi } from "vitest";
import {
  FastCgiError,
  type FastCgiHandler,
  type FastCgiResponse,
  FastCgiServer,
  RecordType,
} from "../../src/toolkit.ts";
import { latin1 } from "../support/bytes.ts";
import { pass, useFakeTime } from "../support/fake_time.ts";
import { connectionPair } from "../support/memory_connection.ts";
import { deferred, OpenStream } from "../support/open_stream.ts";
import { begin, params, record, request } from "../support/records.ts";
import { isSettled } from "../support/streams.ts";
import { failOnUnhandledRejections, turns, unhandledRejectionsOf } from "../support/unhandled_rejections.ts";
import { complete, MemoryApplication, ObservedConnection, WebServerEnd } from "../support/web_server_end.ts";

failOnUnhandledRejections();

const OK = "Status: 200 OK\r\n\r\n";

function ok(): FastCgiResponse {
  return { stdout: latin1(OK) };
}

/** Settles only when it is aborted, or released. */
function stubborn(release: Promise<unknown> = new Promise(() => {})): FastCgiHandler {
  return async ({ signal }) => {
    await Promise.race([release, new Promise((resolve) => signal.addEventListener("abort", resolve))]);
    return ok();
  };
}

describe("FastCgiServer.serve", () => {
  it("serves several connections at a time", async () => {
    const application = new MemoryApplication(ok);
    const connections = [application.connect(), application.connect(), application.connect()];
    for (const { web } of connections) await web.send(request(1));
    for (const { web } of connections) expect(await web.answer(1)).toEqual(complete(OK));
    expect(application.server.status.connections).toBe(3);
    await Promise.all(connections.map(({ web }) => web.end()));
    await Promise.all(connections.map(({ served }) => served));
    expect(application.server.status.connections).toBe(0);
  });

  it("refuses a connection and reports it when maxConnections are open", async () => {
    const application = new MemoryApplication(ok, { maxConnections: 2 });
    const [first] = [application.connect(), application.connect()];
    const refused = application.connect();
    await refused.served;
    expect(refused.application.events).toEqual(["close"]);
    expect(application.errors).toMatchObject([{ code: "limit", limit: "maxConnections" }]);
    await first!.web.end();
    await first!.served;
    const next = application.connect();
    await next.web.send(request(1));
    expect(await next.web.answer(1)).toEqual(complete(OK));
  });

  it("gives the place of a connection away when it is closed, whatever its handlers do", async () => {
    const application = new MemoryApplication(({ params: { size } }) => (size > 0 ? new Promise(() => {}) : ok()), {
      maxConnections: 2,
    });
    for (let round = 0; round < 5; round++) {
      const connections = [application.connect(), application.connect()];
      for (const { web } of connections) await web.send(request(1));
      expect(application.server.status.connections).toBe(2);
      await Promise.all(connections.map(({ web }) => web.end()));
      for (const { application: end } of connections) await vi.waitUntil(() => end.isClosed);
      expect(application.server.status.connections).toBe(0);
    }
    const { web } = application.connect();
    await web.send(begin(1), params(1, []), record(RecordType.Stdin, 1));
    expect(await web.answer(1)).toEqual(complete(OK));
    expect(application.errors).toEqual([]);
  });

  it("resolves when a connection that it refuses can't be closed", async () => {
    const { server } = new MemoryApplication(ok);
    await server.close();
    const [, end] = connectionPair();
    const close = (): Promise<never> => Promise.reject(new Error("BadResource"));
    await expect(server.serve({ readable: end.readable, writable: end.writable, close })).resolves.toBeUndefined();
  });
});

describe("FastCgiServer.close", () => {
  it("resolves at once when there is nothing to close", async () => {
    await new FastCgiServer(ok).close();
  });

  it("closes idle connections at once when it gives no grace", async () => {
    const application = new MemoryApplication(ok);
    const used = application.connect();
    const fresh = application.connect();
    await used.web.send(request(1));
    await used.web.answer(1);
    await application.server.close({ grace: 0 });
    expect(used.application.events).toEqual(["write", "half-close", "close"]);
    expect(fresh.application.events).toEqual(["half-close", "close"]);
    await Promise.all([used.served, fresh.served]);
    expect(application.errors).toEqual([]);
  });

  it("lets requests finish that run, and those whose params are coming", async () => {
    const release = deferred();
    const application = new MemoryApplication(stubborn(release.promise));
    const { web } = application.connect();
    await web.send(request(1), begin(2));
    const closed = application.server.close();
    await web.send(params(2, {}), record(RecordType.Stdin, 2));
    expect(await isSettled(closed)).toBe(false);
    release.resolve();
    expect(await web.answer(1)).toEqual(complete(OK));
    expect(await web.answer(2)).toEqual(complete(OK));
    await closed;
    expect(web.output).toBe("ended");
    expect(application.errors).toEqual([]);
  });

  it("closes when the last request is aborted or refused before the handler had it", async () => {
    const application = new MemoryApplication(ok, { maxParamsBytes: 10 });
    const aborted = application.connect();
    const refused = application.connect();
    await aborted.web.send(begin(1));
    await refused.web.send(begin(1));
    const closed = application.server.close();
    await aborted.web.send(record(RecordType.AbortRequest, 1));
    await refused.web.send(record(RecordType.Params, 1, new Uint8Array(11)));
    await closed;
    expect(aborted.web.endsOf(1)).toHaveLength(1);
    expect(refused.web.endsOf(1)).toHaveLength(1);
  });

  it("waits for what was given to waitUntil, also while it waits", async () => {
    const first = deferred();
    const second = deferred();
    const application = new MemoryApplication((_, context) => {
      context.waitUntil(first.promise.then(() => context.waitUntil(second.promise)));
      return ok();
    });
    const { web } = application.connect();
    await web.send(request(1));
    await web.answer(1);
    const closed = application.server.close();
    expect(await isSettled(closed)).toBe(false);
    first.resolve();
    expect(await isSettled(closed)).toBe(false);
    second.resolve();
    await closed;
  });

  it("reports what was given to waitUntil and failed", async () => {
    const application = new MemoryApplication((_, context) => {
      context.waitUntil(Promise.reject(new Error("broken")));
      return ok();
    });
    const { web } = application.connect();
    await web.send(request(1));
    await web.answer(1);
    await application.server.close();
    expect(application.errors).toMatchObject([{ message: "broken" }]);
  });

  it("resolves every time when it is called more than once", async () => {
    const release = deferred();
    const application = new MemoryApplication(stubborn(release.promise));
    const busy = application.connect();
    const idle = application.connect();
    // This one lingers, because its input is under way.
    const lingering = application.connect();
    await busy.web.send(request(1));
    await lingering.web.send(begin(1, { role: 9, keepConn: false }));
    await lingering.web.closed();
    const closed = [application.server.close(), application.server.close()];
    await turns();
    closed.push(application.server.close());
    await lingering.web.end();
    release.resolve();
    await Promise.all(closed);
    await application.server.close();
    expect(await busy.web.answer(1)).toEqual(complete(OK));
    expect(idle.application.events).toEqual(["half-close", "close"]);
    expect(lingering.application.events).toEqual(["write", "half-close", "close"]);
    expect(application.errors).toMatchObject([{ code: "unknownRole" }]);
  });

  it("makes serve() close what comes afterwards", async () => {
    const application = new MemoryApplication(ok);
    await application.server.close();
    const { web, served, application: end } = application.connect();
    await served;
    await web.closed();
    expect(end.events).toEqual(["close"]);
    expect(application.errors).toEqual([]);
  });

  it("can be called by a handler", async () => {
    let closed: Promise<void> | undefined;
    const application = new MemoryApplication(() => {
      closed = application.server.close();
      return ok();
    });
    const { web, served } = application.connect();
    await web.send(request(1));
    expect(await web.answer(1)).toEqual(complete(OK));
    await served;
    await closed;
  });
});

describe("FastCgiServer.close and time", () => {
  useFakeTime();

  it("aborts what still runs when its timeout has passed", async () => {
    const reasons: unknown[] = [];
    const body = new OpenStream();
    const application = new MemoryApplication(async ({ requestId, signal }) => {
      signal.addEventListener("abort", () => reasons.push(signal.reason.cause));
      if (requestId === 1) return { stdout: body.stream };
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      return ok();
    });
    const { web, application: end } = application.connect();
    await web.send(request(1), request(2));
    const closed = application.server.close({ timeout: 1000 });
    await pass(999);
    expect(reasons).toEqual([]);
    expect(end.isClosed).toBe(false);
    await pass(1);
    await closed;
    expect(reasons).toMatchObject([{ code: "timeout" }, { code: "timeout" }]);
    expect(body.cancelled).toBe(reasons[0]);
    expect(web.records).toEqual([]);
    expect(application.errors).toEqual([]);
  });

  it("resolves a second after its timeout with handlers and promises that never settle, and tells of each", async () => {
    const application = new MemoryApplication(({ requestId }, context) => {
      if (requestId < 3) return new Promise(() => {});
      context.waitUntil(new Promise(() => {}));
      return ok();
    });
    const { web, served } = application.connect();
    const gone = application.connect();
    await web.send(request(1), request(3));
    await web.answer(3);
    await gone.web.send(request(2));
    await gone.web.end();
    let resolved = 0;
    const closed = [application.server.close(), application.server.close({ timeout: 1000 })];
    for (const close of closed) void close.then(() => resolved++);
    await pass(1999);
    expect(resolved).toBe(0);
    expect(application.errors).toEqual([]);
    await pass(1);
    await Promise.all(closed);
    expect(application.errors).toMatchObject(Array(3).fill({ code: "timeout" }));
    expect(application.errors.map(String).join("\n")).toMatch(/handler.*\n.*handler.*\n.*waitUntil/);
    expect(application.failedRequests.map((failed) => failed?.requestId)).toEqual([2, 1, undefined]);
    expect(application.server.status.connections).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
    // What was left is of no concern to later calls.
    await application.server.close();
    expect(await isSettled(served)).toBe(false);
  });

  it("tells of no handler of a response that has broken off, beside one that never settles", async () => {
    const body = new OpenStream();
    const application = new MemoryApplication(({ requestId }) =>
      requestId === 1 ? { stdout: [latin1(OK), body.stream] } : new Promise(() => {}),
    );
    const { web } = application.connect();
    await web.send(request(1), request(2));
    await body.pulled();
    body.fail(new Error("broken"));
    await turns();
    const closed = application.server.close({ timeout: 1000 });
    await pass(2000);
    await closed;
    expect(application.failedRequests.map((failed) => failed?.requestId)).toEqual([1, 2]);
    expect(application.errors).toMatchObject([{ message: "broken" }, { code: "timeout" }]);
  });

  it("resolves a second after its timeout when the web server does not read the end of a response", async () => {
    const body = new OpenStream();
    const application = new MemoryApplication(() => ({ stdout: [latin1(OK), body.stream] }));
    const { web, application: end } = application.connect();
    await web.send(request(1));
    await body.pulled();
    web.stopReading();
    for (let piece = 0; piece < 5; piece++) {
      body.write(new Uint8Array(100_000));
      await turns();
    }
    const closed = application.server.close({ timeout: 1000 });
    await pass(2000);
    await closed;
    expect(end.isClosed).toBe(false);
    web.startReading();
    await web.closed();
    expect(web.brokenOff).toBe(true);
    expect(application.errors).toEqual([]);
  });

  it.each([
    ["timeout", Number.NaN, RangeError],
    ["timeout", -1, RangeError],
    ["timeout", "1000", TypeError],
    ["grace", null, TypeError],
  ])("rejects and closes nothing when %s is %j", async (name, value, type) => {
    const application = new MemoryApplication(ok);
    const { web } = application.connect();
    const closed = application.server.close({ [name]: value });
    await expect(closed).rejects.toThrow(type);
    await expect(closed).rejects.toThrow(name);
    await pass(10_000);
    await web.send(request(1));
    expect(await web.answer(1)).toEqual(complete(OK));
  });

  it.each([2 ** 31, Number.MAX_SAFE_INTEGER, Number.POSITIVE_INFINITY])(
    "aborts nothing early when its timeout is %d",
    async (timeout) => {
      const release = deferred();
      const application = new MemoryApplication(stubborn(release.promise));
      const { web } = application.connect();
      await web.send(request(1));
      const closed = application.server.close({ timeout });
      await pass(1_000_000);
      release.resolve();
      expect(await web.answer(1)).toEqual(complete(OK));
      await closed;
    },
  );

  it("leaves no timer when it has resolved", async () => {
    const application = new MemoryApplication(ok);
    const connections = [application.connect(), application.connect(), application.connect()];
    await connections[0]!.web.send(request(1));
    await connections[0]!.web.answer(1);
    await connections[1]!.web.send(request(1, { keepConn: false }));
    const closed = application.server.close({ timeout: 5000 });
    await pass(250);
    await closed;
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("FastCgiServer.close and its grace", () => {
  useFakeTime();

  it("closes idle connections when its grace has passed", async () => {
    const application = new MemoryApplication(ok);
    const [used, fresh] = [application.connect(), application.connect()];
    await used.web.send(request(1));
    await used.web.answer(1);
    const closed = application.server.close();
    await pass(249);
    expect([used, fresh].map(({ application: end }) => end.isClosed)).toEqual([false, false]);
    await pass(1);
    await closed;
    expect(used.application.events).toEqual(["write", "half-close", "close"]);
    expect(fresh.application.events).toEqual(["half-close", "close"]);
  });

  it("resolves within its grace when the web server closes the last connection", async () => {
    const application = new MemoryApplication(ok);
    const [used, fresh] = [application.connect(), application.connect()];
    const closed = application.server.close({ grace: 60_000 });
    await used.web.send(request(1, { keepConn: false }));
    await used.web.answer(1);
    await fresh.web.end();
    await closed;
    expect(vi.getTimerCount()).toBe(0);
  });

  it("answers requests that come within its grace, and closes the connection behind the last one", async () => {
    const release = deferred();
    const application = new MemoryApplication(async ({ requestId }) => {
      if (requestId === 2) await release.promise;
      return ok();
    });
    const { web, application: end } = application.connect();
    const closed = application.server.close({ grace: 100 });
    await web.send(request(1));
    expect(await web.answer(1)).toEqual(complete(OK));
    // The web server keeps the connection: the application has not told it to close.
    await pass(99);
    await web.send(request(2));
    await pass(1000);
    expect(end.isClosed).toBe(false);
    release.resolve();
    expect(await web.answer(2)).toEqual(complete(OK));
    await closed;
    expect(web.output).toBe("ended");
  });

  it("answers a request of which only the beginning came within its grace", async () => {
    const application = new MemoryApplication(ok);
    const { web } = application.connect();
    const closed = application.server.close({ grace: 100 });
    await web.send(begin(1));
    await pass(200);
    await web.send(params(1, {}), record(RecordType.Stdin, 1));
    expect(await web.answer(1)).toEqual(complete(OK));
    await closed;
  });

  it("waits no longer when it is called again without a grace", async () => {
    const application = new MemoryApplication(ok);
    const { application: end } = application.connect();
    const closed = application.server.close({ grace: Number.POSITIVE_INFINITY });
    await pass(100_000);
    expect(end.isClosed).toBe(false);
    await application.server.close({ grace: 0 });
    await closed;
    expect(vi.getTimerCount()).toBe(0);
  });

  it("ends its grace when its timeout has passed", async () => {
    const application = new MemoryApplication(ok);
    const { application: end } = application.connect();
    const closed = application.server.close({ grace: 1000, timeout: 10 });
    await pass(10);
    await closed;
    expect(end.isClosed).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("FastCgiServer and a failing onError", () => {
  it("answers as if nothing was when it throws, and lets the exception surface", async () => {
    const thrown = new Error("the log is full");
    const server = new FastCgiServer(
      () => {
        throw new Error("broken");
      },
      {
        onError() {
          throw thrown;
        },
      },
    );
    const [webEnd, end] = connectionPair();
    const application = new ObservedConnection(end);
    const served = server.serve(application);
    const web = new WebServerEnd(webEnd);
    const unhandled = await unhandledRejectionsOf(async () => {
      await web.send(request(1));
      expect((await web.answer(1)).stdout).toMatch(/^Status: 500 /);
      // A broken protocol closes the connection all the same.
      await web.sendBytes(new Uint8Array(8));
      await served;
    });
    expect(unhandled).toEqual([thrown, thrown]);
    expect(application.isClosed).toBe(true);
    expect(web.endsOf(1)).toHaveLength(1);
  });

  it("answers and goes on when there is none", async () => {
    const server = new FastCgiServer(() => {
      throw new FastCgiError("malformedRequest", "no method");
    });
    const [webEnd, end] = connectionPair();
    void server.serve(end);
    const web = new WebServerEnd(webEnd);
    await web.send(request(1));
    expect((await web.answer(1)).stdout).toMatch(/^Status: 400 /);
  });
});

describe("FastCgiServer and the process", () => {
  it("writes nothing to the console when everything goes wrong, and listens to no signal", async () => {
    const spies = (["log", "info", "warn", "error", "debug"] as const).map((method) => vi.spyOn(console, method));
    const streams = [vi.spyOn(process.stdout, "write"), vi.spyOn(process.stderr, "write")];
    const listeners = (): unknown[] => process.eventNames().map((name) => [name, process.listenerCount(name)]);
    const before = listeners();
    const server = new FastCgiServer(() => Promise.reject(new Error("broken")));
    const [webEnd, end] = connectionPair();
    const served = server.serve(end);
    const web = new WebServerEnd(webEnd);
    await web.send(request(1), begin(2, { role: 9 }), record(99, 0));
    await web.answer(1);
    await web.sendBytes(new Uint8Array(8));
    await served;
    for (const spy of [...spies, ...streams]) expect(spy).not.toHaveBeenCalled();
    expect(listeners()).toEqual(before);
    vi.restoreAllMocks();
  });
});
