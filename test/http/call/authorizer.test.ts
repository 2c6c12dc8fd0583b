import { describe, expect, it } from "vitest";
import {
  type FastCgiAuthorizer,
  type FastCgiContext,
  type FastCgiFetchHandler,
  FastCgiHttpClient,
  type FastCgiHttpClientOptions,
  type FastCgiHttpConnector,
  FastCgiHttpService,
  FastCgiServer,
  ProtocolStatus,
  RecordType,
  Role,
  withAuthorizer,
} from "../../../src/toolkit.ts";
import { closingClients } from "../../support/closing_clients.ts";
import { connectionPair } from "../../support/memory_connection.ts";
import { deferred, OpenStream } from "../../support/open_stream.ts";
import { record } from "../../support/records.ts";
import {
  answer,
  answering,
  end,
  type ReceivedRequest,
  type ScriptedApplication,
  ScriptedConnector,
  stdout,
} from "../../support/scripted_application.ts";
import { isSettled } from "../../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const closing = closingClients();

function clientOf(connector: FastCgiHttpConnector, options: FastCgiHttpClientOptions = {}): FastCgiHttpClient {
  return closing(new FastCgiHttpClient(connector, options));
}

/** A client of an authorizer that answers each request with `output`, which may be cut anywhere. */
function answeringWith(output: string, options: FastCgiHttpClientOptions = {}) {
  const requests: ReceivedRequest[] = [];
  const connector = new ScriptedConnector(
    answering((received) => {
      requests.push(received);
      return output;
    }),
  );
  return { client: clientOf(connector, options), connector, requests };
}

/** A client of an application that does one thing after it has read a request. */
function afterRequest(act: (application: ScriptedApplication, requestId: number) => unknown) {
  const connector = new ScriptedConnector(async (application) => {
    const request = await application.request();
    if (request !== null) await act(application, request.requestId);
  });
  return { client: clientOf(connector), connector };
}

/** A client of our own server with a fetch handler. */
function served(fetch: FastCgiFetchHandler, options: FastCgiHttpClientOptions = {}): FastCgiHttpClient {
  const server = new FastCgiServer(new FastCgiHttpService(fetch).handler);
  return clientOf(
    {
      async connect() {
        const [client, application] = connectionPair();
        void server.serve(application);
        return client;
      },
    },
    options,
  );
}

const anyRequest = (): Request => new Request("http://a.test/private?x=1");

/** Answers with the word `handled` and counts its requests. */
function counting() {
  const requests: Request[] = [];
  const handler = (request: Request): Response => {
    requests.push(request);
    return new Response("handled");
  };
  return { handler, requests };
}

