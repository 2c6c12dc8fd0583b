import { describe, expect, it } from "vitest";
import {
  type FastCgiContext,
  type FastCgiFetchHandler,
  FastCgiHttpService,
  type FastCgiHttpServiceOptions,
  type FastCgiServerOptions,
  FastResponse,
  RecordType,
  Role,
} from "../../../src/toolkit.ts";
import { latin1 } from "../../support/bytes.ts";
import { writtenAtOnce } from "../../support/driven_channel.ts";
import { encodedUpstream, PLAIN } from "../../support/encoded_upstream.ts";
import { deferred, OpenStream } from "../../support/open_stream.ts";
import { begin, bytesOf, params, record, request, stdin } from "../../support/records.ts";
import { isSettled, textFrom } from "../../support/streams.ts";
import { failOnUnhandledRejections, turns, unhandledRejectionsOf } from "../../support/unhandled_rejections.ts";
import { complete, MemoryApplication, type WebServerEnd } from "../../support/web_server_end.ts";

failOnUnhandledRejections();

interface Served {
  application: MemoryApplication;
  web: WebServerEnd;
}

/** A fetch handler behind a connection in memory. */
function serve(
  fetch: FastCgiFetchHandler,
  options: FastCgiHttpServiceOptions = {},
  serverOptions: FastCgiServerOptions = {},
): Served {
  const application = new MemoryApplication(new FastCgiHttpService(fetch, options).handler, serverOptions);
  return { application, web: application.connect().web };
}

const error500 =
  "Status: 500 Internal Server Error\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 22\r\n\r\nInternal Server Error\n";

/** A POST whose params promise `length` bytes. */
function post(requestId: number, length: number | string, body: string) {
  return [
    begin(requestId),
    ...params(requestId, { REQUEST_METHOD: "POST", HTTP_HOST: "example.com", CONTENT_LENGTH: String(length) }),
    ...stdin(requestId, body),
  ];
}

