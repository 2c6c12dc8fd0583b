// Requests and answers on a connection that stays open. How it is closed is in connection_close.test.ts, aborts are in
// connection_abort.test.ts, timeouts in connection_timeouts.test.ts.

import { describe, expect, it } from "vitest";
import {
  decodeNameValuePairs,
  decodeUnknownTypeBody,
  encodeNameValuePairs,
  FastCgiError,
  type FastCgiHandler,
  type FastCgiRequest,
  type FastCgiResponse,
  FCGI_MAX_CONNS,
  FCGI_MAX_REQS,
  FCGI_MPXS_CONNS,
  ProtocolStatus,
  RecordType,
  Role,
} from "../../src/toolkit.ts";
import { chunksOf, joined, latin1, sha256 } from "../support/bytes.ts";
import { writtenAtOnce } from "../support/driven_channel.ts";
import { deferred, OpenStream } from "../support/open_stream.ts";
import { patternBytes } from "../support/pattern.ts";
import { begin, bytesOf, params, record, request, stdin, textOf } from "../support/records.ts";
import { revoked } from "../support/revoked.ts";
import { drain, streamOf, textFrom } from "../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../support/unhandled_rejections.ts";
import { complete, MemoryApplication } from "../support/web_server_end.ts";

failOnUnhandledRejections();

const HEADER = latin1("Status: 200 OK\r\n\r\n");

function text(content: string): FastCgiResponse {
  return { stdout: latin1(`Status: 200 OK\r\n\r\n${content}`) };
}

function statusDocument(status: string): string {
  const reason = status.slice(4);
  return `Status: ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${reason.length + 1}\r\n\r\n${reason}\n`;
}

/** An application that notes its requests and answers with the path of each. */
function pathApplication(
  options: ConstructorParameters<typeof MemoryApplication>[1] = {},
): MemoryApplication & { requests: FastCgiRequest[] } {
  const requests: FastCgiRequest[] = [];
  const application = new MemoryApplication((received) => {
    requests.push(received);
    return text(received.params.get("REQUEST_URI") ?? "");
  }, options);
  return Object.assign(application, { requests });
}

describe("ServerConnection and the roles", () => {
  it("gives a Responder its params and stdin", async () => {
    const application = new MemoryApplication(async (received) => {
      const { role, requestId, keepConn, params } = received;
      expect({ role, requestId, keepConn }).toEqual({ role: Role.Responder, requestId: 7, keepConn: true });
      return text(`${params.get("REQUEST_URI")} ${await textFrom(received.stdin)} ${await textFrom(received.data)}.`);
    });
    const { web } = application.connect();
    await web.send(request(7, { uri: "/form", body: "a=1" }));
    expect(await web.answer(7)).toEqual(complete("Status: 200 OK\r\n\r\n/form a=1 ."));
  });

  it("answers a Responder before the end of its stdin when the handler does", async () => {
    const { web } = pathApplication().connect();
    await web.send(begin(1), params(1, { REQUEST_URI: "/early", CONTENT_LENGTH: "1000" }));
    expect(await web.answer(1)).toEqual(complete("Status: 200 OK\r\n\r\n/early"));
  });

  it.each([
    ["nothing behind its params", []],
    ["an empty stdin, as lighttpd does", stdin(3)],
  ])("gives an Authorizer its params and no body when the web server sends %s", async (_, rest) => {
    const application = new MemoryApplication(async (received) => {
      expect(received.role).toBe(Role.Authorizer);
      return text(`[${await textFrom(received.stdin)}${await textFrom(received.data)}]`);
    });
    const { web } = application.connect();
    await web.send(begin(3, { role: Role.Authorizer }), params(3, { CONTENT_LENGTH: "5" }), rest);
    expect(await web.answer(3)).toEqual(complete("Status: 200 OK\r\n\r\n[]"));
    expect(application.errors).toEqual([]);
  });

  it("gives a Filter its stdin and its data", async () => {
    const application = new MemoryApplication(async (received) =>
      text(`${await textFrom(received.stdin)} ${await textFrom(received.data)} ${received.role}`),
    );
    const { web } = application.connect();
    await web.send(begin(1, { role: Role.Filter }), params(1, { CONTENT_LENGTH: "2", FCGI_DATA_LENGTH: "4" }));
    await web.send(stdin(1, "in"), record(RecordType.Data, 1, "file"), record(RecordType.Data, 1));
    expect(await web.answer(1)).toEqual(complete("Status: 200 OK\r\n\r\nin file 3"));
  });

  it("reports input that the role does not have, and goes on", async () => {
    const application = pathApplication();
    const { web } = application.connect();
    await web.send(begin(1), params(1, { REQUEST_URI: "/" }), record(RecordType.Data, 1, "what?"), stdin(1));
    expect(await web.answer(1)).toEqual(complete("Status: 200 OK\r\n\r\n/"));
    expect(application.errors).toMatchObject([{ code: "protocol" }]);
  });

  it("answers the same when its input comes byte by byte", async () => {
    const application = new MemoryApplication(async ({ stdin, params }) =>
      text(`${params.get("REQUEST_URI")} ${await textFrom(stdin)}`),
    );
    const { web } = application.connect();
    const bytes = bytesOf(request(1, { uri: "/cut", body: "a".repeat(20) }), request(2, { uri: "/again" }));
    for (const byte of chunksOf(bytes, 1)) await web.sendBytes(byte);
    expect(await web.answer(1)).toEqual(complete(`Status: 200 OK\r\n\r\n/cut ${"a".repeat(20)}`));
    expect(await web.answer(2)).toEqual(complete("Status: 200 OK\r\n\r\n/again "));
  });
});

