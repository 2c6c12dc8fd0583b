import { describe, expect, it, vi } from "vitest";
import {
  type FastCgiHandler,
  type FastCgiRecord,
  type FastCgiRequest,
  type FastCgiResponse,
  FastCgiServer,
  type FastCgiServerOptions,
  ProtocolStatus,
  RecordType,
  Role,
} from "../../src/toolkit.ts";
import { latin1 } from "../support/bytes.ts";
import { DrivenChannel } from "../support/driven_channel.ts";
import { pass, useFakeTime } from "../support/fake_time.ts";
import { connectionPair } from "../support/memory_connection.ts";
import { deferred, OpenStream } from "../support/open_stream.ts";
import { begin, bytesOf, params, record, request, stdin } from "../support/records.ts";
import { failureOf, isSettled, streamOf } from "../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../support/unhandled_rejections.ts";
import { complete, MemoryApplication } from "../support/web_server_end.ts";

failOnUnhandledRejections();

const OK = "Status: 200 OK\r\n\r\n";

function ok(content = ""): FastCgiResponse {
  return { stdout: latin1(OK + content) };
}

/** Answers at once; requests to `/wait` when they are released. */
class WaitingApplication extends MemoryApplication {
  readonly #released;
  readonly requests: FastCgiRequest[];

  constructor(options: FastCgiServerOptions = {}) {
    const released = deferred();
    const requests: FastCgiRequest[] = [];
    super(async (received) => {
      requests.push(received);
      if (received.params.get("REQUEST_URI") === "/wait") await released.promise;
      return ok();
    }, options);
    this.#released = released;
    this.requests = requests;
  }

  release(): void {
    this.#released.resolve();
  }
}

/** An upload of which the end is still to come. */
function upload(requestId: number, { keepConn = false } = {}): FastCgiRecord[] {
  const input = record(RecordType.Stdin, requestId, "the start");
  return [begin(requestId, { keepConn }), ...params(requestId, { REQUEST_URI: "/" }), input];
}

describe("ServerConnection without FCGI_KEEP_CONN", () => {
  it("half-closes behind END_REQUEST and then closes when the request was read", async () => {
    const application = new MemoryApplication(() => ok("Hello"));
    const { web, served, application: end } = application.connect();
    await web.send(request(1, { keepConn: false }));
    expect(await web.answer(1)).toEqual(complete(`${OK}Hello`));
    await served;
    expect(web).toMatchObject({ output: "ended", brokenOff: false });
    expect(end.events).toEqual(["write", "half-close", "close"]);
    expect(application.errors).toEqual([]);
    expect(application.server.status.connections).toBe(0);
  });

  it("closes behind the whole response when that is large", async () => {
    const { web, served } = new MemoryApplication(() => ({ stdout: new Uint8Array(1_000_000) })).connect();
    await web.send(request(1, { keepConn: false }));
    await served;
    expect(web.stdoutOf(1).length).toBe(1_000_000);
    expect(web.endsOf(1)).toHaveLength(1);
    expect(web.output).toBe("ended");
  });

  it("finishes the other active requests when there are some, and then closes", async () => {
    const application = new WaitingApplication();
    const { web, served } = application.connect();
    await web.send(request(1, { uri: "/wait" }), begin(3), request(2, { keepConn: false }));
    await web.answer(2);
    expect(await isSettled(served)).toBe(false);
    await web.send(params(3, { REQUEST_URI: "/" }), stdin(3));
    await web.answer(3);
    expect(await isSettled(served)).toBe(false);
    application.release();
    await web.answer(1);
    await served;
    expect(web.output).toBe("ended");
  });

  it("closes when it has refused the request, and tells so once", async () => {
    const application = new MemoryApplication(() => ok());
    const { web, served, application: end } = application.connect();
    await web.send(begin(1, { role: 9, keepConn: false }), begin(2, { role: 9, keepConn: false }));
    expect((await web.answer(1)).protocolStatus).toBe(ProtocolStatus.UnknownRole);
    await web.closed();
    await web.end();
    await served;
    expect(end.events).toEqual(["write", "half-close", "close"]);
    // The second one came when nothing could be sent any more.
    expect(web.records).toHaveLength(1);
    expect(application.errors).toMatchObject([{ code: "unknownRole" }, { code: "unknownRole" }]);
  });
});