describe("FastCgiHttpClient.authorize", () => {
  it("authorize sends the params of a Responder but those that FastCGI 6.3 excludes, and no streams", async () => {
    const script = { filename: "/srv/auth.php", documentRoot: "/srv" };
    const params = { X_OWN: "own", PATH_TRANSLATED: "/srv/x", PATH_INFO: "/x", SCRIPT_NAME: "/x", CONTENT_LENGTH: "3" };
    const { client, requests } = answeringWith("Status: 200\r\n\r\n", { script, params });
    const init = {
      method: "POST",
      headers: { "content-length": "4", "content-type": "a/b", "x-test": "yes" },
      body: "body",
    };
    await client.authorize(new Request("http://a.test/private/%41?x=1", init), {
      remoteAddress: "192.0.2.1",
      params: { X_REQUEST: "request" },
    });
    const [{ role, params: sent, records }] = requests as [ReceivedRequest];
    expect(role).toBe(Role.Authorizer);
    expect(Object.fromEntries(sent)).toMatchObject({
      REQUEST_METHOD: "POST",
      REQUEST_URI: "/private/%41?x=1",
      QUERY_STRING: "x=1",
      CONTENT_TYPE: "a/b",
      HTTP_HOST: "a.test",
      HTTP_X_TEST: "yes",
      REMOTE_ADDR: "192.0.2.1",
      SCRIPT_FILENAME: "/srv/auth.php",
      DOCUMENT_ROOT: "/srv",
      X_OWN: "own",
      X_REQUEST: "request",
    });
    for (const name of ["CONTENT_LENGTH", "PATH_INFO", "PATH_TRANSLATED", "SCRIPT_NAME"]) {
      expect(sent.has(name), name).toBe(false);
    }
    // FCGI_BEGIN_REQUEST, FCGI_PARAMS and its end.
    expect(records.map(([type]) => type)).toEqual([1, 4, 4]);
  });

  it("authorize allows with status 200, explicit or by default, and gives the variables by their own names", async () => {
    const fields =
      'Variable-AUTH_METHOD: database lookup\r\nvariable-user: J\xfcrgen\r\nVARIABLE-Empty:\r\nX-Other: "x"';
    for (const status of ["Status: 200 OK\r\n", "Status: 200\r\n", ""]) {
      const { client } = answeringWith(`${status}${fields}\r\n\r\n`);
      const authorization = await client.authorize(anyRequest());
      if (!authorization.allowed) throw new Error(`Refused after ${JSON.stringify(status)}`);
      // The scripted application writes UTF-8, and values are the bytes of that.
      expect([...authorization.variables]).toEqual([
        ["AUTH_METHOD", "database lookup"],
        ["user", "J\xc3\xbcrgen"],
        ["Empty", ""],
      ]);
    }
  });

  it("authorize ignores other fields and the body of an answer of status 200", async () => {
    const { client } = answeringWith("Status: 200\r\nLocation: /x\r\nContent-Length: 4\r\n\r\nbody");
    expect(await client.authorize(anyRequest())).toEqual({ allowed: true, variables: new Map() });
  });

  it.each([201, 204, 302, 304, 401, 403, 404, 500, 503])(
    "authorize refuses with the authorizer's response when the status is %i",
    async (status) => {
      const { client } = answeringWith(`Status: ${status} Some Reason\r\nX-Header: yes\r\nVariable-USER: eve\r\n\r\n`);
      const authorization = await client.authorize(anyRequest());
      if (authorization.allowed) throw new Error("Allowed");
      expect("variables" in authorization).toBe(false);
      const { response } = authorization;
      expect([response.status, response.statusText, response.headers.get("x-header")]).toEqual([
        status,
        "Some Reason",
        "yes",
      ]);
      // For the web server only (FastCGI 6.3).
      expect([...response.headers.keys()].filter((name) => name.startsWith("variable-"))).toEqual([]);
    },
  );

  it("authorize refuses when there is a Location and no status", async () => {
    const { client } = answeringWith("Location: http://login.test/\r\n\r\n");
    const authorization = await client.authorize(anyRequest());
    expect(authorization).toMatchObject({ allowed: false, response: { status: 302 } });
  });

  it("authorize drops X-Accel-Redirect and X-Sendfile of a refusal, because they name files", async () => {
    const { client } = answeringWith(
      "Status: 403 Forbidden\r\nX-Sendfile: /srv/secret\r\nX-Accel-Redirect: /secret\r\nX-Header: yes\r\n\r\n",
    );
    const authorization = await client.authorize(anyRequest());
    if (authorization.allowed) throw new Error("Allowed");
    expect([...authorization.response.headers]).toEqual([["x-header", "yes"]]);
  });

  it("authorize streams the body of a refusal", async () => {
    const go = deferred();
    const { client } = afterRequest(async (application, requestId) => {
      await application.send(stdout(requestId, "Status: 401\r\nWWW-Authenticate: Basic\r\n\r\nfirst "));
      await go.promise;
      await application.send(answer(requestId, "second"));
    });
    const authorization = await client.authorize(anyRequest());
    if (authorization.allowed) throw new Error("Allowed");
    go.resolve();
    expect(authorization.response.headers.get("www-authenticate")).toBe("Basic");
    expect(await authorization.response.text()).toBe("first second");
  });

  it("authorize gives a refusal of HEAD no body, and reads the answer to its end", async () => {
    const connector = new ScriptedConnector(async (application) => {
      for (let request = await application.request(); request !== null; request = await application.request()) {
        const { requestId } = request;
        await application.send(stdout(requestId, "Status: 403\r\nContent-Length: 4\r\n\r\nbo"));
        await application.send(stdout(requestId, "d"));
        // The library does not take more before it has read what came.
        await application.send(answer(requestId, "y"));
      }
    });
    const client = clientOf(connector, { keepAlive: true, maxQueuedBytes: 1 });
    for (let count = 0; count < 2; count++) {
      const authorization = await client.authorize(new Request("http://a.test/", { method: "HEAD" }));
      if (authorization.allowed) throw new Error("Allowed");
      const { response } = authorization;
      expect([response.status, response.body, response.headers.get("content-length")]).toEqual([403, null, "4"]);
      await turns();
    }
    expect(connector.connections).toHaveLength(1);
  });

  it("authorize gives a refusal of HEAD as it is when it has no body", async () => {
    const { client } = answeringWith("Status: 304\r\n\r\n");
    const authorization = await client.authorize(new Request("http://a.test/", { method: "HEAD" }));
    expect(authorization).toMatchObject({ allowed: false, response: { status: 304, body: null } });
  });

  it("authorize does not decide before the answer is whole", async () => {
    const go = deferred();
    const { client } = afterRequest(async (application, requestId) => {
      await application.send(stdout(requestId, "Status: 200\r\n\r\nbody"));
      await go.promise;
      await application.send(answer(requestId, "more"));
    });
    const authorization = client.authorize(anyRequest());
    expect(await isSettled(authorization)).toBe(false);
    go.resolve();
    expect((await authorization).allowed).toBe(true);
  });

  it("authorize allows nothing by an answer of status 200 that is longer than maxDrainBytes, and keeps no connection then", async () => {
    const closed = deferred();
    const { client } = afterRequest(async (application, requestId) => {
      const writing = (async () => {
        await application.send(stdout(requestId, "Status: 200\r\nVariable-A: b\r\n\r\n"));
        for (let count = 0; count < 100; count++) await application.send(stdout(requestId, "x".repeat(10_000)));
      })();
      await application.closedByClient();
      await writing;
      closed.resolve();
    });
    await expect(client.authorize(anyRequest())).rejects.toMatchObject({ code: "limit", limit: "maxDrainBytes" });
    await closed.promise;
  });

  it("authorize allows by an answer of status 200 whose body is longer than it says, if it comes to its end", async () => {
    for (const protocolStatus of [ProtocolStatus.RequestComplete, ProtocolStatus.Overloaded]) {
      const { client } = afterRequest(async (application, requestId) => {
        await application.send(stdout(requestId, "Status: 200\r\nContent-Length: 2\r\n\r\nok\n"));
        await application.send(end(requestId, protocolStatus));
      });
      const authorization = client.authorize(anyRequest());
      if (protocolStatus === ProtocolStatus.RequestComplete) expect((await authorization).allowed).toBe(true);
      else await expect(authorization).rejects.toMatchObject({ code: "overloaded", gatewayStatus: 503 });
    }
  });

  it.each<[name: string, act: (application: ScriptedApplication, requestId: number) => unknown, code: string]>([
    ["closes without an answer", (application) => application.end(), "connectionClosed"],
    [
      "closes behind the header of an answer of status 200",
      async (application, requestId) => {
        await application.send(stdout(requestId, "Status: 200\r\n\r\n"));
        await application.end();
      },
      "connectionClosed",
    ],
    ["says nothing", (application, requestId) => application.send(end(requestId)), "malformedResponse"],
    [
      "says 0",
      (application, requestId) => application.send(answer(requestId, "Status: 0\r\n\r\n")),
      "malformedResponse",
    ],
    [
      "says yes and no",
      (application, requestId) => application.send(answer(requestId, "Status: 200\r\nStatus: 403\r\n\r\n")),
      "malformedResponse",
    ],
    [
      "says yes in a field and no in a status line",
      (application, requestId) => application.send(answer(requestId, "HTTP/1.1 403 No\r\nStatus: 200\r\n\r\n")),
      "malformedResponse",
    ],
    [
      "breaks off behind a body as long as it says",
      async (application, requestId) => {
        await application.send(stdout(requestId, "Status: 200\r\nContent-Length: 2\r\n\r\nok"));
        await application.end();
      },
      "connectionClosed",
    ],
    [
      "breaks off behind a long body",
      async (application, requestId) => {
        await application.send(stdout(requestId, `Status: 200\r\n\r\n${"x".repeat(300_000)}`));
        await application.end();
      },
      "limit",
    ],
    [
      "is overloaded behind a long body",
      (application, requestId) =>
        application.send(stdout(requestId, `Status: 200\r\n\r\n${"x".repeat(300_000)}`), end(requestId, 2)),
      "limit",
    ],
    [
      "gives a variable two values",
      (application, requestId) => application.send(answer(requestId, "Variable-A: 1\r\nVariable-A: 2\r\n\r\n")),
      "malformedResponse",
    ],
    [
      "has no end of header",
      (application, requestId) => application.send(answer(requestId, "Status: 200\r\n")),
      "malformedResponse",
    ],
    [
      "sends less than its Content-Length",
      (application, requestId) => application.send(answer(requestId, "Status: 200\r\nContent-Length: 5\r\n\r\nbody")),
      "lengthMismatch",
    ],
    ["is overloaded", (application, requestId) => application.send(end(requestId, 2)), "overloaded"],
    [
      "is overloaded behind a header",
      (application, requestId) => application.send(stdout(requestId, "Status: 200\r\n\r\n"), end(requestId, 2)),
      "overloaded",
    ],
    ["does not know the role", (application, requestId) => application.send(end(requestId, 3)), "unknownRole"],
  ])("authorize rejects when the authorizer %s", async (_, act, code) => {
    const { client } = afterRequest(act);
    await expect(client.authorize(anyRequest())).rejects.toMatchObject({ name: "FastCgiError", code });
  });

  it.each([
    [
      "has two different status fields",
      "Status: 200\r\nStatus: 403\r\n\r\n",
      "Cannot read the response: it has two different status fields",
    ],
    [
      "is too long",
      "Status: 200\r\n\r\n12345",
      "Cannot allow the request: the authorizer's answer is longer than 4 bytes",
    ],
  ])("authorize says what is wrong with an answer of status 200 that %s", async (_, output, message) => {
    const { client } = answeringWith(output, { maxDrainBytes: 4 });
    await expect(client.authorize(anyRequest())).rejects.toThrow(expect.objectContaining({ message }));
  });

  it("authorize rejects when the authorizer is silent or not there", async () => {
    const silent = clientOf(new ScriptedConnector((application) => application.closedByClient()), {
      headerTimeout: 20,
    });
    await expect(silent.authorize(anyRequest())).rejects.toMatchObject({ code: "timeout" });
    const absent = clientOf({ connect: () => Promise.reject(new Error("nobody")) });
    await expect(absent.authorize(anyRequest())).rejects.toMatchObject({ code: "connectFailed" });
  });

  it("authorize rejects with the reason of the init's signal, or without one of the request's", async () => {
    for (const own of [true, false]) {
      const { client, connector } = afterRequest((application) => application.closedByClient());
      const controller = new AbortController();
      const { signal } = controller;
      const request = own ? anyRequest() : new Request("http://a.test/", { signal });
      const authorization = client.authorize(request, own ? { signal } : {});
      const outcome = expect(authorization).rejects.toBe("no more");
      await turns();
      controller.abort("no more");
      await outcome;
      expect(connector.connections[0]!.isClosed).toBe(true);
    }
  });

  it("authorize rejects with the reason of the signal, also when only the end of the answer is missing", async () => {
    const answered = deferred();
    const { client } = afterRequest(async (application, requestId) => {
      await application.send(stdout(requestId, "Status: 200\r\nContent-Length: 2\r\n\r\nok"));
      answered.resolve();
    });
    const controller = new AbortController();
    const authorization = client.authorize(anyRequest(), { signal: controller.signal });
    await answered.promise;
    expect(await isSettled(authorization)).toBe(false);
    controller.abort("no more");
    await expect(authorization).rejects.toBe("no more");
  });

  it("authorize takes a Request of another class, which may have no signal", async () => {
    const { client, requests } = answeringWith("Status: 200\r\n\r\n");
    const request = { url: "http://a.test/x", method: "PUT", headers: new Headers() } as Request;
    expect((await client.authorize(request)).allowed).toBe(true);
    expect(requests[0]!.params.get("REQUEST_METHOD")).toBe("PUT");
  });

  it("authorize tells onStderr of messages with their request", async () => {
    const messages: [string, Request][] = [];
    const onStderr = (message: string, request: Request): unknown => messages.push([message, request]);
    const connector = new ScriptedConnector(async (application) => {
      const { requestId } = (await application.request())!;
      const message = new TextEncoder().encode("wrong password");
      await application.send(record(RecordType.Stderr, requestId, message), answer(requestId, "Status: 401\r\n\r\n"));
    });
    const client = clientOf(connector, { onStderr });
    const request = anyRequest();
    await client.authorize(request);
    expect(messages).toEqual([["wrong password", request]]);
  });
});