describe("ServerConnection and the end of a response", () => {
  it.each<[string, () => FastCgiResponse]>([
    ["bytes", () => ({ stdout: latin1("Status: 200 OK\r\n\r\nHello") })],
    ["a header and a body", () => ({ stdout: [HEADER, latin1("Hello")] })],
    ["a stream of one piece", () => ({ stdout: streamOf(latin1("Status: 200 OK\r\n\r\nHello")) })],
  ])("leaves as one write when the response is %s", async (_, response) => {
    const { web } = new MemoryApplication(response).connect();
    await web.send(request(1));
    expect(await web.answer(1)).toEqual(complete("Status: 200 OK\r\n\r\nHello"));
    await turns();
    expect(web.writes).toHaveLength(1);
    const types = web.records.map(({ type, contentData }) => `${type}${contentData.length > 0 ? "" : " end"}`);
    expect(types.slice(-2)).toEqual([`${RecordType.Stdout} end`, `${RecordType.EndRequest}`]);
  });

  it("leaves as one write when several requests are answered in the same turn", async () => {
    const { web } = pathApplication().connect();
    await web.send(request(1, { uri: "/a" }), request(2, { uri: "/b" }));
    await web.answer(2);
    expect(web.writes).toHaveLength(1);
  });

  it("ends STDERR only when something was sent to it", async () => {
    const application = new MemoryApplication((received) => ({
      ...text("ok"),
      stderr: latin1(received.params.get("REQUEST_URI") === "/noisy" ? "careful" : ""),
    }));
    const { web } = application.connect();
    await web.send(request(1, { uri: "/noisy" }));
    expect(await web.answer(1)).toEqual(complete("Status: 200 OK\r\n\r\nok", { stderr: "careful" }));
    expect(web.summary()).toBe("7:1:7 6:1:20 6:1:0 7:1:0 3:1:8");
    const [message] = web.recordsOf(1, RecordType.Stderr);
    expect(message!.paddingLength).toBeGreaterThan(0);
    await web.send(request(2, { uri: "/quiet" }));
    expect(await web.answer(2)).toEqual(complete("Status: 200 OK\r\n\r\nok"));
    expect(web.recordsOf(2, RecordType.Stderr)).toEqual([]);
  });

  it("sends STDERR beside STDOUT when both are streams", async () => {
    const stdout = new OpenStream();
    const stderr = new OpenStream();
    const { web } = new MemoryApplication(() => ({ stdout: stdout.stream, stderr: stderr.stream })).connect();
    await web.send(request(1));
    stdout.write("out 1 ");
    await web.until(() => web.streamsOf(1).stdout === "out 1 ");
    stderr.write("err 1 ");
    await web.until(() => web.streamsOf(1).stderr === "err 1 ");
    stdout.write("out 2 ");
    await web.until(() => web.streamsOf(1).stdout === "out 1 out 2 ");
    stdout.close();
    await turns();
    expect(web.endsOf(1)).toEqual([]);
    stderr.write("err 2 ");
    stderr.close();
    expect(await web.answer(1)).toEqual(complete("out 1 out 2 ", { stderr: "err 1 err 2 " }));
    expect(web.records.slice(-3).map(({ type }) => type)).toEqual([
      RecordType.Stdout,
      RecordType.Stderr,
      RecordType.EndRequest,
    ]);
  });

  it.each([
    ["a number", () => 7],
    ["a promise", () => Promise.resolve(7)],
  ])("sends appStatus when it is %s", async (_, appStatus) => {
    const { web } = new MemoryApplication(() => ({ ...text("ok"), appStatus: appStatus() })).connect();
    await web.send(request(1));
    expect(await web.answer(1)).toEqual(complete("Status: 200 OK\r\n\r\nok", { appStatus: 7 }));
  });

  it("accepts an id again when its request has ended", async () => {
    const { web } = pathApplication().connect();
    for (const uri of ["/a", "/b", "/c"]) {
      await web.send(request(1, { uri }));
      await web.until(
        () => web.streamsOf(1).stdout.endsWith(uri) && web.records.at(-1)?.type === RecordType.EndRequest,
      );
    }
    expect(web.endsOf(1)).toHaveLength(3);
  });

  it("does not pull a body when the web server does not read", async () => {
    let pulled = 0;
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          pulled++;
          if (pulled === 100) controller.close();
          else controller.enqueue(new Uint8Array(60_000));
        },
      },
      { highWaterMark: 0 },
    );
    const { web } = new MemoryApplication(() => ({ stdout: [HEADER, body] })).connect();
    web.stopReading();
    await web.send(request(1));
    await turns();
    expect(pulled).toBeLessThan(6);
    web.startReading();
    await web.answer(1);
    expect(web.stdoutOf(1).length).toBe(HEADER.length + 99 * 60_000);
  });
});