describe("FastCgiHttpService", () => {
  it("FastCgiHttpService answers with what the handler returns", async () => {
    const { web } = serve(async (request) => {
      const text = `${request.method} ${request.url} ${request.headers.get("x-test")} ${await request.text()}`;
      return new Response(text, { status: 201, headers: { "content-type": "text/plain", "x-a": "1" } });
    });
    await web.send(request(1, { uri: "/path?x=1", body: "body", extra: { HTTP_X_TEST: "yes" } }));
    expect(await web.answer(1)).toEqual(
      complete(
        "Status: 201 Created\r\ncontent-type: text/plain\r\nx-a: 1\r\ncontent-length: 41\r\n\r\nPOST http://example.com/path?x=1 yes body",
      ),
    );
  });

  it("FastCgiHttpService serves the params that a program has set on the request", async () => {
    for (const lazyRequest of [true, false]) {
      const fetch: FastCgiFetchHandler = ({ url }, { params }) => new Response(`${url} ${params.get("A")}`);
      const service = new FastCgiHttpService(fetch, { lazyRequest });
      const { web } = new MemoryApplication((received, context) => {
        Object.assign(received, { params: new Map([...received.params, ["REQUEST_URI", "/set"], ["A", "1"]]) });
        const derived = Object.assign(Object.create(received), { params: new Map() });
        expect([derived.params.size, received.params.get("A")]).toEqual([0, "1"]);
        return service.handler(received, context);
      }).connect();
      await web.send(request(1, { uri: "/sent" }));
      expect((await web.answer(1)).stdout).toMatch(/\r\n\r\nhttp:\/\/example.com\/set 1$/);
    }
  });

  it("FastCgiHttpService lets a program set the params of its context", async () => {
    const { web } = serve((_, context) => {
      const params = new Map([["A", "1"]]);
      Object.assign(context, { params });
      return new Response(String(context.params === params));
    });
    await web.send(request(1));
    expect((await web.answer(1)).stdout).toMatch(/true$/);
  });

  it("FastCgiHttpService gives a native Request unless it is told to give lazy ones", async () => {
    for (const [options, text] of [
      [{}, "[object Request]"],
      [{ lazyRequest: true }, "[object Request] (built lazily: pass its clone() on, or serve without lazyRequest)"],
    ] as const) {
      const { web } = serve((request) => new Response(String(request)), options);
      await web.send(request(1));
      expect((await web.answer(1)).stdout.split("\r\n\r\n")[1]).toBe(text);
    }
  });

  it("FastCgiHttpService has the server tell onRequestEnd of the URL as the handler reads it", async () => {
    const urls: string[] = [];
    const { web } = serve(() => new Response(), {}, { onRequestEnd: ({ url }) => urls.push(url!) });
    await web.send(request(1, { uri: "/a%20b?c" }), request(2, { extra: { REQUEST_METHOD: "TRACE" } }));
    await web.answer(1);
    await web.answer(2);
    expect(urls.sort()).toEqual(["http://example.com/", "http://example.com/a%20b?c"]);
  });

  it("FastCgiHttpService gives a context that a spread copies whole", async () => {
    const told: string[] = [];
    const { web } = serve(
      async (_, context) => {
        const { stdin, data, stderr, waitUntil, ...rest } = { ...context, user: "alice" };
        stderr.write("message");
        waitUntil(Promise.resolve());
        const { params, requestId, role, user } = Object.assign(Object.create(context), rest);
        const texts = [params.get("HTTP_HOST"), requestId, role, user, await textFrom(stdin), await textFrom(data)];
        return new Response(texts.join(" "));
      },
      { onStderr: (message) => told.push(message) },
    );
    await web.send(
      begin(1, { role: Role.Filter }),
      params(1, { REQUEST_METHOD: "POST", HTTP_HOST: "a.test", FCGI_DATA_LENGTH: "4" }),
      stdin(1, "body"),
      record(RecordType.Data, 1, "file"),
      record(RecordType.Data, 1),
    );
    expect((await web.answer(1)).stdout).toMatch(/\r\n\r\na.test 1 3 alice body file$/);
    expect(told).toEqual(["message"]);
  });

  it("FastCgiHttpService answers with a FastResponse that the handler returns at once before the input is left", async () => {
    const { handler } = new FastCgiHttpService(() => new FastResponse("at once"));
    const records = await writtenAtOnce(handler, bytesOf(request(1)));
    expect(records.map(({ type }) => type)).toEqual([RecordType.Stdout, RecordType.Stdout, RecordType.EndRequest]);
    expect(Buffer.from(records[0]!.contentData).toString()).toMatch(/^Status: 200 OK\r\n[\s\S]*\r\n\r\nat once$/);
  });

  it("FastCgiHttpService sends the header block in one FCGI_STDOUT record", async () => {
    const { web } = serve(() => new Response("body", { headers: { "x-long": "a".repeat(60_000) } }));
    await web.send(request(1));
    await web.answer(1);
    const [first] = web.recordsOf(1, RecordType.Stdout);
    expect(Buffer.from(first!.contentData).toString()).toMatch(/^Status: 200 OK\r\n[\s\S]*\r\n\r\n/);
  });

  it("FastCgiHttpService serves several requests of a connection at once", async () => {
    const first = deferred<Response>();
    const { web } = serve((request) => (request.url.endsWith("/1") ? first.promise : new Response("second")));
    await web.send(request(1, { uri: "/1" }), request(2, { uri: "/2" }));
    expect((await web.answer(2)).stdout).toMatch(/second$/);
    expect(web.endsOf(1)).toEqual([]);
    first.resolve(new Response("first"));
    expect((await web.answer(1)).stdout).toMatch(/first$/);
  });

  it("FastCgiHttpService sends no body for HEAD and cancels that of the handler", async () => {
    const open = new OpenStream();
    const { web } = serve(() => new Response(open.stream, { headers: { "content-length": "5" } }));
    await web.send(request(1, { extra: { REQUEST_METHOD: "HEAD" } }));
    expect(await web.answer(1)).toEqual(complete("Status: 200 OK\r\ncontent-length: 5\r\n\r\n"));
    expect(open.cancelled).toBe("The response has no body");
  });

  it("FastCgiHttpService gives a Request of either kind the same parts", async () => {
    for (const lazyRequest of [true, false]) {
      const { web } = serve(
        async (request) => {
          expect(request).toBeInstanceOf(Request);
          return new Response(
            `${request.method} ${request.url} ${await request.clone().text()}${await request.text()}`,
          );
        },
        { lazyRequest },
      );
      await web.send(request(1, { body: "ab" }));
      expect((await web.answer(1)).stdout, String(lazyRequest)).toMatch(/\r\n\r\nPOST http:\/\/example.com\/ abab$/);
    }
  });

  it("FastCgiHttpService gives a Request that can be made into another, with the context as its init too", async () => {
    const { web } = serve(async (request, context) => {
      const copy = new Request(new Request(request), context as RequestInit);
      return new Response(`${copy.method} ${copy.url} ${copy.headers.get("x-test")} ${await copy.text()}`);
    });
    await web.send(request(1, { body: "body", extra: { HTTP_X_TEST: "yes" } }));
    expect((await web.answer(1)).stdout).toMatch(/\r\n\r\nPOST http:\/\/example.com\/ yes body$/);
  });

  it("FastCgiHttpService serves a copy of a request, lazily or not", async () => {
    for (const lazyRequest of [true, false]) {
      const service = new FastCgiHttpService(async (request) => new Response(await request.text()), { lazyRequest });
      const { web } = new MemoryApplication((received, context) => service.handler({ ...received }, context)).connect();
      await web.send(request(1, { body: "body" }));
      expect((await web.answer(1)).stdout).toMatch(/\r\n\r\nbody$/);
    }
  });

  it("FastCgiHttpService throws a TypeError when fetch is not a function", () => {
    for (const [fetch, shown] of [
      [{}, "Object"],
      [undefined, "undefined"],
    ]) {
      expect(() => new FastCgiHttpService(fetch as FastCgiFetchHandler)).toThrow(
        new TypeError(`Cannot use fetch: expected a function, got ${shown}`),
      );
    }
  });

  it("FastCgiHttpService throws a TypeError that names an option of another kind", () => {
    for (const [options, message] of [
      [5, "options: expected an object, got 5"],
      [{ onStderr: {} }, "onStderr: expected a function, got Object"],
      [{ lazyRequest: 1 }, "lazyRequest: expected a boolean, got 1"],
      [{ sendStderr: "no" }, 'sendStderr: expected a boolean, got "no"'],
    ] as [FastCgiHttpServiceOptions, string][]) {
      expect(() => new FastCgiHttpService(() => new Response(), options)).toThrow(
        new TypeError(`Cannot use ${message}`),
      );
    }
  });
});

