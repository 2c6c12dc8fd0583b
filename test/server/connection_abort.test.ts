import { describe, expect, it } from "vitest";
import {
  type FastCgiError,
  type FastCgiHandler,
  type FastCgiRecord,
  type FastCgiRequest,
  type FastCgiResponse,
  RecordType,
  Role,
} from "../../src/toolkit.ts";
import { latin1 } from "../support/bytes.ts";
import { deferred, OpenStream } from "../support/open_stream.ts";
import { begin, params, record, request, stdin } from "../support/records.ts";
import { failureOf, isSettled } from "../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../support/unhandled_rejections.ts";
import { complete, MemoryApplication } from "../support/web_server_end.ts";

failOnUnhandledRejections();

const OK = "Status: 200 OK\r\n\r\n";

function ok(content = ""): FastCgiResponse {
  return { stdout: latin1(OK + content) };
}

function abort(requestId: number): FastCgiRecord {
  return record(RecordType.AbortRequest, requestId);
}

/** Rejects when the request is aborted, as `fetch(…, { signal })` and many others do. */
function aborted({ signal }: FastCgiRequest): Promise<never> {
  return new Promise((_, reject) => {
    const fail = (): void => reject(signal.reason);
    if (signal.aborted) fail();
    else signal.addEventListener("abort", fail);
  });
}

/** The error inside the AbortError that `signal` fires with. */
function reasonOf(received: FastCgiRequest): Promise<FastCgiError> {
  return aborted(received).catch(({ cause }) => cause as FastCgiError);
}

/** A request that has begun its handler, and the connection it is on. */
async function running(handler: FastCgiHandler, { keepConn = true } = {}) {
  const started = deferred();
  const application = new MemoryApplication((received, context) => {
    started.resolve();
    return handler(received, context);
  });
  const connection = application.connect();
  await connection.web.send(request(1, { keepConn }));
  await started.promise;
  return { errors: application.errors, ...connection };
}