describe("an Authorizer of our own", () => {
  /** Lets in who has the password. */
  const authorizer: FastCgiFetchHandler = (request, context) => {
    if (context.role !== Role.Authorizer) return new Response("Not an Authorizer's request", { status: 500 });
    if (request.headers.get("authorization") !== "secret") {
      return new Response("Who are you?", { status: 401, headers: { "www-authenticate": "Secret" } });
    }
    return new Response("Nobody reads this", { headers: { "Variable-AUTH_USER": "alice", "X-Other": "x" } });
  };

  it("authorize gets the decision of a fetch handler, and its variables", async () => {
    const client = served(authorizer);
    expect(await client.authorize(new Request("http://a.test/", { headers: { authorization: "secret" } }))).toEqual({
      allowed: true,
      variables: new Map([["AUTH_USER", "alice"]]),
    });
    const refused = await client.authorize(anyRequest());
    if (refused.allowed) throw new Error("Allowed");
    expect(refused.response.headers.get("www-authenticate")).toBe("Secret");
    expect(await refused.response.text()).toBe("Who are you?");
  });

  it("authorize shows the handler the request without its body", async () => {
    const seen: unknown[] = [];
    const client = served(async (request, { params }) => {
      seen.push(
        request.method,
        request.url,
        request.headers.get("x-test"),
        await request.text(),
        params.get("PATH_INFO"),
      );
      return new Response();
    });
    const request = new Request("http://a.test/p%41th?q", { method: "PUT", headers: { "x-test": "1" }, body: "body" });
    expect((await client.authorize(request)).allowed).toBe(true);
    expect(seen).toEqual(["PUT", "http://a.test/p%41th?q", "1", "", undefined]);
    expect(request.bodyUsed).toBe(false);
    expect(await request.text()).toBe("body");
  });

  it("authorize rejects when the handler's response breaks off", async () => {
    const open = new OpenStream();
    const client = served(() => new Response(open.stream, { headers: { "Variable-USER": "alice" } }));
    const authorization = client.authorize(anyRequest());
    // The server breaks the connection off inside a record.
    const outcome = expect(authorization).rejects.toMatchObject({ code: "protocol" });
    await open.pulled();
    open.write("part");
    await turns();
    open.fail(new Error("On purpose"));
    await outcome;
  });

  it("authorize refuses when the handler throws", async () => {
    const client = served(() => {
      throw new Error("On purpose");
    });
    expect(await client.authorize(anyRequest())).toMatchObject({ allowed: false, response: { status: 500 } });
  });
});