describe("FastCgiHttpService: errors", () => {
  it("FastCgiHttpService answers a handler that fails with a plain 500, and tells onError alone why", async () => {
    const reason = new Error("secret: password=1");
    const handlers: FastCgiFetchHandler[] = [
      () => {
        throw reason;
      },
      () => Promise.reject(reason),
    ];
    for (const handler of handlers) {
      const { web, application } = serve(handler);
      await web.send(request(1));
      expect(await web.answer(1)).toEqual(complete(error500, { appStatus: 1 }));
      expect(application.errors).toEqual([reason]);
      expect(application.failedRequests[0]?.requestId).toBe(1);
    }
  });

  it("FastCgiHttpService answers 500 when the handler returns something that is no Response", async () => {
    for (const [result, kind] of [
      [undefined, "undefined"],
      [null, "null"],
      ["text", "string"],
      [{ status: 200 }, "Object"],
      [{ status: 200, headers: {}, body: null }, "Object"],
    ]) {
      const { web, application } = serve(() => result as unknown as Response);
      await web.send(request(1));
      expect(await web.answer(1)).toEqual(complete(error500, { appStatus: 1 }));
      expect(application.errors).toEqual([new TypeError(`Cannot send the response: expected a Response, got ${kind}`)]);
    }
  });

  it("FastCgiHttpService answers a Response that can't be sent with 500", async () => {
    const used = new Response("text");
    await used.text();
    const tooLarge = new Response("text", { headers: { "x-large": "a".repeat(70_000) } });
    const mismatch = new Response("text", { headers: { "content-length": "5" } });
    for (const response of [used, tooLarge, mismatch, Response.error()]) {
      const { web, application } = serve(() => response);
      await web.send(request(1));
      expect((await web.answer(1)).stdout).toBe(error500);
      expect(application.errors.length).toBe(1);
    }
  });

  it("FastCgiHttpService answers 400 without the handler when the variables describe no HTTP request", async () => {
    const { web, application } = serve(() => new Response("handled"));
    const malformed: Record<string, string>[] = [
      { REQUEST_METHOD: "" },
      { HTTP_HOST: "a/b" },
      { CONTENT_LENGTH: "five" },
      { HTTP_X: "a\nb" },
      { CONTENT_TYPE: "a/b\r\nX: y" },
    ];
    for (const [index, extra] of malformed.entries()) {
      await web.send(request(index + 1, { extra }));
      const { stdout } = await web.answer(index + 1);
      expect(stdout, JSON.stringify(extra)).toMatch(/^Status: 400 Bad Request\r\n[\s\S]*\r\n\r\nBad Request\n$/);
    }
    expect(application.errors).toEqual(
      malformed.map(() => expect.objectContaining({ code: "malformedRequest", name: "FastCgiError" })),
    );
  });

  it("FastCgiHttpService reads a body until the end of STDIN when CONTENT_LENGTH was blanked behind its first value", async () => {
    const { web } = serve(async (request) => new Response(`${request.method} ${request.url} ${await request.text()}`));
    const pairs: [string, string][] = [
      ["REQUEST_METHOD", "GET"],
      ["CONTENT_LENGTH", "5"],
      ["REQUEST_URI", "/private"],
      ["HTTP_HOST", "example.com"],
      ["REQUEST_METHOD", "POST"],
      ["REQUEST_URI", "/auth"],
      ["CONTENT_LENGTH", ""],
    ];
    for (const [id, body] of ["", "abc", "abcdefgh"].entries()) {
      await web.send(
        begin(id + 1),
        params(id + 1, pairs),
        ...(body === "" ? [] : [stdin(id + 1, body)]),
        stdin(id + 1),
      );
      const { stdout } = await web.answer(id + 1);
      expect(stdout).toMatch(new RegExp(`^Status: 200 [^]*\r\n\r\nPOST http://example.com/auth ${body}$`));
    }
  });

  it("FastCgiHttpService answers methods that Fetch forbids with 501, without the handler", async () => {
    const { web } = serve(() => new Response("handled"));
    for (const [index, method] of ["CONNECT", "TRACE", "TRACK", "trace"].entries()) {
      const uri = method === "CONNECT" ? "example.com:443" : "/";
      await web.send(request(index + 1, { uri, extra: { REQUEST_METHOD: method } }));
      const { stdout } = await web.answer(index + 1);
      expect(stdout, method).toMatch(/^Status: 501 Not Implemented\r\n[\s\S]*\r\n\r\nNot Implemented\n$/);
    }
  });

  it("FastCgiHttpService answers 400 when the handler fails with a body that is shorter or longer than announced", async () => {
    for (const [length, body] of [
      [10, "short"],
      [3, "longer"],
      [1, ""],
    ] as const) {
      const { web, application } = serve(async (request) => new Response(await request.text()));
      await web.send(post(1, length, body));
      expect((await web.answer(1)).stdout, body).toMatch(/^Status: 400 /);
      expect(application.errors, body).toEqual([expect.objectContaining({ code: "lengthMismatch", requestId: 1 })]);
    }
  });

  it("FastCgiHttpService fails a body that was cut, however the handler reads it", async () => {
    const { web } = serve(async (request) => {
      const outcome = await request.text().then(
        () => "whole",
        (error) => error.code,
      );
      return new Response(outcome);
    });
    await web.send(post(1, 10, "short"), post(2, 5, "whole"), post(3, "", "unknown"), post(4, -1, "unknown"));
    const answers = await Promise.all(
      [1, 2, 3, 4].map(async (id) => (await web.answer(id)).stdout.split("\r\n\r\n")[1]),
    );
    expect(answers).toEqual(["lengthMismatch", "whole", "whole", "whole"]);
  });

  it("FastCgiHttpService answers 413 when the handler fails with a body over maxStdinBytes", async () => {
    const handler = async (request: Request): Promise<Response> => new Response(await request.text());
    const { web, application } = serve(handler, {}, { maxStdinBytes: 4 });
    await web.send(post(1, "", "12345"), post(2, "", "1234"));
    expect((await web.answer(1)).stdout).toMatch(/^Status: 413 Content Too Large\r\n/);
    expect(application.errors).toEqual([expect.objectContaining({ code: "limit", limit: "maxStdinBytes" })]);
    expect((await web.answer(2)).stdout).toMatch(/1234$/);
  });

  it("FastCgiHttpService makes a response that breaks off look broken", async () => {
    const open = new OpenStream();
    const { web, application } = serve(() => new Response(open.stream));
    await web.send(request(1));
    await open.pulled();
    open.write("part");
    await web.until(() => web.streamsOf(1).stdout.endsWith("part"));
    open.fail(new Error("The disk is gone"));
    await web.closed();
    expect(web.endsOf(1)).toEqual([]);
    expect(application.errors).toEqual([new Error("The disk is gone")]);
  });
});