describe("ServerConnection and ABORT_REQUEST", () => {
  it("fires the signal, and sends END_REQUEST when the handler has settled", async () => {
    const settle = deferred();
    const reasons: FastCgiError[] = [];
    const { web, errors } = await running(async (received) => {
      reasons.push(await reasonOf(received));
      await settle.promise;
      return ok("too late");
    });
    await web.send(abort(1));
    await turns();
    expect(reasons).toMatchObject([{ code: "aborted", requestId: 1 }]);
    expect(web.records).toEqual([]);
    settle.resolve();
    expect(await web.answer(1)).toEqual(complete(""));
    await turns();
    expect(web.endsOf(1)).toHaveLength(1);
    expect(errors).toEqual([]);
  });

  it.each<[string, FastCgiHandler]>([
    ["rejects because of it", aborted],
    ["answers nothing", (received) => reasonOf(received).then(() => ({}))],
    ["answers with a failing appStatus", (received) => ({ ...ok(), appStatus: aborted(received) })],
  ])("sends one END_REQUEST and reports nothing when the handler %s", async (_, handler) => {
    const { web, errors } = await running(handler);
    await web.send(abort(1), abort(1));
    expect(await web.answer(1)).toMatchObject({ appStatus: 0, protocolStatus: 0 });
    await web.send(request(1), abort(1));
    await web.until(() => web.endsOf(1).length === 2);
    await turns();
    expect(web.endsOf(1)).toHaveLength(2);
    expect(errors).toEqual([]);
    expect(web.output).toBe("open");
  });

  it("cancels the response's streams when they are being sent", async () => {
    const stdout = new OpenStream();
    const stderr = new OpenStream();
    const later = new OpenStream();
    const { web, errors } = await running(() => ({ stdout: [stdout.stream, later.stream], stderr: stderr.stream }));
    stdout.write("half");
    await web.until(() => web.streamsOf(1).stdout === "half");
    await web.send(abort(1));
    expect(await web.answer(1)).toEqual(complete("half"));
    for (const { cancelled } of [stdout, stderr, later]) expect(cancelled).toMatchObject({ code: "aborted" });
    expect(web.records.map(({ type, contentData }) => [type, contentData.length])).toEqual([
      [RecordType.Stdout, 4],
      [RecordType.Stdout, 0],
      [RecordType.EndRequest, 8],
    ]);
    expect(errors).toEqual([]);
  });

  it("cancels the response's streams when they come afterwards", async () => {
    const stdout = new OpenStream();
    const stderr = new OpenStream();
    const { web } = await running(async (received) => {
      await reasonOf(received);
      return { stdout: stdout.stream, stderr: stderr.stream };
    });
    await web.send(abort(1));
    expect(await web.answer(1)).toEqual(complete(""));
    for (const { cancelled } of [stdout, stderr]) expect(cancelled).toMatchObject({ code: "aborted" });
  });

  it("sends nothing more of a large response when the web server has stopped reading", async () => {
    const { web } = await running(() => ({ stdout: new Uint8Array(10_000_000) }));
    await web.until(() => web.records.length > 2);
    web.stopReading();
    web.push(abort(1));
    await turns();
    web.startReading();
    await web.answer(1);
    expect(web.stdoutOf(1).length).toBeLessThan(1_000_000);
  });

  it("fails stdin and data when they are being read", async () => {
    const failures: Promise<FastCgiError>[] = [];
    const application = new MemoryApplication(async (received) => {
      failures.push(failureOf(received.stdin), failureOf(received.data));
      await Promise.all(failures);
      return ok();
    });
    const { web } = application.connect();
    await web.send(begin(1, { role: 3 }), params(1, {}), record(RecordType.Stdin, 1, "half"));
    await web.send(abort(1), stdin(1, "the rest"));
    await web.answer(1);
    expect(await Promise.all(failures)).toMatchObject([{ code: "aborted" }, { code: "aborted" }]);
  });

  it.each([
    ["PARAMS have not come", []],
    ["PARAMS are not complete", [params(1, {})[0]!]],
  ])("is answered at once and without the handler when %s", async (_, input) => {
    const application = new MemoryApplication(() => ok());
    const { web } = application.connect();
    await web.send(begin(1), input, abort(1));
    expect(await web.answer(1)).toEqual(complete(""));
    // The id is free again.
    await web.send(request(1));
    await web.until(() => web.endsOf(1).length === 2);
    expect(web.streamsOf(1).stdout).toBe(OK);
    expect(application.errors).toEqual([]);
  });

  it.each([
    ["is running", async () => ({ ...(await running(aborted, { keepConn: false })), records: [abort(1)] })],
    [
      "has not begun",
      async () => ({
        ...new MemoryApplication(() => ok()).connect(),
        records: [begin(1, { keepConn: false }), abort(1)],
      }),
    ],
  ])("closes the connection behind END_REQUEST when FCGI_KEEP_CONN is not set and the handler %s", async (_, start) => {
    const { web, served, application, records } = await start();
    await web.send(records);
    await web.answer(1);
    await web.closed();
    expect(web.output).toBe("ended");
    await web.end().catch(() => {});
    await served;
    expect(application.events).toEqual(["write", "half-close", "close"]);
  });

  it.each([
    ["has come whole", request(1)],
    ["has no end of STDIN yet", [begin(1), ...params(1, {})]],
    ["is for a Filter", [begin(1, { role: Role.Filter }), ...params(1, {}), ...stdin(1)]],
  ])("does not call the handler when a request that %s is aborted in the same piece of input", async (_, records) => {
    const called: number[] = [];
    const application = new MemoryApplication(({ requestId, signal }) => {
      called.push(requestId);
      if (requestId === 2) return ok();
      // Is told by the event alone.
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve(ok())));
    });
    const { web, served } = application.connect();
    await web.send(records, abort(1));
    expect(await web.answer(1)).toEqual(complete(""));
    await web.send(request(2, { keepConn: false }));
    expect(await web.answer(2)).toEqual(complete(OK));
    await web.closed();
    await web.end().catch(() => {});
    await served;
    expect(called).toEqual([2]);
    expect(application.errors).toEqual([]);
  });

  it("aborts its own request only when several are active", async () => {
    const release = deferred();
    const application = new MemoryApplication(async (received) => {
      await Promise.race([aborted(received), release.promise]);
      return ok();
    });
    const { web } = application.connect();
    await web.send(request(1), request(2), request(3), abort(2));
    await web.answer(2);
    release.resolve();
    expect(await web.answer(1)).toEqual(complete(OK));
    expect(await web.answer(3)).toEqual(complete(OK));
    expect(web.streamsOf(2).stdout).toBe("");
  });

  it("is ignored when the request has ended", async () => {
    const application = new MemoryApplication(() => ok());
    const { web } = application.connect();
    await web.send(request(1));
    await web.answer(1);
    await web.send(abort(1), request(2));
    await web.answer(2);
    expect(web.endsOf(1)).toHaveLength(1);
    expect(application.errors).toEqual([]);
  });
});