describe("ServerConnection and a handler that fails before its header", () => {
  it.each<[string, FastCgiHandler]>([
    [
      "throws",
      () => {
        throw new Error("broken");
      },
    ],
    ["rejects", () => Promise.reject(new Error("broken"))],
    ["returns nothing", () => undefined as never],
    ["answers nothing", () => ({})],
    ["answers with an empty stdout", () => ({ stdout: [new Uint8Array(0), streamOf<Uint8Array>()] })],
    ["answers with something else than bytes", () => ({ stdout: 5 as never })],
    ["answers with a stream that fails before its first byte", () => ({ stdout: failing() })],
    ["answers with a stream that is locked", () => ({ stdout: locked() })],
    ["answers with a stream of something else than bytes", () => ({ stdout: streamOf("text") as never })],
    ["rejects with nothing", () => Promise.reject()],
    [
      "throws what throws when it is looked at",
      () => {
        throw revoked();
      },
    ],
    ["rejects with what throws when it is looked at", () => Promise.reject(revoked())],
  ])("answers 500 with one END_REQUEST when it %s", async (_, handler) => {
    const application = new MemoryApplication(handler);
    const { web } = application.connect();
    await web.send(request(1));
    expect(await web.answer(1)).toEqual(complete(statusDocument("500 Internal Server Error"), { appStatus: 1 }));
    expect(application.errors).toHaveLength(1);
    expect(application.failedRequests[0]).toMatchObject({ requestId: 1 });
    // The connection is as good as before.
    await web.send(request(2));
    await web.answer(2);
    await turns();
    expect([web.endsOf(1).length, web.endsOf(2).length]).toEqual([1, 1]);
    expect(web.output).toBe("open");
  });

  it("answers 413 when the handler reads more stdin than maxStdinBytes", async () => {
    const application = new MemoryApplication(async (received) => text(await textFrom(received.stdin)), {
      maxStdinBytes: 10,
    });
    const { web } = application.connect();
    await web.send(request(1, { body: "0123456789" }), request(2, { body: "0123456789a" }));
    expect(await web.answer(1)).toEqual(complete("Status: 200 OK\r\n\r\n0123456789"));
    expect(await web.answer(2)).toEqual(complete(statusDocument("413 Content Too Large"), { appStatus: 1 }));
    await web.send(request(1));
    await turns();
    expect([web.endsOf(1).length, web.endsOf(2).length]).toEqual([2, 1]);
    expect(application.errors).toMatchObject([{ code: "limit", limit: "maxStdinBytes", requestId: 2 }]);
  });

  it("answers 413 when the handler reads more data than maxDataBytes", async () => {
    const application = new MemoryApplication(async ({ data }) => text(await textFrom(data)), { maxDataBytes: 3 });
    const { web } = application.connect();
    await web.send(begin(1, { role: Role.Filter }), params(1, {}), stdin(1), record(RecordType.Data, 1, "file"));
    expect(await web.answer(1)).toEqual(complete(statusDocument("413 Content Too Large"), { appStatus: 1 }));
  });

  it.each([
    ["shorter", "9", "abc"],
    ["longer", "2", "abc"],
  ])("answers 400 when stdin is %s than CONTENT_LENGTH", async (_, length, body) => {
    const application = new MemoryApplication(async (received) => text(await textFrom(received.stdin)));
    const { web } = application.connect();
    await web.send(request(1, { body, extra: { CONTENT_LENGTH: length } }));
    expect(await web.answer(1)).toEqual(complete(statusDocument("400 Bad Request"), { appStatus: 1 }));
    expect(application.errors).toMatchObject([{ code: "lengthMismatch", requestId: 1 }]);
  });

  it("answers 400 when the handler says malformedRequest", async () => {
    const { web } = new MemoryApplication(() => {
      throw new FastCgiError("malformedRequest", "no method");
    }).connect();
    await web.send(request(1));
    expect((await web.answer(1)).stdout).toBe(statusDocument("400 Bad Request"));
  });
});