describe("FastCgiHttpService: context", () => {
  /** The context of a request, and what the handler made of it. */
  async function contextOf(...records: ReturnType<typeof request>): Promise<FastCgiContext> {
    const seen = deferred<FastCgiContext>();
    const { web } = serve((_, context) => {
      seen.resolve(context);
      return new Response();
    });
    await web.send(records);
    await web.answer(records[0]!.requestId);
    return seen.promise;
  }

  it("FastCgiHttpService shows the handler the variables as they came", async () => {
    const extra = {
      REMOTE_USER: "unchecked",
      AUTH_TYPE: "Basic",
      HTTP_PROXY: "http://evil.test/",
      PATH_INFO: "\xc3\xa9",
    };
    const context = await contextOf(...request(7, { extra }));
    expect(Object.fromEntries(context.params)).toMatchObject(extra);
    expect([context.role, context.requestId]).toEqual([Role.Responder, 7]);
  });

  it("FastCgiHttpService keeps variables out of headers and of the environment of the process", async () => {
    const extra = { REMOTE_USER: "unchecked", AUTH_TYPE: "Basic", HTTP_PROXY: "http://evil.test/" };
    const { web } = serve(({ headers }) => Response.json([...headers.keys()]));
    await web.send(request(1, { extra }));
    expect((await web.answer(1)).stdout).toMatch(/\["host"\]$/);
    for (const name of Object.keys(extra)) expect(process.env[name]).toBeUndefined();
  });

  it("FastCgiHttpService gives the body of a GET in context.stdin alone", async () => {
    const { web } = serve(async (request, { stdin }) => new Response(`${request.body} ${await textFrom(stdin)}`));
    await web.send(request(1, { body: "body", extra: { REQUEST_METHOD: "GET" } }));
    expect((await web.answer(1)).stdout).toMatch(/null body$/);
  });

  it("FastCgiHttpService gives a Request that can be used when context.stdin was read", async () => {
    for (const lazyRequest of [true, false]) {
      const { web } = serve(
        async (request, { stdin }) => {
          const body = await textFrom(stdin);
          const again = await request.text().catch((error) => error.name);
          return new Response(`${body} ${request.redirect} ${request.bodyUsed} ${again}`);
        },
        { lazyRequest },
      );
      await web.send(request(1, { body: "body" }));
      expect((await web.answer(1)).stdout, String(lazyRequest)).toMatch(/body follow true TypeError$/);
    }
  });

  it("FastCgiHttpService gives a Filter its file in context.data", async () => {
    const { web } = serve(async (request, { data, role }) => {
      return new Response(`${role} ${await request.text()} ${await textFrom(data)}`);
    });
    await web.send(
      begin(1, { role: Role.Filter }),
      params(1, { REQUEST_METHOD: "POST", HTTP_HOST: "a.test", CONTENT_LENGTH: "4", FCGI_DATA_LENGTH: "4" }),
      stdin(1, "body"),
      record(RecordType.Data, 1, "file"),
      record(RecordType.Data, 1),
    );
    expect((await web.answer(1)).stdout).toMatch(/3 body file$/);
  });

  it("FastCgiHttpService answers for an Authorizer, which has no body and may name variables", async () => {
    const { web } = serve(async (request, { role, data }) => {
      const seen = `${role} ${request.method} '${await request.text()}' '${await textFrom(data)}'`;
      return new Response(null, { headers: { "Variable-Auth_Method": "database", "X-Seen": seen } });
    });
    await web.send(
      begin(1, { role: Role.Authorizer }),
      params(1, { REQUEST_METHOD: "POST", HTTP_HOST: "a.test", CONTENT_LENGTH: "99" }),
    );
    expect(await web.answer(1)).toEqual(
      complete("Status: 200 OK\r\nVariable-AUTH_METHOD: database\r\nx-seen: 2 POST '' ''\r\n\r\n"),
    );
  });

  it("FastCgiHttpService lets a close wait for what waitUntil was given", async () => {
    const work = deferred();
    const { web, application } = serve((_, context) => {
      context.waitUntil(work.promise);
      return new Response();
    });
    await web.send(request(1));
    await web.answer(1);
    const closed = application.server.close();
    expect(await isSettled(closed)).toBe(false);
    work.resolve();
    await closed;
  });

  it("FastCgiHttpService tells onError of work that fails after the response", async () => {
    const reason = new Error("late");
    const { web, application } = serve((_, context) => {
      context.waitUntil(Promise.reject(reason));
      return new Response();
    });
    await web.send(request(1));
    await web.answer(1);
    await application.server.close();
    expect(application.errors).toEqual([reason]);
  });
});

