// onRequestEnd of a server: exactly one call for each request that began, however it ended.

import { describe, expect, it } from "vitest";
import {
  type FastCgiContext,
  FastCgiError,
  type FastCgiFetchHandler,
  type FastCgiHandler,
  FastCgiHttpService,
  type FastCgiRecord,
  type FastCgiServerOptions,
  type FastCgiServerRequestEnd,
  RecordType,
  Role,
} from "../../src/toolkit.ts";
import { pass, useFakeTime } from "../support/fake_time.ts";
import { deferred, OpenStream } from "../support/open_stream.ts";
import { begin, params, record, request, stdin } from "../support/records.ts";
import { streamOf } from "../support/streams.ts";
import { failOnUnhandledRejections, turns, unhandledRejectionsOf } from "../support/unhandled_rejections.ts";
import { MemoryApplication, type WebServerEnd } from "../support/web_server_end.ts";

failOnUnhandledRejections();
useFakeTime();

const broken = new Error("broken");
const text = new TextEncoder();

/** An application, one connection to it, the ends that it told of, and the promise of the first. */
function serving(handler: FastCgiHandler, options: FastCgiServerOptions = {}) {
  const ends: FastCgiServerRequestEnd[] = [];
  const ended = deferred();
  const onRequestEnd = (end: FastCgiServerRequestEnd): void => {
    ends.push(end);
    ended.resolve();
  };
  const application = new MemoryApplication(handler, { ...options, onRequestEnd });
  const { web } = application.connect();
  return { ends, ended: ended.promise, application, web };
}

function servingFetch(fetch: FastCgiFetchHandler, options: FastCgiServerOptions = {}) {
  return serving(new FastCgiHttpService(fetch).handler, options);
}

/** A body that begins, and then never ends by itself. */
function begun(): { stream: ReadableStream<Uint8Array>; body: OpenStream } {
  const body = new OpenStream();
  body.write("begun");
  return { stream: body.stream, body };
}

/** What a way of ending is made of. */
interface Ending {
  options?: FastCgiServerOptions;
  fetch?: FastCgiFetchHandler;
  before?(web: WebServerEnd): void;
  /** In place of the whole of a GET for /. */
  records?: (FastCgiRecord | FastCgiRecord[])[];
  /** What happens behind it. */
  after?(situation: ReturnType<typeof serving>): unknown;
  end: Partial<FastCgiServerRequestEnd>;
}

const post = (body: string, length: number): FastCgiRecord[] => [
  begin(1),
  ...params(1, {
    REQUEST_METHOD: "POST",
    REQUEST_URI: "/",
    HTTP_HOST: "example.com",
    CONTENT_LENGTH: String(length),
  }),
  record(RecordType.Stdin, 1, body),
];

const hello: FastCgiFetchHandler = () => new Response("hello");
const never: FastCgiFetchHandler = () => new Promise(() => {});
const readsAll: FastCgiFetchHandler = async (request) => new Response(await request.text());
const streams: FastCgiFetchHandler = () => new Response(begun().stream, { status: 206 });

/** Resolves when the beginning of a response has arrived: its status and its first bytes. */
const beginning = (web: WebServerEnd): Promise<void> => web.until(() => web.streamsOf(1).stdout.endsWith("begun"));

/** A response whose body fails when its beginning has arrived, and what comes behind that. */
function breaksOff(behind?: Ending["after"]): Pick<Ending, "fetch" | "after"> {
  const { stream, body } = begun();
  return {
    fetch: () => new Response(stream),
    after: async (situation) => {
      await beginning(situation.web);
      body.fail(broken);
      await behind?.(situation);
    },
  };
}