describe("withAuthorizer", () => {
  it("withAuthorizer calls the handler with the request itself, its variables and the further arguments", async () => {
    const { client } = answeringWith("Variable-USER: alice\r\n\r\n");
    const calls: unknown[] = [];
    const fetch = withAuthorizer(client, async (request, { variables }, info: { id: number }, last: string) => {
      calls.push(request, variables.get("USER"), info, last);
      return new Response(await request.text());
    });
    const request = new Request("http://a.test/", { method: "POST", body: "the body" });
    const info = { id: 1 };
    expect(await (await fetch(request, info, "last")).text()).toBe("the body");
    expect(calls).toEqual([request, "alice", info, "last"]);
    expect(calls[0]).toBe(request);
  });

  it("withAuthorizer throws a TypeError that names what is of another kind", () => {
    const authorizer = { authorize: () => expect.unreachable() };
    const handler = () => new Response();
    for (const [given, message] of [
      [[undefined, handler], "authorizer: expected an object with a method authorize, got undefined"],
      [[{ fetch: handler }, handler], "authorizer: expected an object with a method authorize, got Object"],
      [[authorizer], "handler: expected a function, got undefined"],
      [[authorizer, handler, {}], "init: expected a function, got Object"],
    ] as unknown as [Parameters<typeof withAuthorizer>, string][]) {
      expect(() => withAuthorizer(...given)).toThrow(new TypeError(`Cannot use ${message}`));
    }
  });

  it("withAuthorizer answers with the authorizer's response when it refuses, and does not call the handler", async () => {
    const { client } = answeringWith("Status: 403\r\nX-A: 1\r\n\r\nforbidden");
    const { handler, requests } = counting();
    const response = await withAuthorizer(client, handler)(anyRequest());
    expect([response.status, response.headers.get("x-a"), await response.text()]).toEqual([403, "1", "forbidden"]);
    expect(requests).toEqual([]);
  });

  it("withAuthorizer rejects, and does not call the handler, when the authorizer fails", async () => {
    const { handler, requests } = counting();
    const { client } = afterRequest((application) => application.end());
    await expect(withAuthorizer(client, handler)(anyRequest())).rejects.toMatchObject({ code: "connectionClosed" });
    expect(requests).toEqual([]);
  });

  it("withAuthorizer passes the options of init to the authorizer", async () => {
    const { client, requests } = answeringWith("Status: 200\r\n\r\n");
    const fetch = withAuthorizer(
      client,
      (_, __, info: { address: string }) => new Response(info.address),
      (request, { address }) => ({ remoteAddress: address, params: { X_METHOD: request.method } }),
    );
    expect(await (await fetch(anyRequest(), { address: "192.0.2.1" })).text()).toBe("192.0.2.1");
    const { params } = requests[0]!;
    expect([params.get("REMOTE_ADDR"), params.get("X_METHOD")]).toEqual(["192.0.2.1", "GET"]);
  });

  it("withAuthorizer asks one authorizer after the other when it is nested", async () => {
    const asked: string[] = [];
    const authorizer = (name: string, allowed: boolean): FastCgiAuthorizer => ({
      async authorize() {
        asked.push(name);
        const variables = new Map([["NAME", name]]);
        return allowed ? { allowed, variables } : { allowed, response: new Response(name, { status: 403 }) };
      },
    });
    const names = (...given: { variables: ReadonlyMap<string, string> }[]): string =>
      given.map(({ variables }) => variables.get("NAME")).join();
    const both = (last: boolean) =>
      withAuthorizer(
        authorizer("first", true),
        withAuthorizer(
          authorizer("second", last),
          (_, second, first: typeof second) => new Response(names(second, first)),
        ) as (request: Request, first: { allowed: true; variables: ReadonlyMap<string, string> }) => Promise<Response>,
      );
    expect(await (await both(true)(anyRequest())).text()).toBe("second,first");
    expect(await (await both(false)(anyRequest())).text()).toBe("second");
    expect(asked).toEqual(["first", "second", "first", "second"]);
  });

  it("withAuthorizer stands in front of a handler that is served over FastCGI", async () => {
    const authorizer = served((request) => new Response(null, { status: request.url.endsWith("/open") ? 200 : 403 }));
    const handler = withAuthorizer(authorizer, async (request, _, { params }: FastCgiContext) => {
      return new Response(`${params.get("REQUEST_METHOD")} ${await request.text()}`);
    });
    const site = served(handler);
    const post = { method: "POST", body: "a body" };
    expect(await (await site.fetch("http://a.test/open", post)).text()).toBe("POST a body");
    expect((await site.fetch("http://a.test/closed", post)).status).toBe(403);
  });

  it("withAuthorizer lets variables go on to the next application as params", async () => {
    const { client: authorizer } = answeringWith("Variable-AUTH_USER: alice\r\n\r\n");
    const { client: application, requests } = answeringWith("\r\nanswer");
    const fetch = withAuthorizer(authorizer, (request, { variables }) =>
      application.fetch(request, { params: variables }),
    );
    expect(await (await fetch(anyRequest())).text()).toBe("answer");
    expect(requests[0]!.params.get("AUTH_USER")).toBe("alice");
  });
});