describe("ServerConnection and requests that do not reach the handler", () => {
  it.each([
    ["400", "a pair is cut", record(RecordType.Params, 1, latin1("\x05\x05ab")), "400 Bad Request"],
    [
      "431",
      "there are too many pairs",
      record(RecordType.Params, 1, encodeNameValuePairs(["A", "B", "C", "D"].map((name) => [name, ""]))),
      "431 Request Header Fields Too Large",
    ],
    [
      "431",
      "the params are too long",
      record(RecordType.Params, 1, new Uint8Array(101)),
      "431 Request Header Fields Too Large",
    ],
  ])("answers %s and goes on when %s", async (_, __, pairs, status) => {
    const application = pathApplication({ maxParams: 3, maxParamsBytes: 100 });
    const { web } = application.connect();
    await web.send(begin(1), pairs, record(RecordType.Params, 1), stdin(1));
    await web.send(begin(2), params(2, { REQUEST_URI: "/" }), stdin(2));
    expect(await web.answer(1)).toEqual(complete(statusDocument(status)));
    expect(await web.answer(2)).toEqual(complete("Status: 200 OK\r\n\r\n/"));
    expect(application.requests).toHaveLength(1);
    expect(application.errors).toMatchObject([{ requestId: 1 }]);
    expect(web.endsOf(1)).toHaveLength(1);
  });

  it("answers UNKNOWN_ROLE and goes on when the role is unknown and the connection is kept", async () => {
    const application = pathApplication();
    const { web } = application.connect();
    await web.send(begin(1, { role: 4 }), params(1, {}), stdin(1), request(2, { uri: "/" }));
    const { protocolStatus, stdout } = await web.answer(1);
    expect({ protocolStatus, stdout }).toEqual({ protocolStatus: ProtocolStatus.UnknownRole, stdout: "" });
    expect(await web.answer(2)).toEqual(complete("Status: 200 OK\r\n\r\n/"));
    expect(web.summary()).toMatch(/^3:1:8 6:2:/);
    expect(application.errors).toMatchObject([{ code: "unknownRole", requestId: 1 }]);
  });

  it("answers CANT_MPX_CONN when multiplexing is off and a request is active", async () => {
    const release = deferred();
    const application = new MemoryApplication(
      async ({ requestId }) => {
        if (requestId === 1) await release.promise;
        return text("ok");
      },
      { multiplexing: false },
    );
    const { web } = application.connect();
    await web.send(request(1), request(2, { keepConn: false }));
    expect((await web.answer(2)).protocolStatus).toBe(ProtocolStatus.CantMpxConn);
    release.resolve();
    expect(await web.answer(1)).toEqual(complete("Status: 200 OK\r\n\r\nok"));
    await web.send(request(3));
    await web.answer(3);
    expect(web.records.filter(({ requestId }) => requestId === 2)).toHaveLength(1);
    expect(application.errors).toMatchObject([{ code: "cantMultiplex", requestId: 2 }]);
  });

  it("drops the request without an answer when respondCantMpxConn is off as well", async () => {
    const release = deferred();
    const application = new MemoryApplication(
      async () => {
        await release.promise;
        return text("ok");
      },
      { multiplexing: false, respondCantMpxConn: false },
    );
    const { web } = application.connect();
    await web.send(request(1), request(2));
    release.resolve();
    await web.answer(1);
    await turns();
    expect(web.records.some(({ requestId }) => requestId === 2)).toBe(false);
    expect(application.errors).toMatchObject([{ code: "cantMultiplex", requestId: 2 }]);
  });

  it("answers 503 with REQUEST_COMPLETE when maxConcurrentRequests are active", async () => {
    const release = deferred();
    const application = new MemoryApplication(
      async () => {
        await release.promise;
        return text("ok");
      },
      { maxConcurrentRequests: 2 },
    );
    const { web } = application.connect();
    // A request counts from BEGIN_REQUEST on.
    await web.send(request(1), begin(2), request(3, { body: "body" }));
    expect(await web.answer(3)).toEqual(
      complete(statusDocument("503 Service Unavailable").replace("\r\n", "\r\nRetry-After: 1\r\n")),
    );
    expect(application.errors).toMatchObject([{ code: "limit", limit: "maxConcurrentRequests", requestId: 3 }]);
    release.resolve();
    await web.answer(1);
    await web.send(request(3));
    await web.until(() => web.endsOf(3).length === 2);
    expect(web.streamsOf(3).stdout).toContain("Status: 200 OK");
  });
});