describe("FastCgiHttpService: stderr", () => {
  const handler: FastCgiFetchHandler = (_, { stderr }) => {
    stderr.write("text é\n");
    stderr.write(new TextEncoder().encode("bytes é\n"));
    return new Response("body");
  };

  it("FastCgiHttpService passes messages to onStderr and sends none of them", async () => {
    const messages: [message: string, requestId: number][] = [];
    const { web } = serve(handler, { onStderr: (message, { requestId }) => messages.push([message, requestId]) });
    await web.send(request(3));
    expect((await web.answer(3)).stderr).toBe("");
    expect(web.recordsOf(3, RecordType.Stderr)).toEqual([]);
    expect(messages).toEqual([
      ["text é\n", 3],
      ["bytes é\n", 3],
    ]);
  });

  it("FastCgiHttpService answers when onStderr throws", async () => {
    const thrown = new Error("The log is full");
    const onStderr = (): never => {
      throw thrown;
    };
    const unhandled = await unhandledRejectionsOf(async () => {
      const { web, application } = serve(handler, { onStderr });
      await web.send(request(1));
      expect((await web.answer(1)).stdout).toMatch(/body$/);
      expect(application.errors).toEqual([]);
    });
    expect(unhandled).toEqual([thrown, thrown]);
  });

  it("FastCgiHttpService needs no onStderr", async () => {
    const { web } = serve(handler);
    await web.send(request(1));
    expect((await web.answer(1)).stdout).toMatch(/body$/);
  });

  it("FastCgiHttpService sends messages to the web server with sendStderr, and ends that stream", async () => {
    const messages: string[] = [];
    const { web } = serve(handler, { sendStderr: true, onStderr: (message) => messages.push(message) });
    await web.send(request(1));
    const { stdout, stderr } = await web.answer(1);
    expect(stdout).toMatch(/body$/);
    expect(stderr).toBe("text é\nbytes é\n");
    expect(web.recordsOf(1, RecordType.Stderr).at(-1)?.contentData.length).toBe(0);
    expect(messages.length).toBe(2);
  });

  it("FastCgiHttpService sends the bytes of a message as they were when it was written, with sendStderr", async () => {
    const { web } = serve(
      (_, { stderr }) => {
        const bytes = latin1("first");
        stderr.write(bytes);
        bytes.fill(0x78);
        return new Response("body");
      },
      { sendStderr: true },
    );
    await web.send(request(1));
    expect((await web.answer(1)).stderr).toBe("first");
  });

  it("FastCgiHttpService ends its messages with the request when that is aborted, with sendStderr", async () => {
    const open = new OpenStream();
    const { web } = serve(
      (_, { stderr }) => {
        stderr.write("message");
        return new Response(open.stream);
      },
      { sendStderr: true },
    );
    await web.send(request(1));
    await open.pulled();
    await web.send(record(RecordType.AbortRequest, 1));
    await web.answer(1);
    expect(open.cancelled).toMatchObject({ code: "aborted" });
  });

  it("FastCgiHttpService sends messages while the body is under way, and none behind the end", async () => {
    const open = new OpenStream();
    const log = deferred<FastCgiContext["stderr"]>();
    const { web } = serve(
      (_, { stderr }) => {
        log.resolve(stderr);
        return new Response(open.stream);
      },
      { sendStderr: true },
    );
    await web.send(request(1));
    const stderr = await log.promise;
    await open.pulled();
    stderr.write("in between");
    await web.until(() => web.streamsOf(1).stderr === "in between");
    open.close();
    await web.answer(1);
    stderr.write("too late");
    await turns();
    expect(web.records.at(-1)?.type).toBe(RecordType.EndRequest);
  });

  it("FastCgiHttpService sends what was written before the response before its header, with sendStderr", async () => {
    const long = "long ".repeat(40_000);
    const fetch: FastCgiFetchHandler = async (_, { stderr }) => {
      stderr.write("first ");
      await Promise.resolve();
      stderr.write(new TextEncoder().encode(long));
      return new Response("body");
    };
    const { web } = serve(fetch, { sendStderr: true });
    await web.send(request(1));
    expect(await web.answer(1)).toMatchObject({ stdout: expect.stringMatching(/body$/), stderr: `first ${long}` });
    const types = web.records.map(({ type }) => type);
    const messages = web.recordsOf(1, RecordType.Stderr).filter(({ contentData }) => contentData.length > 0);
    expect(types.indexOf(RecordType.Stdout)).toBe(messages.length);
  });

  it("FastCgiHttpService sends the messages of a handler that fails before the error document, with sendStderr", async () => {
    const failures: FastCgiFetchHandler[] = [
      (_, { stderr }) => {
        stderr.write("why");
        throw new Error("failed");
      },
      async (_, { stderr }) => {
        stderr.write("why");
        return "no response" as unknown as Response;
      },
      (_, { stderr }) => {
        stderr.write("why");
        return new Response("text", { headers: { "content-length": "9" } });
      },
    ];
    const told: string[] = [];
    for (const fetch of failures) {
      const { web, application } = serve(fetch, { sendStderr: true });
      await web.send(request(1));
      expect(await web.answer(1)).toEqual(complete(error500, { stderr: "why", appStatus: 1 }));
      expect(web.records[0]?.type).toBe(RecordType.Stderr);
      told.push(...application.errors.map(String));
    }
    expect(told).toEqual([
      "Error: failed",
      "TypeError: Cannot send the response: expected a Response, got string",
      "FastCgiError: Cannot send the response body: expected 9 bytes, got 4",
    ]);
    const { web } = serve(failures[0]!);
    await web.send(request(1));
    expect(await web.answer(1)).toEqual(complete(error500, { appStatus: 1 }));
  });

  it("FastCgiHttpService sends no FCGI_STDERR with sendStderr when there is no message", async () => {
    const { web } = serve(() => new Response("body"), { sendStderr: true });
    await web.send(request(1));
    await web.answer(1);
    expect(web.recordsOf(1, RecordType.Stderr)).toEqual([]);
  });
});