describe("ServerConnection with FCGI_KEEP_CONN", () => {
  it("stays open when requests are done", async () => {
    const { web, application } = new MemoryApplication(() => ok()).connect();
    for (let id = 1; id < 5; id++) {
      await web.send(request(id));
      await web.answer(id);
    }
    await turns();
    expect(application.events).toEqual(["write", "write", "write", "write"]);
  });

  it("stays open and drops the rest of the input when a response was early", async () => {
    const application = new MemoryApplication(() => ok());
    const { web } = application.connect();
    await web.send(upload(1, { keepConn: true }));
    await web.answer(1);
    await web.send(stdin(1, "the rest"), request(2));
    expect(await web.answer(2)).toEqual(complete(OK));
    expect(web.endsOf(1)).toHaveLength(1);
    expect(application.errors).toEqual([]);
  });
});

describe("maxRequestsPerConnection", () => {
  useFakeTime();

  it("closes nothing when it is not given", async () => {
    const { web, served } = new MemoryApplication(() => ok()).connect();
    for (let count = 0; count < 3000; count++) {
      await web.send(request(1));
      await web.until(() => web.endsOf(1).length === 1);
      web.writes.length = 0;
    }
    await pass(60_000);
    expect(await isSettled(served)).toBe(false);
  });

  it("closes the connection when it was reached and no request came for a second", async () => {
    const application = new WaitingApplication({ maxRequestsPerConnection: 3 });
    const { web, served, application: end } = application.connect();
    await web.send(request(1, { uri: "/wait" }), request(2), request(3));
    await web.answer(3);
    await pass(5000);
    application.release();
    await web.answer(1);
    await pass(999);
    expect(end.events).not.toContain("half-close");
    await pass(1);
    await served;
    expect(web).toMatchObject({ output: "ended", brokenOff: false });
    expect(application.errors).toEqual([]);
  });

  it("loses no request of a web server that uses the connection again at once", async () => {
    const application = new WaitingApplication({ maxRequestsPerConnection: 3 });
    const { web, served } = application.connect();
    for (let id = 1; id <= 20; id++) {
      await web.send(request(id));
      expect(await web.answer(id)).toEqual(complete(OK));
      await pass(900);
    }
    expect(await isSettled(served)).toBe(false);
    await pass(100);
    await served;
  });
});

describe("ServerConnection after an early response", () => {
  it("reads on until the web server closes when input is under way", async () => {
    const application = new MemoryApplication(() => ok());
    const { web, served, application: end } = application.connect();
    await web.send(upload(1));
    expect(await web.answer(1)).toEqual(complete(OK));
    await web.closed();
    expect(web.output).toBe("ended");
    for (let piece = 0; piece < 50; piece++) await web.send(record(RecordType.Stdin, 1, new Uint8Array(10_000)));
    await web.send(stdin(1));
    expect(end.events).toEqual(["write", "half-close"]);
    await web.end();
    await served;
    expect(end.events).toEqual(["write", "half-close", "close"]);
    expect(application.errors).toEqual([]);
  });

  it("closes when more than maxDrainBytes come", async () => {
    const application = new MemoryApplication(() => ok(), { maxDrainBytes: 10_000 });
    const { web, served } = application.connect();
    await web.send(upload(1));
    await web.closed();
    for (let piece = 0; piece < 3; piece++) web.push(record(RecordType.Stdin, 1, new Uint8Array(4000)));
    await served;
    expect(application.errors).toMatchObject([{ code: "limit", limit: "maxDrainBytes" }]);
  });

  it("runs and answers nothing more when requests cross its close", async () => {
    const application = new WaitingApplication();
    const { web, served } = application.connect();
    await web.send(upload(1));
    await web.closed();
    const answered = web.records.length;
    await web.send(request(2), record(RecordType.GetValues, 0), begin(3), record(RecordType.AbortRequest, 3));
    await web.send(begin(4, { role: 9 }));
    await turns();
    expect(application.requests).toHaveLength(1);
    await web.end();
    await served;
    expect(web.records).toHaveLength(answered);
    // A refusal is told, though it can't be sent.
    expect(application.errors).toMatchObject([{ code: "unknownRole" }]);
  });
});

