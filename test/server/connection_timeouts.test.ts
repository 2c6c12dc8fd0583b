import { describe, expect, it, vi } from "vitest";
import { type FastCgiError, type FastCgiResponse, RecordType } from "../../src/index.ts";
import { latin1 } from "../support/bytes.ts";
import { pass, useFakeTime } from "../support/fake_time.ts";
import { deferred, OpenStream } from "../support/open_stream.ts";
import { begin, params, record, request, stdin } from "../support/records.ts";
import { drain, isSettled } from "../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../support/unhandled_rejections.ts";
import { complete, MemoryApplication } from "../support/web_server_end.ts";

failOnUnhandledRejections();
useFakeTime();

const OK = "Status: 200 OK\r\n\r\n";
const LIMITS = { readTimeout: 1000, paramsTimeout: 5000, writeTimeout: 2000, idleTimeout: 10_000 };

function ok(): FastCgiResponse {
  return { stdout: latin1(OK) };
}

describe("readTimeout", () => {
  it("closes the connection and aborts its requests when the input of one does not come", async () => {
    const reasons: FastCgiError[] = [];
    const application = new MemoryApplication(({ signal, stdin }) => {
      signal.addEventListener("abort", () => reasons.push(signal.reason as FastCgiError));
      return drain(stdin).then(ok);
    }, LIMITS);
    const { web, served } = application.connect();
    await web.send(begin(1), params(1, {}), record(RecordType.Stdin, 1, "half"));
    await pass(999);
    expect(application.errors).toEqual([]);
    await pass(1);
    await served;
    expect(application.errors).toMatchObject([{ code: "timeout", limit: "readTimeout" }]);
    expect(reasons).toEqual(application.errors);
    expect(web.records).toEqual([]);
  });

  it("runs anew when a piece comes", async () => {
    const application = new MemoryApplication(({ stdin }) => drain(stdin).then(ok), LIMITS);
    const { web } = application.connect();
    await web.send(begin(1), params(1, {}));
    for (let piece = 0; piece < 5; piece++) {
      await pass(900);
      await web.send(record(RecordType.Stdin, 1, "more"));
    }
    await web.send(stdin(1));
    expect(await web.answer(1)).toEqual(complete(OK));
  });

  it("does not run when all input has come and the handler is slow", async () => {
    const release = deferred();
    const application = new MemoryApplication(() => release.promise.then(ok), LIMITS);
    const { web } = application.connect();
    await web.send(request(1));
    await pass(100_000);
    release.resolve();
    expect(await web.answer(1)).toEqual(complete(OK));
  });

  it("does not run when it is a handler that does not read", async () => {
    const release = deferred();
    const application = new MemoryApplication(
      async ({ requestId, stdin }) => {
        if (requestId === 2) return ok();
        await release.promise;
        await drain(stdin);
        return ok();
      },
      { ...LIMITS, maxQueuedBytes: 1000 },
    );
    const { web } = application.connect();
    // Request 2 ends while the connection is not read: that must not start the timeout either.
    await web.send(begin(1), params(1, {}), request(2), record(RecordType.Stdin, 1, new Uint8Array(2000)));
    await web.answer(2);
    web.push(begin(3));
    await pass(100_000);
    expect(application.errors).toEqual([]);
    release.resolve();
    await web.send(stdin(1));
    expect(await web.answer(1)).toEqual(complete(OK));
  });
});

describe("paramsTimeout", () => {
  it("closes the connection when params trickle", async () => {
    const application = new MemoryApplication(ok, LIMITS);
    const { web, served } = application.connect();
    await web.send(begin(1));
    for (let piece = 0; piece < 10 && application.errors.length === 0; piece++) {
      web.push(record(RecordType.Params, 1, "\x01\x00A"));
      await pass(600);
    }
    await served;
    expect(application.errors).toMatchObject([{ code: "timeout", limit: "paramsTimeout" }]);
  });

  it("does not run when params are complete, whatever follows", async () => {
    const application = new MemoryApplication(({ stdin }) => drain(stdin).then(ok), LIMITS);
    const { web } = application.connect();
    await web.send(begin(1), params(1, {}));
    for (let piece = 0; piece < 20; piece++) {
      await pass(600);
      await web.send(record(RecordType.Stdin, 1, "more"));
    }
    await web.send(stdin(1));
    await web.answer(1);
  });

  it("does not run out when requests begin one after the other", async () => {
    const application = new MemoryApplication(ok, LIMITS);
    const { web } = application.connect();
    await web.send(begin(1));
    // There is always one that has begun and has no params yet.
    for (let id = 1; id < 20; id++) {
      await pass(600);
      await web.send(params(id, {}), stdin(id), begin(id + 1));
    }
    expect(application.errors).toEqual([]);
  });

  it("does not run when the connection is not read because a handler does not", async () => {
    const release = deferred();
    const application = new MemoryApplication(
      async ({ stdin, requestId }) => {
        if (requestId === 1) await release.promise;
        await drain(stdin);
        return ok();
      },
      { ...LIMITS, maxQueuedBytes: 1000 },
    );
    const { web } = application.connect();
    await web.send(begin(1), params(1, {}), begin(2));
    await web.send(record(RecordType.Stdin, 1, new Uint8Array(2000)));
    web.push(params(2, {}), stdin(2));
    await pass(100_000);
    expect(application.errors).toEqual([]);
    release.resolve();
    expect(await web.answer(2)).toEqual(complete(OK));
  });
});