const ENDINGS: Record<string, Ending> = {
  "a response that is complete at once": {
    fetch: hello,
    end: {
      outcome: "complete",
      error: undefined,
      method: "GET",
      url: "http://example.com/",
      status: 200,
      responseBodyBytes: 5,
    },
  },
  "a response that streams": {
    fetch: () => new Response(streamOf(text.encode("one"), text.encode("two")), { status: 201 }),
    end: { outcome: "complete", status: 201, responseBodyBytes: 6 },
  },
  "a response with a Location": {
    fetch: () => new Response(null, { status: 307, headers: { location: "/there" } }),
    end: { outcome: "complete", status: 307, responseBodyBytes: 0 },
  },
  "a body that is read": {
    fetch: readsAll,
    records: [request(1, { body: "four" })],
    end: { outcome: "complete", method: "POST", requestBodyBytes: 4, responseBodyBytes: 4 },
  },
  "a body that is not read, and goes on behind the response": {
    fetch: hello,
    records: [post("half", 8)],
    end: { outcome: "complete", requestBodyBytes: 4, status: 200 },
  },
  "a method that Fetch does not have": {
    fetch: hello,
    records: [request(1, { extra: { REQUEST_METHOD: "TRACE" } })],
    end: { outcome: "complete", method: "TRACE", status: 501 },
  },
  "a handler that throws": {
    fetch: () => {
      throw broken;
    },
    end: { outcome: "failed", error: broken, status: 500, url: "http://example.com/" },
  },
  "a handler that rejects later": {
    fetch: async () => {
      await turns(1);
      throw broken;
    },
    end: { outcome: "failed", error: broken, status: 500 },
  },
  "a response that fails after its beginning": {
    ...breaksOff(),
    end: { outcome: "failed", error: broken, status: 200, responseBodyBytes: 5 },
  },
  "a body that is longer than announced": {
    fetch: readsAll,
    records: [post("too long", 3), stdin(1)],
    end: { outcome: "failed", error: expect.objectContaining({ code: "lengthMismatch" }), status: 400 },
  },
  "an abort before the handler has answered": {
    fetch: never,
    after: ({ web }) => web.send(record(RecordType.AbortRequest, 1)),
    end: { outcome: "aborted", error: expect.objectContaining({ code: "aborted" }), status: undefined, method: "GET" },
  },
  "an abort in the piece of input in which the request came": {
    fetch: hello,
    records: [request(1), record(RecordType.AbortRequest, 1)],
    end: { outcome: "aborted", status: undefined, url: undefined },
  },
  "an abort in the middle of the response": {
    fetch: streams,
    after: async ({ web }) => {
      await beginning(web);
      await web.send(record(RecordType.AbortRequest, 1));
    },
    end: { outcome: "aborted", status: 206, responseBodyBytes: 5 },
  },
  "an abort behind a response that broke off": {
    ...breaksOff(async ({ web, ended }) => {
      await ended;
      web.push(record(RecordType.AbortRequest, 1));
    }),
    end: { outcome: "failed", error: broken },
  },
  "an abort before the variables are complete": {
    fetch: hello,
    records: [begin(1), record(RecordType.AbortRequest, 1)],
    end: { outcome: "aborted", method: undefined, request: undefined },
  },
  "the close of the connection before the handler has answered": {
    fetch: never,
    after: ({ web }) => web.end(),
    end: { outcome: "aborted", error: expect.objectContaining({ code: "connectionClosed" }) },
  },
  "the close of the connection before the variables are complete": {
    fetch: hello,
    records: [begin(1)],
    after: ({ web }) => web.end(),
    end: { outcome: "aborted", request: undefined },
  },
  "a connection that breaks in the middle of the response": {
    fetch: streams,
    after: async ({ web }) => {
      await beginning(web);
      web.break();
    },
    end: { outcome: "aborted", status: 206 },
  },
  "input that is no FastCGI": {
    fetch: never,
    after: ({ web }) => web.sendBytes(Uint8Array.of(9, 9, 9, 9, 9, 9, 9, 9)).catch(() => {}),
    end: { outcome: "aborted", error: expect.objectContaining({ code: "connectionClosed" }) },
  },
  "variables that take too long": {
    options: { paramsTimeout: 1000 },
    fetch: hello,
    records: [begin(1)],
    after: () => pass(1000),
    end: { outcome: "timeout", error: expect.objectContaining({ limit: "paramsTimeout" }), status: 408 },
  },
  "a body that takes too long": {
    options: { readTimeout: 1000 },
    fetch: readsAll,
    records: [post("half", 8)],
    after: () => pass(1000),
    end: {
      outcome: "timeout",
      error: expect.objectContaining({ limit: "readTimeout" }),
      status: 408,
      requestBodyBytes: 4,
    },
  },
  "a web server that does not read": {
    options: { writeTimeout: 1000 },
    fetch: () => new Response(streamOf(new Uint8Array(300_000), new Uint8Array(300_000))),
    before: (web) => web.stopReading(),
    after: () => pass(3000),
    end: { outcome: "timeout", error: expect.objectContaining({ limit: "writeTimeout" }), status: 200 },
  },
  "the close of the server": {
    fetch: never,
    after: async ({ application }) => {
      const closed = application.server.close({ grace: 0, timeout: 1000 });
      await pass(3000);
      await closed;
    },
    end: { outcome: "timeout", error: expect.objectContaining({ code: "timeout" }) },
  },
  "the timeout of something that the handler asked": {
    fetch: () => {
      throw new FastCgiError("timeout", "Cannot read the response: the application was silent");
    },
    end: { outcome: "failed", status: 500 },
  },
  "too many variables": {
    options: { maxParams: 2 },
    fetch: hello,
    end: {
      outcome: "refused",
      error: expect.objectContaining({ limit: "maxParams" }),
      status: 431,
      request: undefined,
    },
  },
  "too many bytes of variables": {
    options: { maxParamsBytes: 10 },
    fetch: hello,
    end: { outcome: "refused", error: expect.objectContaining({ limit: "maxParamsBytes" }), status: 431 },
  },
  "variables that are no pairs": {
    fetch: hello,
    records: [begin(1), record(RecordType.Params, 1, "\x7f"), record(RecordType.Params, 1), stdin(1)],
    end: { outcome: "refused", status: 400 },
  },
  "variables that are no HTTP request": {
    fetch: hello,
    records: [request(1, { extra: { REQUEST_METHOD: "" } })],
    end: { outcome: "refused", error: expect.objectContaining({ code: "malformedRequest" }), status: 400, method: "" },
  },
  "an unknown role": {
    fetch: hello,
    records: [begin(1, { role: 9 })],
    end: { outcome: "refused", error: expect.objectContaining({ code: "unknownRole" }), status: undefined },
  },
};