describe("ServerConnection after an early response, and time", () => {
  useFakeTime();

  it("closes after lingerTimeout when the web server goes on sending, however busily", async () => {
    const limits = { lingerTimeout: 5000, idleTimeout: 2000, readTimeout: 2000 };
    const application = new MemoryApplication(() => ok(), limits);
    const { web, served, application: end } = application.connect();
    await web.send(upload(1));
    await web.closed();
    await web.send(record(RecordType.Stdin, 1, "more"), begin(2));
    await pass(2500);
    await web.send(record(RecordType.Stdin, 1, "more"));
    void application.server.close();
    await pass(2499);
    expect(end.isClosed).toBe(false);
    await pass(1);
    expect(end.isClosed).toBe(true);
    await served;
    expect(application.errors).toEqual([]);
  });

  it("closes after lingerTimeout when a request comes meanwhile whose body has no room", async () => {
    const limits = { lingerTimeout: 5000, stallTimeout: 2000, maxQueuedBytes: 1000 };
    const application = new MemoryApplication(() => ok(), limits);
    const { web, served, application: end } = application.connect();
    await web.send(upload(1));
    await web.closed();
    await web.send(begin(2), params(2, {}), record(RecordType.Stdin, 2, new Uint8Array(2000)));
    await pass(4999);
    expect(end.isClosed).toBe(false);
    await pass(1);
    expect(end.isClosed).toBe(true);
    await served;
    expect(application.errors).toEqual([]);
  });

  it.each([
    ["its input was read", request(1, { keepConn: false })],
    ["its input is under way", upload(1)],
  ])("delivers the whole response to a slow web server when %s", async (_, records) => {
    const limits = { lingerTimeout: 1000, idleTimeout: 1000, writeTimeout: 30_000 };
    const application = new MemoryApplication(() => ({ stdout: new Uint8Array(100_000) }), limits);
    const { web, served } = application.connect();
    web.stopReading();
    await web.send(records);
    await pass(20_000);
    web.startReading();
    await web.answer(1);
    expect(web.stdoutOf(1).length).toBe(100_000);
    await pass(1000);
    await served;
    expect(web.output).toBe("ended");
    expect(application.errors).toEqual([]);
  });
});