describe("ServerConnection and the end of its input", () => {
  it("fires every signal, cancels the streams and sends no END_REQUEST", async () => {
    const body = new OpenStream();
    const reasons: Promise<FastCgiError>[] = [];
    const application = new MemoryApplication(async (received) => {
      reasons.push(reasonOf(received));
      if (received.requestId === 1) return { stdout: [latin1(OK), body.stream] };
      return aborted(received);
    });
    const { web, served, application: end } = application.connect();
    await web.send(request(1), request(2), begin(3), params(3, {}), record(RecordType.Stdin, 3, "half"), begin(4));
    await body.pulled();
    await turns();
    await web.end();
    await served;
    expect(await Promise.all(reasons)).toMatchObject(Array(3).fill({ code: "connectionClosed" }));
    expect(body.cancelled).toMatchObject({ code: "connectionClosed" });
    expect(web.records.map(({ type }) => type)).toEqual([RecordType.Stdout]);
    expect(end.isClosed).toBe(true);
    expect(application.errors).toEqual([]);
  });

  it("ends no body as if it were whole", async () => {
    const { web, served, failure } = await (async () => {
      let failure: Promise<FastCgiError> | undefined;
      const application = new MemoryApplication((received) => {
        failure = failureOf(received.stdin);
        return failure.then(() => ok());
      });
      const connection = application.connect();
      await connection.web.send(begin(1), params(1, {}), record(RecordType.Stdin, 1, "half"));
      return { ...connection, failure: failure! };
    })();
    await web.end();
    await served;
    expect(await failure).toMatchObject({ code: "connectionClosed" });
  });

  it("fires the signal when the handler has cancelled a body that is longer than may wait", async () => {
    const reason = deferred<FastCgiError>();
    const application = new MemoryApplication(
      async (received) => {
        await received.stdin.cancel();
        reason.resolve(await reasonOf(received));
        return ok();
      },
      { maxQueuedBytes: 1_000 },
    );
    const { web, served } = application.connect();
    await web.send(begin(1), params(1, { REQUEST_URI: "/" }));
    for (let sent = 0; sent < 5_000; sent += 500) await web.send(record(RecordType.Stdin, 1, new Uint8Array(500)));
    await web.end();
    expect(await reason.promise).toMatchObject({ code: "connectionClosed" });
    await served;
  });

  it("waits for the handlers when the connection is closed", async () => {
    const settle = deferred();
    const { web, served, application } = await running(async () => {
      await settle.promise;
      return ok();
    });
    await web.end();
    await turns();
    expect(application.isClosed).toBe(true);
    expect(await isSettled(served)).toBe(false);
    settle.resolve();
    await served;
    expect(web.records).toEqual([]);
  });

  it("closes a connection without requests and reports nothing", async () => {
    const application = new MemoryApplication(() => ok());
    const { web, served } = application.connect();
    await web.end();
    await served;
    expect(application.errors).toEqual([]);
  });

  it.each([
    ["without a request", []],
    ["that runs", [begin(1), ...params(1, {})]],
  ])("is no error when it is inside a record %s", async (_, records) => {
    const application = new MemoryApplication(({ stdin: body }) => new Response(body).text().then(() => ok()));
    const { web, served } = application.connect();
    await web.send(records);
    await web.sendBytes(Uint8Array.of(1, RecordType.Stdin, 0, 1, 0, 100, 0, 0, 65));
    await web.end();
    await served;
    expect(application.errors).toEqual([]);
  });
});

describe("ServerConnection and a connection that breaks", () => {
  it("fires every signal and cancels the streams: a client that leaves is no error of the application", async () => {
    const body = new OpenStream();
    const reasons: Promise<FastCgiError>[] = [];
    const application = new MemoryApplication(async (received) => {
      reasons.push(reasonOf(received));
      if (received.requestId === 1) return { stdout: [latin1(OK), body.stream] };
      return aborted(received);
    });
    const { web, served } = application.connect();
    await web.send(request(1), request(2));
    await body.pulled();
    web.break();
    await served;
    expect(await Promise.all(reasons)).toMatchObject(
      Array(2).fill({ code: "connectionClosed", cause: { message: "The connection was closed" } }),
    );
    expect(body.cancelled).toMatchObject({ code: "connectionClosed" });
    expect(application.errors).toEqual([]);
  });

  it("fires the signal when the web server takes nothing of a response", async () => {
    let reason: Promise<FastCgiError> | undefined;
    const { web, served } = await running((received) => {
      reason = reasonOf(received);
      return { stdout: new Uint8Array(10_000_000) };
    });
    web.stopReading();
    await turns();
    web.break();
    web.startReading();
    await served;
    expect(await reason).toMatchObject({ code: "connectionClosed" });
  });
});