describe("ServerConnection and management records", () => {
  const question = (...names: string[]) =>
    record(RecordType.GetValues, 0, encodeNameValuePairs(names.map((name) => [name, ""])));

  it("answers GET_VALUES when requests run, without the handler", async () => {
    const release = deferred();
    const application = new MemoryApplication(
      async () => {
        await release.promise;
        return text("ok");
      },
      { maxConnections: 20, maxConcurrentRequests: 10 },
    );
    const { web } = application.connect();
    await web.send(begin(1), params(1, {}));
    await web.send(question(FCGI_MAX_CONNS, "constructor", FCGI_MPXS_CONNS, "__proto__", FCGI_MAX_REQS), stdin(1));
    await web.until(() => web.recordsOf(0, RecordType.GetValuesResult).length > 0);
    const values = decodeNameValuePairs(web.records[0]!.contentData);
    expect(Object.fromEntries(values)).toEqual({ FCGI_MAX_CONNS: "20", FCGI_MAX_REQS: "10", FCGI_MPXS_CONNS: "1" });
    expect(web.records).toHaveLength(1);
    release.resolve();
    expect(await web.answer(1)).toEqual(complete("Status: 200 OK\r\n\r\nok"));
  });

  it("answers FCGI_MPXS_CONNS=0 when multiplexing is off", async () => {
    const { web } = pathApplication({ multiplexing: false }).connect();
    await web.send(question(FCGI_MPXS_CONNS));
    await web.until(() => web.records.length > 0);
    expect(decodeNameValuePairs(web.records[0]!.contentData)).toEqual([[FCGI_MPXS_CONNS, "0"]]);
  });

  it.each([
    ["an unknown type", 99],
    ["BEGIN_REQUEST", RecordType.BeginRequest],
    ["END_REQUEST", RecordType.EndRequest],
  ])("answers UNKNOWN_TYPE and reports it when %s has request id 0", async (_, type) => {
    const application = pathApplication();
    const { web } = application.connect();
    await web.send(record(type, 0, new Uint8Array(8)), request(1, { uri: "/" }));
    expect(await web.answer(1)).toEqual(complete("Status: 200 OK\r\n\r\n/"));
    const [unknown] = web.recordsOf(0, RecordType.UnknownType);
    expect(decodeUnknownTypeBody(unknown!.contentData)).toBe(type);
    expect(web.records.filter(({ requestId }) => requestId === 0)).toHaveLength(1);
    expect(application.errors).toMatchObject([{ code: "protocol" }]);
  });

  it("answers UNKNOWN_TYPE once when a record of STDIN with request id 0 comes byte by byte", async () => {
    const application = pathApplication();
    const { web } = application.connect();
    for (const byte of bytesOf(record(RecordType.Stdin, 0, "content"))) await web.sendBytes(Uint8Array.of(byte));
    await web.send(request(1, { uri: "/" }));
    expect(await web.answer(1)).toEqual(complete("Status: 200 OK\r\n\r\n/"));
    expect(web.records.filter(({ requestId }) => requestId === 0)).toHaveLength(1);
    expect(application.errors).toMatchObject([{ code: "protocol" }]);
  });

  it.each([
    ["an unknown type", 99],
    ["GET_VALUES", RecordType.GetValues],
  ])("sends nothing and reports it when %s has the id of a request", async (_, type) => {
    const application = pathApplication();
    const { web } = application.connect();
    await web.send(begin(1), record(type, 1, "?"), params(1, { REQUEST_URI: "/" }), stdin(1));
    expect(await web.answer(1)).toEqual(complete("Status: 200 OK\r\n\r\n/"));
    expect(web.records.every(({ requestId }) => requestId === 1)).toBe(true);
    expect(application.errors).toMatchObject([{ code: "protocol", requestId: 1 }]);
  });

  it("reports ten dropped records of a connection, with their request once that is there, and refusals without end", async () => {
    const application = new MemoryApplication(() => new Promise(() => {}));
    const { web } = application.connect();
    await web.send(begin(1), record(99, 1), params(1, {}), record(RecordType.Data, 1, "?"));
    for (let count = 0; count < 50; count++) await web.send(record(99, 1, "?"), record(77, 0));
    expect(application.errors).toMatchObject(Array(10).fill({ code: "protocol" }));
    expect(application.failedRequests.slice(0, 4).map((failed) => failed?.requestId)).toEqual([
      undefined,
      1,
      1,
      undefined,
    ]);
    for (let id = 2; id < 20; id++) await web.send(begin(id, { role: 9 }));
    expect(application.errors.slice(10)).toMatchObject(Array(18).fill({ code: "unknownRole" }));
  });

  it("sends nothing and goes on when records come for an id that is not active", async () => {
    const application = pathApplication();
    const { web } = application.connect();
    await web.send(stdin(5, "late"), record(RecordType.AbortRequest, 5), record(RecordType.Params, 5, "?"));
    await web.send(request(1, { uri: "/" }));
    expect(await web.answer(1)).toEqual(complete("Status: 200 OK\r\n\r\n/"));
    await web.send(stdin(1, "late"), record(RecordType.AbortRequest, 1));
    await turns();
    expect(web.endsOf(1)).toHaveLength(1);
    expect(web.records.every(({ requestId }) => requestId === 1)).toBe(true);
    expect(application.errors).toEqual([]);
  });

  it("stops reading when its answers are not read, and goes on when they are", async () => {
    const { web } = pathApplication().connect();
    web.stopReading();
    const questions = Array.from({ length: 500 }, () => question(FCGI_MPXS_CONNS));
    let taken = 0;
    const sending = (async () => {
      for (; taken < 100; taken++) await web.send(...questions);
    })();
    await turns();
    expect(taken).toBeGreaterThan(1);
    expect(taken).toBeLessThan(8);
    web.startReading();
    await sending;
    await web.until(() => web.records.length === 50_000);
  });

  it.each([
    ["small and complete", () => text("."), 1024],
    ["as large as a record", () => ({ stdout: [HEADER, new Uint8Array(60_000)] }), 16],
    ["streamed", () => ({ stdout: streamOf(HEADER, new Uint8Array(50_000)) }), 20],
    ["error documents", () => Promise.reject(new Error("broken")), 1024],
  ] as [string, FastCgiHandler, number][])(
    "stops reading when responses are not read, and goes on when they are: %s",
    async (_, handler, most) => {
      let handled = 0;
      const application = new MemoryApplication((received, context) => {
        handled++;
        return handler(received, context);
      });
      const { web } = application.connect();
      web.stopReading();
      let id = 0;
      const total = most * 4;
      const sending = (async () => {
        while (id < total) await web.send(request(++id), request(++id));
      })();
      await turns();
      // What is read in one piece with the last of them, or waits in the transport, is handled, too.
      expect(handled).toBeGreaterThanOrEqual(most);
      expect(handled).toBeLessThan(most + 16);
      web.startReading();
      await sending;
      await web.answer(total);
      expect(handled).toBe(total);
    },
  );
});