describe("ServerConnection and a response that breaks off", () => {
  /** A response of which a part was sent, and which then fails. */
  function breaking(other: FastCgiHandler = () => ok()): MemoryApplication & { body: OpenStream } {
    const body = new OpenStream();
    const application = new MemoryApplication((received, context) =>
      received.requestId === 1 ? { stdout: [latin1(OK), body.stream] } : other(received, context),
    );
    return Object.assign(application, { body });
  }

  it("closes without END_REQUEST when no other request is active", async () => {
    const application = breaking();
    const { web, served } = application.connect();
    await web.send(request(1));
    application.body.write("half");
    await web.until(() => web.streamsOf(1).stdout === `${OK}half`);
    application.body.fail(new Error("broken"));
    await served;
    expect(web.records.map(({ contentData }) => contentData.length)).toEqual([18, 4]);
    expect(application.errors).toMatchObject([{ message: "broken" }]);
    expect(application.failedRequests).toMatchObject([{ requestId: 1 }]);
    expect(web).toMatchObject({ output: "ended", brokenOff: true });
  });

  it.each<[string, () => FastCgiResponse]>([
    ["a body that is not of bytes", () => ({ stdout: [latin1(OK), streamOf<unknown>("text") as never] })],
    ["an appStatus that fails", () => ({ ...ok(), appStatus: Promise.reject(new Error("broken")) })],
  ])("closes without END_REQUEST when the response has %s", async (_, response) => {
    const application = new MemoryApplication(response);
    const { web, served } = application.connect();
    await web.send(request(1));
    await served;
    expect(web.streamsOf(1).stdout).toBe(OK);
    expect(web.records).toHaveLength(1);
    expect(web).toMatchObject({ output: "ended", brokenOff: true });
    expect(application.errors).toHaveLength(1);
  });

  it.each([
    ["what is no exit status", null],
    ["a promise of what is none", Promise.resolve(null)],
  ])("does not break off when appStatus is %s, and a neighbour goes on", async (_, appStatus) => {
    const release = deferred();
    const application = new MemoryApplication(async ({ requestId }) => {
      if (requestId === 1) return { ...ok(), appStatus: appStatus as unknown as number };
      await release.promise;
      return ok();
    });
    const { web } = application.connect();
    await web.send(request(1), request(2));
    expect(await web.answer(1)).toMatchObject({ appStatus: 1 });
    release.resolve();
    expect(await web.answer(2)).toMatchObject({ stdout: OK, appStatus: 0 });
    expect(application.errors).toMatchObject([{ message: expect.stringMatching(/appStatus/) }]);
  });

  it("finishes other requests first when there are some", async () => {
    const release = deferred();
    const application = breaking(async () => {
      await release.promise;
      return ok();
    });
    const { web, served } = application.connect();
    await web.send(request(1), request(2));
    await application.body.pulled();
    application.body.fail(new Error("broken"));
    await web.send(request(3));
    expect(await isSettled(served)).toBe(false);
    release.resolve();
    expect(await web.answer(2)).toEqual(complete(OK));
    expect(await web.answer(3)).toEqual(complete(OK));
    await served;
    expect(web.endsOf(1)).toEqual([]);
    expect(web).toMatchObject({ output: "ended", brokenOff: true });
  });

  it("reads on for a while when its own input is under way", async () => {
    const application = breaking();
    const { web, served, application: end } = application.connect();
    await web.send(upload(1, { keepConn: true }));
    await application.body.pulled();
    application.body.fail(new Error("broken"));
    await web.closed();
    for (let piece = 0; piece < 50; piece++) await web.send(record(RecordType.Stdin, 1, new Uint8Array(10_000)));
    expect(end.isClosed).toBe(false);
    await web.send(record(RecordType.AbortRequest, 1));
    await web.end();
    await served;
    expect(web.brokenOff).toBe(true);
    expect(web.endsOf(1)).toEqual([]);
    expect(application.errors).toHaveLength(1);
  });

  it("answers an abort for it when another request keeps the connection open", async () => {
    const release = deferred();
    const application = breaking(async () => {
      await release.promise;
      return ok();
    });
    const { web, served } = application.connect();
    await web.send(request(1), request(2));
    await application.body.pulled();
    application.body.fail(new Error("broken"));
    await turns();
    await web.send(record(RecordType.AbortRequest, 1));
    expect(await web.answer(1)).toMatchObject({ appStatus: 1, protocolStatus: ProtocolStatus.RequestComplete });
    release.resolve();
    await web.answer(2);
    // Every request has had an answer, so the connection can be used again.
    await web.send(request(4));
    await web.answer(4);
    expect(await isSettled(served)).toBe(false);
    expect(web.endsOf(1)).toHaveLength(1);
  });

  it.each([
    ["stdin", RecordType.Stdin, begin(1)],
    ["data", RecordType.Data, begin(1, { role: Role.Filter })],
  ] as const)("does not stop the connection when its own %s goes on", async (stream, type, start) => {
    const release = deferred();
    let input: Promise<unknown> | undefined;
    const body = new OpenStream();
    const application = new MemoryApplication(
      async (received) => {
        if (received.requestId === 1) {
          input = failureOf(received[stream]);
          return { stdout: [latin1(OK), body.stream] };
        }
        await release.promise;
        return ok();
      },
      { maxQueuedBytes: 1000 },
    );
    const { web } = application.connect();
    await web.send(request(2), start, params(1, {}));
    if (stream === "data") await web.send(stdin(1));
    await body.pulled();
    body.fail(new Error("broken"));
    for (let piece = 0; piece < 10; piece++) await web.send(record(type, 1, new Uint8Array(1000)));
    // What came of its input does not look whole to its reader.
    expect(await input).toMatchObject({
      code: "aborted",
      message: "Cannot read the request: its response broke off",
      requestId: 1,
    });
    release.resolve();
    expect(await web.answer(2)).toEqual(complete(OK));
  });
});

/** A connection with three requests: one whose response has begun, one whose handler runs, and one whose params are not complete. */
async function midway(options: FastCgiServerOptions = {}) {
  const body = new OpenStream();
  const reasons = new Map<number, unknown>();
  const application = new MemoryApplication(async ({ requestId, signal }) => {
    signal.addEventListener("abort", () => reasons.set(requestId, signal.reason.cause));
    if (requestId === 1) return { stdout: [latin1(OK), body.stream] };
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  }, options);
  const connection = application.connect();
  await connection.web.send(request(1), request(2), begin(3));
  body.write("half");
  await connection.web.until(() => connection.web.streamsOf(1).stdout === `${OK}half`);
  return { ...connection, server: application.server, errors: application.errors, body, reasons };
}