it("FastCgiHttpService passes on what fetch() returned, although fetch() has decoded its body", async () => {
  const upstream = await encodedUpstream();
  const { web } = serve(async (request) => fetch(upstream.url(new URL(request.url).pathname.slice(1))));
  for (const [index, coding] of ["gzip", "gzip?chunked", "br"].entries()) {
    await web.send(request(index + 1, { uri: `/${coding}` }));
    const { stdout } = await web.answer(index + 1);
    const [header, body] = stdout.split("\r\n\r\n") as [string, string];
    expect(header).toContain("content-type: text/plain");
    expect(header).not.toContain("content-encoding");
    expect(body).toBe(PLAIN);
  }
  upstream.stop();
});

describe("FastCgiHttpService: abort", () => {
  it("FastCgiHttpService fires request.signal on FCGI_ABORT_REQUEST and on the end of the connection", async () => {
    const ends: [name: string, end: (web: WebServerEnd) => unknown, code: string][] = [
      ["abort", (web) => web.send(record(RecordType.AbortRequest, 1)), "aborted"],
      ["end of file", (web) => web.end(), "connectionClosed"],
      ["reset", (web) => web.break(), "connectionClosed"],
    ];
    for (const [name, end, code] of ends) {
      for (const lazyRequest of [true, false]) {
        const started = deferred<AbortSignal>();
        const aborted = deferred<unknown>();
        const { web } = serve(
          async ({ signal }) => {
            started.resolve(signal);
            await new Promise((resolve) => signal.addEventListener("abort", resolve));
            aborted.resolve(signal.reason.cause);
            return new Response("too late");
          },
          { lazyRequest },
        );
        await web.send(request(1));
        expect((await started.promise).aborted, name).toBe(false);
        await end(web);
        expect(await aborted.promise, name).toMatchObject({ code });
        if (name === "abort") expect(await web.answer(1)).toEqual(complete(""));
        else await web.closed();
      }
    }
  });

  it("FastCgiHttpService gives a Response of fetch() up when the request is aborted before its body begins", async () => {
    const open = new OpenStream();
    const fetched = new Response(open.stream, { headers: { "content-encoding": "gzip" } });
    Object.defineProperty(fetched, "url", { value: "http://upstream.test/" });
    const { web } = serve(() => fetched);
    await web.send(request(1));
    await open.pulled();
    await web.send(record(RecordType.AbortRequest, 1));
    expect(await open.cancellation).toMatchObject({ name: "AbortError" });
    expect(await web.answer(1)).toEqual(complete(""));
  });

  it("FastCgiHttpService cancels the body of the response when the request is aborted", async () => {
    const open = new OpenStream();
    const { web } = serve(() => new Response(open.stream));
    await web.send(request(1));
    await open.pulled();
    open.write("part");
    await web.until(() => web.streamsOf(1).stdout.endsWith("part"));
    await web.send(record(RecordType.AbortRequest, 1));
    await web.answer(1);
    expect(open.cancelled).toMatchObject({ code: "aborted" });
  });

  it("FastCgiHttpService cancels the body of a response that comes after the abort", async () => {
    const response = deferred<Response>();
    const open = new OpenStream();
    const { web } = serve(() => response.promise);
    await web.send(request(1));
    await turns();
    await web.send(record(RecordType.AbortRequest, 1));
    response.resolve(new Response(open.stream));
    expect((await web.answer(1)).stdout).toBe("");
    await turns();
    expect(open.cancelled).toMatchObject({ code: "aborted" });
  });

  it("FastCgiHttpService fails a body that is being read when the request is aborted", async () => {
    const outcome = deferred<unknown>();
    const { web } = serve(async (request) => {
      outcome.resolve(await request.text().catch((error) => error.code));
      return new Response();
    });
    await web.send(
      begin(1),
      params(1, { REQUEST_METHOD: "POST", HTTP_HOST: "a.test" }),
      record(RecordType.Stdin, 1, latin1("part")),
    );
    await turns();
    await web.send(record(RecordType.AbortRequest, 1));
    expect(await outcome.promise).toBe("aborted");
  });
});