describe("ServerConnection and a handler that answers at once", () => {
  it("sends the answers before it returns", async () => {
    const records = await writtenAtOnce(() => text("at once"), bytesOf(request(1), request(2, { body: "a=1" })));
    expect(records.map(({ type, requestId }) => [type, requestId])).toEqual([
      [RecordType.Stdout, 1],
      [RecordType.Stdout, 1],
      [RecordType.EndRequest, 1],
      [RecordType.Stdout, 2],
      [RecordType.Stdout, 2],
      [RecordType.EndRequest, 2],
    ]);
  });

  it("sends the error document before it returns when the handler throws", async () => {
    const records = await writtenAtOnce(
      () => {
        throw new Error("broken");
      },
      bytesOf(request(1)),
    );
    expect(textOf(records, RecordType.Stdout, 1)).toBe(statusDocument("500 Internal Server Error"));
  });
});

describe("ServerConnection and several requests", () => {
  it("ends requests in the order they are answered when that is not the order they began", async () => {
    const releases = new Map([1, 2, 3].map((id) => [id, deferred()]));
    const { web } = new MemoryApplication(async ({ requestId, params }) => {
      await releases.get(requestId)!.promise;
      return text(params.get("REQUEST_URI")!);
    }).connect();
    await web.send(request(1, { uri: "/1" }), request(2, { uri: "/2" }), request(3, { uri: "/3" }));
    for (const id of [3, 1, 2]) {
      releases.get(id)!.resolve();
      expect(await web.answer(id)).toEqual(complete(`Status: 200 OK\r\n\r\n/${id}`));
    }
    expect(web.records.filter(({ type }) => type === RecordType.EndRequest).map(({ requestId }) => requestId)).toEqual([
      3, 1, 2,
    ]);
  });

  it("keeps requests apart when their records are interleaved", async () => {
    const { web } = new MemoryApplication(async ({ params, stdin }) =>
      text(`${params.get("REQUEST_URI")} ${await textFrom(stdin)}`),
    ).connect();
    const inputs = [1, 2, 3].map((id) => request(id, { uri: `/${id}`, body: `body ${id}` }));
    for (let index = 0; index < inputs[0]!.length; index++) {
      for (const records of inputs) await web.send(records[index]!);
    }
    for (const id of [1, 2, 3]) {
      expect(await web.answer(id)).toEqual(complete(`Status: 200 OK\r\n\r\n/${id} body ${id}`));
    }
  });

  it("keeps the state of an id apart when several connections use it", async () => {
    const application = pathApplication();
    const connections = ["/a", "/b", "/c"].map((uri) => ({ uri, ...application.connect() }));
    await Promise.all(connections.map(({ web }) => web.send(begin(1))));
    await Promise.all(connections.map(({ web, uri }) => web.send(params(1, { REQUEST_URI: uri }), stdin(1))));
    for (const { web, uri } of connections) {
      expect(await web.answer(1)).toEqual(complete(`Status: 200 OK\r\n\r\n${uri}`));
    }
    expect(application.requests).toHaveLength(3);
  });

  it("answers a small request at once when large responses are under way", async () => {
    const large = new Uint8Array(20 * 65_528);
    const { web } = new MemoryApplication(({ requestId }) =>
      requestId > 8 ? text("small") : { stdout: [HEADER, large] },
    ).connect();
    web.stopReading();
    await web.send([1, 2, 3, 4, 5, 6, 7, 8].flatMap((id) => request(id)));
    await turns();
    await web.send(request(9));
    await turns();
    web.startReading();
    await web.answer(9);
    // Of each large one no more than its header and two records were in front.
    expect(web.records.filter(({ requestId }) => requestId < 9).length).toBeLessThanOrEqual(8 * 3);
    await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((id) => web.answer(id)));
    const turnsTaken = web.recordsOf(1, RecordType.Stdout).map((piece) => web.records.indexOf(piece));
    expect(Math.max(...turnsTaken.slice(2).map((at, index) => at - turnsTaken[index + 1]!))).toBeLessThan(20);
  });

  it("goes on reading when many large responses wait for the web server", async () => {
    const aborted: number[] = [];
    const { web } = new MemoryApplication(({ requestId, signal }) => {
      signal.addEventListener("abort", () => aborted.push(requestId));
      return { stdout: [HEADER, new Uint8Array(200 * 65_528)] };
    }).connect();
    const ids = Array.from({ length: 20 }, (_, index) => index + 1);
    await web.send(ids.flatMap((id) => request(id)));
    await web.until(() => web.recordsOf(20, RecordType.Stdout).length > 2);
    for (const id of [3, 4, 5]) {
      web.push(record(RecordType.AbortRequest, id));
      await web.answer(id);
    }
    expect(aborted).toEqual([3, 4, 5]);
    expect(ids.filter((id) => web.endsOf(id).length > 0)).toEqual([3, 4, 5]);
    web.break();
  });

  it("stalls only after maxQueuedBytes when a handler does not read, and goes on when it does", async () => {
    const release = deferred();
    const body = patternBytes(400_000);
    const { web } = new MemoryApplication(
      async (received) => {
        if (received.requestId === 2) return text("other");
        await release.promise;
        return text(sha256((await drain(received.stdin)).bytes));
      },
      { maxQueuedBytes: 100_000 },
    ).connect();
    await web.send(begin(1), params(1, { CONTENT_LENGTH: String(body.length) }));
    let sent = 0;
    const sending = (async () => {
      for (const piece of chunksOf(body, 10_000)) {
        await web.send(record(RecordType.Stdin, 1, piece));
        sent += piece.length;
        // Up to the limit no request is held up.
        if (sent === 90_000) {
          await web.send(request(2));
          await web.answer(2);
        }
      }
      await web.send(stdin(1));
    })();
    await turns(30);
    expect(sent).toBeGreaterThanOrEqual(100_000);
    // What passes the limit: what waits in the transport.
    expect(sent).toBeLessThanOrEqual(120_000);
    release.resolve();
    await sending;
    expect(await web.answer(1)).toEqual(complete(`Status: 200 OK\r\n\r\n${sha256(body)}`));
  });
});