describe("ServerConnection that ends in the middle of a response", () => {
  type Midway = Awaited<ReturnType<typeof midway>>;

  const WAYS: [string, FastCgiServerOptions, (connection: Midway) => unknown, unknown[]][] = [
    ["the server closes with a timeout", {}, ({ server }) => void server.close({ timeout: 1 }), []],
    ["the protocol is broken", {}, ({ web }) => web.sendBytes(Uint8Array.of(9)), [{ code: "protocol" }]],
    [
      "a record comes that only applications send",
      {},
      ({ web }) => web.send(record(RecordType.EndRequest, 2)),
      [{ code: "protocol", requestId: 2 }],
    ],
    ["a request begins twice", {}, ({ web }) => web.send(begin(2)), [{ code: "protocol", requestId: 2 }]],
    [
      "too much comes for no request",
      { maxDrainBytes: 100 },
      ({ web }) => web.push(record(RecordType.Stdin, 9, new Uint8Array(200))),
      [{ code: "limit", limit: "maxDrainBytes" }],
    ],
    ["the web server half-closes", {}, ({ web }) => web.end(), []],
    [
      "the web server half-closes inside a record",
      {},
      ({ web }) => web.sendBytes(Uint8Array.of(1)).then(() => web.end()),
      [],
    ],
  ];

  it.each(WAYS)("breaks it off when %s", async (_, options, end, errors) => {
    const connection = await midway(options);
    await end(connection);
    const { web } = connection;
    await web.closed();
    expect(web).toMatchObject({ output: "ended", brokenOff: true });
    expect(web.records.map(({ type, requestId }) => [type, requestId])).toEqual([
      [RecordType.Stdout, 1],
      [RecordType.Stdout, 1],
    ]);
    await connection.served;
    expect(connection.application.isClosed).toBe(true);
    expect([...connection.reasons.keys()].sort()).toEqual([1, 2]);
    expect(connection.body.cancelled).toBe(connection.reasons.get(1));
    expect(connection.errors).toMatchObject(errors);
  });

  it.each(WAYS)("sends nothing where no response has begun when %s", async (_, options, end) => {
    const application = new MemoryApplication(({ requestId, signal }) => {
      // Of one response the first byte is still to come.
      if (requestId === 2) return { stdout: new OpenStream().stream };
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    }, options);
    const { web, application: ours, served } = application.connect();
    await web.send(request(1), request(2), begin(3));
    await end({ web, server: application.server } as Midway);
    await served;
    await web.closed();
    expect(ours.events.filter((event) => event !== "half-close")).toEqual(["close"]);
    expect(web).toMatchObject({ brokenOff: false, records: [] });
  });
});