describe("idleTimeout", () => {
  it("closes a connection on which nothing happens", async () => {
    const application = new MemoryApplication(ok, LIMITS);
    const { served } = application.connect();
    await pass(9999);
    expect(await isSettled(served)).toBe(false);
    await pass(1);
    await served;
    expect(application.errors).toEqual([]);
  });

  it("runs anew when a request has ended", async () => {
    const release = deferred();
    const application = new MemoryApplication(({ requestId }) => (requestId === 1 ? release.promise.then(ok) : ok()), {
      ...LIMITS,
    });
    const { web, served } = application.connect();
    await pass(9000);
    await web.send(request(1));
    await pass(50_000);
    release.resolve();
    await web.answer(1);
    await pass(9000);
    await web.send(request(2));
    await web.answer(2);
    await pass(9999);
    expect(await isSettled(served)).toBe(false);
    await pass(1);
    await served;
  });

  it("does not cut a response that the web server takes slowly", async () => {
    const application = new MemoryApplication(() => ({ stdout: new Uint8Array(100_000) }), {
      ...LIMITS,
      writeTimeout: 100_000,
    });
    const { web, served } = application.connect();
    web.stopReading();
    await web.send(request(1));
    await pass(50_000);
    web.startReading();
    await web.answer(1);
    expect(web.stdoutOf(1).length).toBe(100_000);
    await pass(20_000);
    await served;
    expect(application.errors).toEqual([]);
  });
});

describe("writeTimeout", () => {
  it("closes the connection and aborts its requests when the web server takes nothing", async () => {
    const reasons: FastCgiError[] = [];
    const body = new OpenStream();
    const application = new MemoryApplication(({ requestId, signal }) => {
      signal.addEventListener("abort", () => reasons.push(signal.reason as FastCgiError));
      return { stdout: requestId === 1 ? new Uint8Array(1_000_000) : body.stream };
    }, LIMITS);
    const { web, served } = application.connect();
    web.stopReading();
    await web.send(request(1), request(2));
    await pass(1999);
    expect(application.errors).toEqual([]);
    await pass(1);
    await served;
    expect(application.errors).toMatchObject([{ code: "timeout", limit: "writeTimeout" }]);
    expect(reasons).toMatchObject([{ limit: "writeTimeout" }, { limit: "writeTimeout" }]);
    expect(body.cancelled).toMatchObject({ limit: "writeTimeout" });
  });

  it("does not run when the response is slow", async () => {
    const body = new OpenStream();
    const { web } = new MemoryApplication(() => ({ stdout: body.stream }), LIMITS).connect();
    await web.send(request(1));
    for (const piece of ["a", "b", "c"]) {
      body.write(piece);
      await pass(50_000);
    }
    body.close();
    expect(await web.answer(1)).toEqual(complete("abc"));
  });
});

describe("ServerConnection and timers", () => {
  it.each<[string, (connection: ReturnType<MemoryApplication["connect"]>) => Promise<void>]>([
    [
      "the web server has closed it",
      async ({ web }) => {
        await web.send(request(1), begin(2));
        await web.answer(1);
        await web.end();
      },
    ],
    ["it has broken", async ({ web }) => web.break()],
    [
      "it lingered",
      async ({ web }) => {
        await web.send(begin(1, { keepConn: false }), params(1, {}));
        await web.closed();
        await web.end();
      },
    ],
    ["its request was the last", ({ web }) => web.send(request(1, { keepConn: false }))],
    ["the protocol was broken", ({ web }) => web.sendBytes(new Uint8Array(8))],
    ["it timed out", () => pass(10_000)],
  ])("leaves none when %s", async (_, action) => {
    const application = new MemoryApplication(ok, LIMITS);
    const connection = application.connect();
    await turns();
    expect(vi.getTimerCount()).toBeGreaterThan(0);
    await action(connection);
    await connection.served;
    expect(vi.getTimerCount()).toBe(0);
  });
});