describe("ServerConnection and broken input", () => {
  it("answers a request that came whole before the fault, in the same piece", async () => {
    const application = pathApplication();
    const { web } = application.connect();
    await web.sendBytes(joined(bytesOf(request(1, { uri: "/whole" })), new Uint8Array(8)));
    expect(await web.answer(1)).toEqual(complete("Status: 200 OK\r\n\r\n/whole"));
    await web.closed();
    expect(application.errors).toEqual([expect.objectContaining({ code: "protocol" })]);
  });

  it.each([
    ["a record has another version", Uint8Array.of(2, 1, 0, 1, 0, 0, 0, 0)],
    ["a request begins twice", bytesOf(begin(1), begin(1))],
    ["stdin comes before the end of the params", bytesOf(begin(1), stdin(1, "early"))],
    ["params come after their end", bytesOf(begin(1), params(1, {}), params(1, { A: "1" }))],
    ["a record comes that only applications send", bytesOf(begin(1), record(RecordType.EndRequest, 1, "12345678"))],
    ["BEGIN_REQUEST is too short", bytesOf(record(RecordType.BeginRequest, 1, "short"))],
    ["a pair in GET_VALUES is cut", bytesOf(record(RecordType.GetValues, 0, "\x05\x00ab"))],
  ])("closes its own connection only, and reports it, when %s", async (_, bytes) => {
    const release = deferred();
    const aborted: unknown[] = [];
    const application = new MemoryApplication(async ({ requestId, signal }) => {
      signal.addEventListener("abort", () => aborted.push(requestId));
      await release.promise;
      return text("ok");
    });
    const broken = application.connect();
    const healthy = application.connect();
    await broken.web.send(request(9));
    await healthy.web.send(request(8));
    await broken.web.sendBytes(bytes);
    await broken.web.closed();
    expect(application.errors).toMatchObject([{ code: "protocol" }]);
    expect(broken.application.isClosed).toBe(true);
    expect(aborted).toContain(9);
    expect(aborted).not.toContain(8);
    release.resolve();
    await broken.served;
    expect(broken.web.records).toEqual([]);
    expect(await healthy.web.answer(8)).toEqual(complete("Status: 200 OK\r\n\r\nok"));
  });

  it("closes the connection when more than maxDrainBytes come for ids that are not active", async () => {
    const application = pathApplication({ maxDrainBytes: 1000 });
    const { web, served } = application.connect();
    await web.send(stdin(5, new Uint8Array(900)));
    expect(application.errors).toEqual([]);
    web.push(stdin(5, new Uint8Array(101)));
    await served;
    expect(application.errors).toMatchObject([{ code: "limit", limit: "maxDrainBytes" }]);
  });
});

function failing(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull(controller) {
      controller.error(new Error("broken"));
    },
  });
}

function locked(): ReadableStream<Uint8Array> {
  const { stream } = new OpenStream();
  stream.getReader();
  return stream;
}