describe("ServerConnection that is given up while the web server does not read", () => {
  useFakeTime();

  it.each([
    ["", 100_000],
    [", even if writeTimeout is shorter", 1000],
  ])("ends within lingerTimeout, and leaves the break-off to be read%s", async (_, writeTimeout) => {
    const body = new OpenStream();
    const options = { lingerTimeout: 3000, writeTimeout };
    const application = new MemoryApplication(() => ({ stdout: [latin1(OK), body.stream] }), options);
    const { web, served, application: end } = application.connect();
    await web.send(request(1));
    await body.pulled();
    web.stopReading();
    for (let piece = 0; piece < 5; piece++) {
      body.write(new Uint8Array(100_000));
      await turns();
    }
    await web.sendBytes(Uint8Array.of(9));
    // The application is told at once.
    await turns();
    expect(body.cancelled).toMatchObject({ code: "connectionClosed", cause: { code: "protocol" } });
    await pass(2999);
    expect(application.server.status.connections).toBe(1);
    await pass(1);
    expect(application.server.status.connections).toBe(0);
    await served;
    expect(application.errors).toMatchObject([{ code: "protocol" }]);
    expect(end.isClosed).toBe(false);
    web.startReading();
    await web.closed();
    expect(web.brokenOff).toBe(true);
  });

  it("resets the connection at the end where the transport can do that", async () => {
    const body = new OpenStream();
    const application = new MemoryApplication(() => ({ stdout: [latin1(OK), body.stream] }), { lingerTimeout: 3000 });
    const resets: unknown[] = [];
    const channel = Object.assign(new DrivenChannel(), {
      write: () => new Promise<void>(() => {}),
      end: () => new Promise<void>(() => {}),
      close: () => void resets.push("closed"),
      reset: (reason: unknown) => {
        resets.push(reason);
        return true;
      },
    });
    const served = application.server.serve(channel);
    channel.events.onData(bytesOf(request(1)));
    await body.pulled();
    channel.events.onData(Uint8Array.of(9));
    await pass(3000);
    await served;
    expect(resets).toMatchObject([{ code: "connectionClosed" }]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("delivers what is whole before that", async () => {
    const application = new MemoryApplication(({ requestId, signal }) => {
      if (requestId < 20) return { stdout: new Uint8Array(60_000) };
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    });
    const { web, served } = application.connect();
    web.stopReading();
    // Less than 1 MiB: with more unsent answers the connection would not be read.
    const ids = Array.from({ length: 16 }, (_, index) => index + 1);
    await web.send([...ids, 20].flatMap((id) => request(id)));
    await turns();
    await web.sendBytes(Uint8Array.of(9));
    await pass(4000);
    web.startReading();
    for (const id of ids) expect((await web.answer(id)).stdout.length).toBe(60_000);
    await served;
    expect(web).toMatchObject({ output: "ended", brokenOff: false });
  });
});

describe("ServerConnection and a transport that fails", () => {
  useFakeTime();

  it("aborts its requests and reports nothing when a write fails", async () => {
    const [webEnd, end] = connectionPair();
    const broken = new Error("EPIPE");
    const writable = new WritableStream<Uint8Array>({
      write() {
        throw broken;
      },
    });
    const body = new OpenStream();
    const aborted: unknown[] = [];
    const application = new MemoryApplication(({ requestId, signal }) => {
      signal.addEventListener("abort", () => aborted.push(requestId));
      return { stdout: requestId === 1 ? body.stream : new OpenStream().stream };
    });
    const served = application.server.serve({ readable: end.readable, writable, close: () => end.close() });
    const writer = webEnd.writable.getWriter();
    await writer.write(bytesOf(request(1), request(2)));
    body.write("x");
    await served;
    expect(application.errors).toEqual([]);
    expect(aborted.sort()).toEqual([1, 2]);
    expect(body.cancelled).toMatchObject({ code: "connectionClosed", cause: broken });
  });

  it("waits no longer for a request whose response fails in the moment in which its connection breaks", async () => {
    const body = new OpenStream();
    const channel = new DrivenChannel();
    const errors: [message: string, requestId: number | undefined][] = [];
    const server = new FastCgiServer(
      ({ requestId }) => (requestId === 1 ? { stdout: [latin1(OK), body.stream] } : new Promise(() => {})),
      {
        onError(error, request) {
          errors.push([(error as Error).message, request?.requestId]);
          if (errors.length === 1) channel.events.onError(new Error("ECONNRESET"));
        },
      },
    );
    void server.serve(channel);
    channel.events.onData(bytesOf(request(1), request(2)));
    await body.pulled();
    body.fail(new Error("The disk is gone"));
    await turns();
    const closed = server.close({ timeout: 0 });
    await pass(60_000);
    await closed;
    // Only the handler of the second request has not settled.
    expect(errors).toMatchObject([
      ["The disk is gone", 1],
      [expect.stringContaining("its handler has not settled"), 2],
    ]);
  });

  it("closes and reports nothing when the half-close fails", async () => {
    const [webEnd, end] = connectionPair();
    const broken = new Error("ENOTCONN");
    const writable = new WritableStream<Uint8Array>({
      close() {
        throw broken;
      },
    });
    const application = new MemoryApplication(() => ok());
    const served = application.server.serve({ readable: end.readable, writable, close: () => end.close() });
    await webEnd.writable.getWriter().write(bytesOf(request(1, { keepConn: false })));
    await served;
    expect(application.errors).toEqual([]);
    expect(end.isClosed).toBe(true);
  });

  it.each([
    ["throws", () => void JSON.parse("{")],
    ["rejects", () => Promise.reject(new Error("BadResource"))],
  ])("resolves serve() when close() %s", async (_, close) => {
    const [webEnd, end] = connectionPair();
    const application = new MemoryApplication(() => ok());
    const served = application.server.serve({ readable: end.readable, writable: end.writable, close });
    await webEnd.writable.close();
    await served;
    expect(application.errors).toEqual([]);
  });
});