describe("onRequestEnd of a server", () => {
  it.each(Object.entries(ENDINGS))(
    "is called once for %s",
    async (_, { options, fetch, records, before, after, end }) => {
      const situation = servingFetch(fetch ?? hello, options);
      before?.(situation.web);
      await situation.web.send(...(records ?? [request(1)]));
      await turns();
      await after?.(situation);
      await situation.ended;
      await turns();
      expect(situation.ends).toEqual([expect.objectContaining(end)]);
      // And no more, whatever follows.
      situation.web.push(stdin(1));
      await situation.web.end().catch(() => {});
      await pass(3_600_000);
      expect(situation.ends).toHaveLength(1);
    },
  );

  it("is called for a request that is one too many, and for one that may not share the connection", async () => {
    for (const [options, end] of [
      [{ maxConcurrentRequests: 1 }, { outcome: "refused", status: 503 }],
      [
        { multiplexing: false },
        { outcome: "refused", status: undefined, error: expect.objectContaining({ code: "cantMultiplex" }) },
      ],
      [
        { multiplexing: false, respondCantMpxConn: false },
        { outcome: "refused", status: undefined },
      ],
    ] as const) {
      const { web, ends } = servingFetch(never, options);
      await web.send(request(1), begin(2));
      await turns();
      expect(ends).toEqual([expect.objectContaining(end)]);
      await web.end();
      await turns();
      expect(ends.map(({ outcome }) => outcome)).toEqual(["refused", "aborted"]);
    }
  });

  it("is called for what comes while the connection is being closed", async () => {
    const { web, ends, application } = servingFetch(
      () => new Response(streamOf(new Uint8Array(300_000), new Uint8Array(300_000))),
    );
    web.stopReading();
    await web.send(request(1));
    await turns();
    void application.server.close({ grace: 0, timeout: 1000 });
    await pass(1000);
    // The rest of its output keeps the connection.
    expect(ends).toMatchObject([{ outcome: "timeout" }]);
    web.push(request(2), begin(3));
    await turns();
    expect(ends.slice(1)).toMatchObject([{ outcome: "aborted", request: { requestId: 2 } }]);
    expect(application.server.status).toMatchObject({ connections: 1, waiting: 0 });
    await pass(3_600_000);
    expect(ends.slice(2)).toMatchObject([{ outcome: "aborted", request: undefined }]);
  });

  it("tells of each request on a connection by its own facts", async () => {
    const { web, ends } = servingFetch(async (request) => {
      const text = await request.text();
      return new Response(text + text, { status: request.method === "POST" ? 201 : 404 });
    });
    await web.send(request(1, { uri: "/a?x", body: "12345" }), request(2, { uri: "/b" }));
    await Promise.all([web.answer(1), web.answer(2)]);
    await turns();
    expect(
      ends
        .map(({ method, url, status, requestBodyBytes, responseBodyBytes }) => ({
          method,
          url,
          status,
          requestBodyBytes,
          responseBodyBytes,
        }))
        .toSorted((a, b) => a.status! - b.status!),
    ).toEqual([
      { method: "POST", url: "http://example.com/a?x", status: 201, requestBodyBytes: 5, responseBodyBytes: 10 },
      { method: "GET", url: "http://example.com/b", status: 404, requestBodyBytes: 0, responseBodyBytes: 0 },
    ]);
  });

  it("measures from FCGI_BEGIN_REQUEST to the header and to the end", async () => {
    const body = new OpenStream();
    const { web, ends } = servingFetch(async () => {
      await pass(20);
      return new Response(body.stream);
    });
    const started = performance.now();
    await web.send(begin(1));
    await pass(10);
    await web.send(request(1).slice(1));
    await turns();
    await body.pulled();
    await pass(40);
    body.close();
    await web.answer(1);
    await turns();
    expect(ends).toMatchObject([{ startTime: started, timeToHeader: 30, duration: 70 }]);
  });

  it("has the request and the params that the handler's context had", async () => {
    const kept = new WeakMap<FastCgiContext["params"], string>();
    const { web, ends, application } = servingFetch((_, context) => {
      kept.set(context.params, "kept");
      throw broken;
    });
    await web.send(request(1));
    await web.answer(1);
    expect(kept.get(ends[0]!.request!.params)).toBe("kept");
    expect(ends[0]!.request).toBe(application.failedRequests[0]);
  });

  it("reads the status of any CGI response, whatever pieces its header comes in", async () => {
    const outputs: Record<string, readonly [pieces: string[], status: number | undefined, bytes: number]> = {
      "a Status": [["Status: 418 Teapot\r\n\r\nbody"], 418, 4],
      "a Status in the last line": [["Content-Type: a/b\nstatus:201\n\nbody"], 201, 4],
      "no Status": [["Content-Type: text/plain\r\n\r\nStatus: 500"], 200, 11],
      "a Location": [["Location: http://a.test/\r\n\r\n"], 302, 0],
      "no field": [["\r\nbody"], 200, 4],
      "single bytes": [[..."Status: 404 Not Found\r\n\r\nbody"], 404, 4],
      "no end of the header": [["Status: 404"], undefined, 0],
      "a header that is too long": [
        ["Status: 404\r\n", "A: ".padEnd(70_000, "x"), "\r\n\r\n"],
        404,
        expect.any(Number),
      ],
    };
    for (const [name, [pieces, status, responseBodyBytes]] of Object.entries(outputs)) {
      const { web, ends } = serving(() => ({ stdout: streamOf(...pieces.map((piece) => text.encode(piece))) }));
      await web.send(request(1));
      await web.answer(1);
      await turns();
      expect(ends, name).toMatchObject([
        { outcome: "complete", status, responseBodyBytes, url: undefined, method: "GET" },
      ]);
    }
  });

  it("reads the status of pieces whose memory the program uses again", async () => {
    const buffers = ["Status: 4", "04\r\n", "\r\nbody"].map((piece) => text.encode(piece));
    let given: Uint8Array<ArrayBuffer> | undefined;
    const stdout = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          await turns();
          if (given !== undefined) structuredClone(given, { transfer: [given.buffer] });
          given = buffers.shift();
          if (given === undefined) controller.close();
          else controller.enqueue(given);
        },
      },
      { highWaterMark: 0 },
    );
    const { web, ends } = serving(() => ({ stdout }));
    await web.send(request(1));
    await web.answer(1);
    await turns();
    expect(ends).toMatchObject([{ outcome: "complete", status: 404, responseBodyBytes: 4 }]);
  });

  it("tells of the method that came, whatever the program makes of the params", async () => {
    const changes: ((request: { params: unknown }) => void)[] = [
      (request) => (request.params as Map<string, string>).clear(),
      (request) => {
        request.params = new Map([["REQUEST_METHOD", "PUT"]]);
      },
      (request) => {
        request.params = null;
      },
    ];
    for (const change of changes) {
      const { web, ends } = serving((request) => {
        change(request);
        return { stdout: "Status: 204\r\n\r\n" };
      });
      await web.send(request(1), request(2));
      await Promise.all([web.answer(1), web.answer(2)]);
      await turns();
      expect(ends).toMatchObject([
        { outcome: "complete", method: "GET", status: 204 },
        { outcome: "complete", method: "GET", status: 204 },
      ]);
    }
  });

  it("lets the program close the server in it, and is called for all others too", async () => {
    const ends: string[] = [];
    const closed: Promise<void>[] = [];
    const application = new MemoryApplication(new FastCgiHttpService(never).handler, {
      onRequestEnd: ({ outcome }) => {
        ends.push(outcome);
        closed.push(application.server.close({ grace: 0, timeout: 0 }));
      },
    });
    const { web } = application.connect();
    const other = application.connect();
    await web.send(request(1), request(2), begin(3));
    await other.web.send(request(1), begin(2, { role: 9 }));
    await turns();
    await web.end();
    await pass(3_600_000);
    await Promise.all(closed);
    expect(ends).toEqual(["refused", "aborted", "aborted", "aborted", "timeout"]);
    expect(application.server.status.connections).toBe(0);
  });

  it("knows the status of a response that a wrapper has passed on", async () => {
    const { handler } = new FastCgiHttpService(() => new Response("no", { status: 403 }));
    const { web, ends } = serving((request, context) =>
      handler({ ...request, params: new Map(request.params) }, context),
    );
    await web.send(request(1));
    await web.answer(1);
    await turns();
    expect(ends).toMatchObject([{ outcome: "complete", status: 403, responseBodyBytes: 2 }]);
  });

  it("is called for the other roles", async () => {
    const { web, ends } = servingFetch(() => new Response(null, { status: 200 }));
    await web.send(
      begin(1, { role: Role.Authorizer }),
      params(1, { REQUEST_METHOD: "GET", HTTP_HOST: "a.test", REQUEST_URI: "/" }),
    );
    await web.answer(1);
    await turns();
    expect(ends).toMatchObject([{ outcome: "complete", status: 200, request: { role: Role.Authorizer } }]);
  });

  it("harms nothing when it throws or rejects", async () => {
    for (const onRequestEnd of [
      () => {
        throw broken;
      },
      async () => {
        throw broken;
      },
    ]) {
      let answers: unknown[] = [];
      const unhandled = await unhandledRejectionsOf(async () => {
        const application = new MemoryApplication(new FastCgiHttpService(hello).handler, { onRequestEnd });
        const { web }: { web: WebServerEnd } = application.connect();
        await web.send(request(1), request(2), begin(3, { role: 9 }));
        answers = await Promise.all([web.answer(1), web.answer(2), web.answer(3)]);
        expect(application.errors).toMatchObject([{ code: "unknownRole" }]);
      });
      expect(answers).toHaveLength(3);
      expect(unhandled).toEqual([broken, broken, broken]);
    }
  });
});
