import { describe, expect, it, vi } from "vitest";
import {
  type FastCgiError,
  type FastCgiHandler,
  type FastCgiResponse,
  type FastCgiServerOptions,
  ProtocolStatus,
  RecordType,
  Role,
} from "../../src/toolkit.ts";
import { latin1 } from "../support/bytes.ts";
import { pass, useFakeTime } from "../support/fake_time.ts";
import { deferred, OpenStream } from "../support/open_stream.ts";
import { begin, bytesOf, params, record, request, stdin } from "../support/records.ts";
import { collected, drain, isSettled } from "../support/streams.ts";
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
  /** Reads the body of every request, and tells how that ended. */
  function reading(options: FastCgiServerOptions = {}): MemoryApplication & { failures: unknown[] } {
    const failures: unknown[] = [];
    const handler: FastCgiHandler = async ({ stdin: body }) => {
      await collected(body).catch((error) => {
        failures.push(error);
        throw error;
      });
      return ok();
    };
    return Object.assign(new MemoryApplication(handler, { ...LIMITS, ...options }), { failures });
  }

  it("fails the body of a request whose input does not come, and answers 408 for a handler that says nothing else", async () => {
    const application = reading();
    const { web } = application.connect();
    await web.send(begin(1), params(1, {}), record(RecordType.Stdin, 1, "half"));
    await pass(999);
    expect(application.failures).toEqual([]);
    await pass(1);
    expect(await web.answer(1)).toMatchObject({
      stdout: expect.stringMatching(/^Status: 408 Request Timeout\r\n/),
      protocolStatus: ProtocolStatus.RequestComplete,
    });
    expect(application.failures).toMatchObject([{ code: "timeout", limit: "readTimeout", requestId: 1 }]);
    expect(application.errors).toEqual(application.failures);
    expect(application.failedRequests).toMatchObject([{ requestId: 1 }]);
    // The connection is as good as before.
    await web.send(record(RecordType.Stdin, 1, "late"), stdin(1), request(2));
    expect(await web.answer(2)).toEqual(complete(OK));
    expect(web.endsOf(1)).toHaveLength(1);
  });

  it("lets the other requests on the connection go on, and is not put off by them", async () => {
    const slow = new OpenStream();
    const application = new MemoryApplication(async ({ requestId, stdin: body }) => {
      if (requestId === 2) return { stdout: [latin1(OK), slow.stream] };
      await collected(body);
      return ok();
    }, LIMITS);
    const { web } = application.connect();
    await web.send(request(2), begin(1), params(1, {}), record(RecordType.Stdin, 1, "half"), begin(3), params(3, {}));
    for (let time = 0; time < 900; time += 300) {
      await pass(300);
      slow.write("x");
      // A request of its own, a body that goes on, and records that belong to no request.
      await web.send(request(4), record(RecordType.Stdin, 3, "more"), record(RecordType.Data, 1, "?"));
      await web.send(record(RecordType.GetValues, 0), record(RecordType.Stdin, 77, "?"));
    }
    expect(web.endsOf(1)).toEqual([]);
    await pass(100);
    expect((await web.answer(1)).stdout).toMatch(/^Status: 408 /);
    await pass(800);
    await web.send(stdin(3));
    expect(await web.answer(3)).toEqual(complete(OK));
    slow.close();
    expect(await web.answer(2)).toEqual(complete(`${OK}xxx`));
    expect(web.endsOf(4)).toHaveLength(3);
  });

  it("leaves the answer to a handler that copes with it, and does not disturb one that does not read", async () => {
    const release = deferred();
    const application = new MemoryApplication(async ({ requestId, stdin: body, signal }) => {
      if (requestId === 1) await collected(body).catch(() => {});
      else await release.promise;
      return { stdout: latin1(`${OK}${signal.aborted}`) };
    }, LIMITS);
    const { web } = application.connect();
    await web.send(begin(1), params(1, {}), begin(2), params(2, {}), record(RecordType.Stdin, 2, "half"));
    await pass(1000);
    expect(await web.answer(1)).toEqual(complete(`${OK}false`));
    await pass(10_000);
    release.resolve();
    expect(await web.answer(2)).toEqual(complete(`${OK}false`));
    expect(application.errors).toEqual([]);
  });

  it("breaks off a response that is made of the body, once the other requests are done", async () => {
    const release = deferred();
    const application = new MemoryApplication(async ({ requestId, stdin: body }) => {
      if (requestId === 1) return { stdout: [latin1(OK), body] };
      await release.promise;
      return ok();
    }, LIMITS);
    const { web, served } = application.connect();
    await web.send(request(2), begin(1), params(1, {}), record(RecordType.Stdin, 1, "half"));
    await pass(1000);
    expect(web.streamsOf(1).stdout).toBe(`${OK}half`);
    expect(application.errors).toMatchObject([{ code: "timeout", limit: "readTimeout" }]);
    release.resolve();
    expect(await web.answer(2)).toEqual(complete(OK));
    await web.closed();
    expect(web.brokenOff).toBe(true);
    expect(web.endsOf(1)).toEqual([]);
    await web.end();
    await served;
  });

  it("fails the file of a Filter, however complete its body is", async () => {
    const application = new MemoryApplication(({ data }) => collected(data).then(ok), LIMITS);
    const { web } = application.connect();
    await web.send(begin(1, { role: Role.Filter }), params(1, {}));
    await pass(900);
    await web.send(stdin(1));
    await pass(900);
    await web.send(record(RecordType.Data, 1, "half"));
    await pass(900);
    expect(web.records).toEqual([]);
    await pass(100);
    expect((await web.answer(1)).stdout).toMatch(/^Status: 408 /);
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

describe("stallTimeout", () => {
  /** A request whose handler waits for `release`, with more of a body than may wait unread. */
  async function unread(handler: FastCgiHandler) {
    const application = new MemoryApplication(handler, { ...LIMITS, maxQueuedBytes: 1_000, stallTimeout: 3_000 });
    const { web, served } = application.connect();
    await web.send(begin(1), params(1, { REQUEST_URI: "/" }));
    // Sending waits for the server to read.
    const piece = record(RecordType.Stdin, 1, new Uint8Array(500));
    void web.send(piece, piece, piece, piece);
    return { application, web, served };
  }

  it("lets the server notice that the web server has left when the handler does not read a large body", async () => {
    const reason = deferred<unknown>();
    const { web, served, application } = await unread(async ({ signal }) => {
      signal.addEventListener("abort", () => reason.resolve(signal.reason.cause));
      await reason.promise;
      return ok();
    });
    void web.end();
    await pass(2_999);
    expect(await isSettled(reason.promise)).toBe(false);
    await pass(1);
    expect(await reason.promise).toMatchObject({ code: "connectionClosed" });
    await served;
    expect(application.errors).toEqual([]);
  });

  it("lets the other requests on the connection go on, and fails the body behind what waits", async () => {
    const release = deferred();
    const { web } = await unread(async ({ requestId, stdin: body }) => {
      if (requestId === 2) return ok();
      await release.promise;
      const { bytes, error } = await drain(body);
      return { stdout: latin1(`${OK}${bytes.length} ${(error as FastCgiError).limit}`) };
    });
    void web.send(request(2));
    expect(web.endsOf(2)).toHaveLength(0);
    await pass(3_000);
    expect(await web.answer(2)).toEqual(complete(OK));
    release.resolve();
    expect((await web.answer(1)).stdout).toMatch(/[0-9]+ stallTimeout$/);
  });

  it("answers 500 for a handler that passes the failure on: the web server is not at fault", async () => {
    const release = deferred();
    const { web } = await unread(async ({ stdin: body }) => {
      await release.promise;
      await collected(body);
      return ok();
    });
    await pass(3_000);
    release.resolve();
    expect((await web.answer(1)).stdout).toMatch(/^Status: 500 /);
  });

  it("does not run out while the handler reads a little now and then", async () => {
    const { web, served } = await unread(async ({ stdin: body }) => {
      let length = 0;
      for await (const piece of body) {
        length += piece.length;
        await new Promise((resolve) => setTimeout(resolve, 2_500));
      }
      return { stdout: latin1(`${OK}${length}`) };
    });
    void web.send(stdin(1));
    await pass(20_000);
    expect(await web.answer(1)).toEqual(complete(`${OK}2000`));
    await served;
  });
});

describe("paramsTimeout", () => {
  it("refuses a request whose params trickle with 408, and the connection goes on", async () => {
    const application = new MemoryApplication(ok, LIMITS);
    const { web } = application.connect();
    await web.send(begin(1));
    for (let time = 0; time < 4800; time += 600) {
      await web.send(record(RecordType.Params, 1, "\x01\x00A"));
      await pass(600);
    }
    expect(web.records).toEqual([]);
    await pass(200);
    expect((await web.answer(1)).stdout).toMatch(/^Status: 408 Request Timeout\r\n/);
    expect(application.errors).toMatchObject([{ code: "timeout", limit: "paramsTimeout", requestId: 1 }]);
    await web.send(record(RecordType.Params, 1, "\x01\x00A"), request(2));
    expect(await web.answer(2)).toEqual(complete(OK));
  });

  it("is of each request, and is not put off by others", async () => {
    const application = new MemoryApplication(ok, LIMITS);
    const { web } = application.connect();
    await web.send(begin(1));
    for (let time = 0; time < 4500; time += 500) {
      await pass(500);
      await web.send(request(2), record(RecordType.GetValues, 0));
    }
    await web.send(begin(3));
    expect(web.endsOf(1)).toEqual([]);
    await pass(500);
    expect((await web.answer(1)).stdout).toMatch(/^Status: 408 /);
    await pass(4000);
    await web.send(params(3, {}), stdin(3));
    expect(await web.answer(3)).toEqual(complete(OK));
  });

  it("closes the connection behind the refusal when that is not to be kept", async () => {
    const application = new MemoryApplication(ok, LIMITS);
    const { web, served } = application.connect();
    await web.send(begin(1, { keepConn: false }));
    await pass(5000);
    await web.answer(1);
    await web.closed();
    expect(web).toMatchObject({ output: "ended", brokenOff: false });
    await web.end();
    await served;
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
    const application = new MemoryApplication(() => ({ stdout: new Uint8Array(400_000) }), {
      ...LIMITS,
      writeTimeout: 100_000,
    });
    const { web, served } = application.connect();
    web.stopReading();
    await web.send(request(1));
    await turns();
    // The end was given to the transport, which has taken only the first write.
    expect([web.stdoutOf(1).length < 400_000, application.server.status.active]).toEqual([true, 0]);
    await pass(50_000);
    web.startReading();
    await web.answer(1);
    expect(web.stdoutOf(1).length).toBe(400_000);
    await pass(20_000);
    await served;
    expect(application.errors).toEqual([]);
  });
});

describe("writeTimeout", () => {
  it("is told of no request whose response broke off before", async () => {
    const [broken, endless] = [new OpenStream(), new OpenStream()];
    const application = new MemoryApplication(
      ({ requestId }) => ({ stdout: [latin1(OK), (requestId === 1 ? broken : endless).stream] }),
      LIMITS,
    );
    const { web, served } = application.connect();
    await web.send(request(1), request(2));
    await broken.pulled();
    broken.fail(new Error("broken"));
    await turns();
    web.stopReading();
    for (let piece = 0; piece < 4; piece++) endless.write(new Uint8Array(65_528));
    await pass(LIMITS.writeTimeout + 10_000);
    await served;
    expect(application.failedRequests.map((failed) => failed?.requestId)).toEqual([1, 2]);
    expect(application.errors).toMatchObject([{ message: "broken" }, { limit: "writeTimeout" }]);
  });

  it("gives the connection up and aborts its requests when the web server takes nothing", async () => {
    const reasons: FastCgiError[] = [];
    const body = new OpenStream();
    const application = new MemoryApplication(({ requestId, signal }) => {
      signal.addEventListener("abort", () => reasons.push(signal.reason.cause as FastCgiError));
      return { stdout: requestId === 1 ? new Uint8Array(1_000_000) : body.stream };
    }, LIMITS);
    const { web, served } = application.connect();
    web.stopReading();
    await web.send(request(1), request(2));
    await pass(1999);
    expect(application.errors).toEqual([]);
    await pass(1);
    await served;
    expect(application.server.status.connections).toBe(0);
    // Once for each request, so that a log can say which.
    expect(application.errors).toMatchObject(Array(2).fill({ code: "timeout", limit: "writeTimeout" }));
    expect(application.failedRequests).toMatchObject([{ requestId: 1 }, { requestId: 2 }]);
    expect(reasons).toMatchObject([{ limit: "writeTimeout" }, { limit: "writeTimeout" }]);
    expect(body.cancelled).toMatchObject({ limit: "writeTimeout" });
  });

  it("shows a web server that reads on later that the response was broken off", async () => {
    const application = new MemoryApplication(() => ({ stdout: new Uint8Array(1_000_000) }), LIMITS);
    const { web, served, application: end } = application.connect();
    web.stopReading();
    await web.send(request(1));
    await pass(2000);
    await served;
    expect(end.isClosed).toBe(false);
    await pass(500_000);
    web.startReading();
    await web.closed();
    expect(web).toMatchObject({ output: "ended", brokenOff: true });
    expect(web.stdoutOf(1).length).toBeLessThan(1_000_000);
    expect(web.endsOf(1)).toEqual([]);
    await turns();
    expect(end.isClosed).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("closes the connection in the end when the web server never reads on", async () => {
    const application = new MemoryApplication(() => ({ stdout: new Uint8Array(1_000_000) }), LIMITS);
    const { web, application: end } = application.connect();
    web.stopReading();
    await web.send(request(1));
    await pass(2000 + 599_999);
    expect(end.isClosed).toBe(false);
    await pass(1);
    expect(end.isClosed).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("does not run out when the web server takes a little now and then", async () => {
    const application = new MemoryApplication(() => ({ stdout: new Uint8Array(2_000_000) }), LIMITS);
    const { web } = application.connect();
    web.stopReading();
    await web.send(request(1));
    // A write at a time; none is larger than what fits the time.
    while (web.endsOf(1).length === 0) {
      await pass(1900);
      web.readOnce();
      await turns();
    }
    expect(web.stdoutOf(1).length).toBe(2_000_000);
    expect(application.errors).toEqual([]);
    const [, second, ...others] = web.writes.map((records) => bytesOf(records).length);
    expect(second).toBeLessThan(256 * 1024 + 65_536);
    expect(Math.max(...others)).toBeLessThan(2 * 65_536);
  });

  it("does not cut a response that is whole but for what the web server has not taken", async () => {
    const application = new MemoryApplication(() => ({ stdout: new Uint8Array(300_000) }), LIMITS);
    const { web, served } = application.connect();
    web.stopReading();
    await web.send(request(1, { keepConn: false }));
    await pass(2000);
    await served;
    expect(application.errors).toMatchObject([{ limit: "writeTimeout" }]);
    web.startReading();
    expect((await web.answer(1)).stdout.length).toBe(300_000);
    await web.closed();
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
