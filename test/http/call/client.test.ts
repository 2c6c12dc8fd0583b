import { afterEach, describe, expect, it, vi } from "vitest";
import {
  type FastCgiFetchHandler,
  FastCgiHttpClient,
  type FastCgiHttpClientOptions,
  type FastCgiHttpConnector,
  type FastCgiHttpPreset,
  FastCgiHttpService,
  type FastCgiScriptResolver,
  FastCgiServer,
  FastResponse,
  RecordType,
  scriptsIn,
} from "../../../src/toolkit.ts";
import { latin1, sha256 } from "../../support/bytes.ts";
import { collectGarbage } from "../../support/memory.ts";
import { connectionPair } from "../../support/memory_connection.ts";
import { deferred, OpenStream } from "../../support/open_stream.ts";
import { patternBytes, patternSha256 } from "../../support/pattern.ts";
import { record, request } from "../../support/records.ts";
import {
  answer,
  answering,
  type ReceivedRequest,
  type Script,
  ScriptedConnector,
  stdout,
} from "../../support/scripted_application.ts";
import { drain, isSettled, streamOf } from "../../support/streams.ts";
import { transferred } from "../../support/transferred.ts";
import { failOnUnhandledRejections, turns, unhandledRejectionsOf } from "../../support/unhandled_rejections.ts";
import { MemoryApplication } from "../../support/web_server_end.ts";

failOnUnhandledRejections();

const clients: FastCgiHttpClient[] = [];

afterEach(() => {
  vi.unstubAllGlobals();
  for (const client of clients.splice(0)) client.close();
});

function clientOf(connector: FastCgiHttpConnector, options: FastCgiHttpClientOptions = {}): FastCgiHttpClient {
  const client = new FastCgiHttpClient(connector, options);
  clients.push(client);
  return client;
}

/** A client of an application that keeps its requests and answers each with `output`. */
function recording(options: FastCgiHttpClientOptions = {}, output = "X-A: 1\r\n\r\nanswer") {
  const requests: ReceivedRequest[] = [];
  const connector = new ScriptedConnector(
    answering((received) => {
      requests.push(received);
      return output;
    }),
  );
  return { client: clientOf(connector, options), connector, requests };
}

function scripted(script: Script, options: FastCgiHttpClientOptions = {}) {
  const connector = new ScriptedConnector(script);
  return { client: clientOf(connector, options), connector };
}

/** A connector to a fetch handler that is served in the same process. */
function connectorTo(fetch: FastCgiFetchHandler): FastCgiHttpConnector {
  const server = new FastCgiServer(new FastCgiHttpService(fetch).handler);
  return {
    async connect() {
      const [client, application] = connectionPair();
      void server.serve(application);
      return client;
    },
  };
}

describe("FastCgiHttpClient", () => {
  it("FastCgiHttpClient fetches by string, URL and Request", async () => {
    const { client, requests } = recording();
    for (const input of ["http://a.test/x?y", new URL("http://a.test/x?y"), new Request("http://a.test/x?y")]) {
      const response = await client.fetch(input);
      expect(response).toBeInstanceOf(Response);
      expect([response.status, response.headers.get("x-a"), await response.text()]).toEqual([200, "1", "answer"]);
    }
    for (const { params } of requests) {
      expect(Object.fromEntries(params)).toMatchObject({
        REQUEST_METHOD: "GET",
        REQUEST_URI: "/x?y",
        HTTP_HOST: "a.test",
      });
    }
  });

  it("FastCgiHttpClient takes an init as fetch does, also over a Request", async () => {
    const { client, requests } = recording();
    const init = { method: "PUT", headers: { "x-test": "init" }, body: "init" };
    await client.fetch("http://a.test/", init);
    await client.fetch(new Request("http://a.test/", { method: "POST", headers: { "x-test": "x" }, body: "x" }), init);
    for (const { params, stdin } of requests) {
      expect(Object.fromEntries(params)).toMatchObject({
        REQUEST_METHOD: "PUT",
        HTTP_X_TEST: "init",
        CONTENT_LENGTH: "4",
      });
      expect(stdin).toEqual(latin1("init"));
    }
  });

  it("FastCgiHttpClient refuses a body whose buffer was transferred, as fetch does, and sends nothing", async () => {
    const { client, requests } = recording();
    const init = { method: "POST", body: transferred(new Uint8Array(3)) };
    await expect(client.fetch("http://a.test/", init)).rejects.toThrow(TypeError);
    expect(requests).toEqual([]);
  });

  it("FastCgiHttpClient can be passed on as a function", async () => {
    const { fetch } = recording().client;
    expect(await (await fetch("http://a.test/")).text()).toBe("answer");
  });

  it("FastCgiHttpClient asks HEAD for a header alone", async () => {
    const { client, requests } = recording({}, "Content-Length: 6\r\n\r\nanswer");
    const response = await client.fetch("http://a.test/", { method: "HEAD" });
    expect([response.body, response.headers.get("content-length")]).toEqual([null, "6"]);
    expect(requests[0]!.params.get("REQUEST_METHOD")).toBe("HEAD");
  });

  it("FastCgiHttpClient resolves with the header and streams the body", async () => {
    const go = deferred();
    const { client } = scripted(async (application) => {
      await application.request();
      await application.send(stdout(1, "X-A: 1\r\n\r\nfirst"));
      await go.promise;
      await application.send(answer(1, "second"));
    });
    const { body } = await client.fetch("http://a.test/");
    const reader = body!.getReader();
    expect((await reader.read()).value).toEqual(latin1("first"));
    const second = reader.read();
    expect(await isSettled(second)).toBe(false);
    go.resolve();
    expect((await second).value).toEqual(latin1("second"));
  });

  it("FastCgiHttpClient fails a body that the application does not bring to its end", async () => {
    const { client } = scripted(async (application) => {
      await application.request();
      await application.send(stdout(1, "X-A: 1\r\n\r\npart"), record(RecordType.Stdout, 1));
      await application.end();
    });
    const response = await client.fetch("http://a.test/");
    expect(await drain(response.body!)).toMatchObject({ bytes: latin1("part"), error: { code: "connectionClosed" } });
  });

  it("FastCgiHttpClient closes the connection when the body is cancelled", async () => {
    const closed = deferred();
    const { client, connector } = scripted(async (application) => {
      await application.request();
      await application.send(stdout(1, "X-A: 1\r\n\r\npart"));
      await application.closedByClient();
      closed.resolve();
    });
    const response = await client.fetch("http://a.test/");
    await response.body!.cancel();
    expect(connector.connections[0]!.isClosed).toBe(true);
    await closed.promise;
  });

  it("FastCgiHttpClient closes the connection of an answer that is no CGI response", async () => {
    const { client, connector } = scripted(async (application) => {
      await application.request();
      await application.send(record(RecordType.Stderr, 1, "PHP Fatal error"), stdout(1, "<html>\n\n"));
      await application.closedByClient();
    });
    await expect(client.fetch("http://a.test/")).rejects.toMatchObject({
      code: "malformedResponse",
      stderr: "PHP Fatal error",
    });
    expect(connector.connections[0]!.isClosed).toBe(true);
  });

  it("FastCgiHttpClient never makes an empty success of an empty answer or an early end", async () => {
    for (const script of [
      answering(() => ""),
      async (application) => {
        await application.request();
        await application.end();
      },
    ] satisfies Script[]) {
      const { client } = scripted(script);
      await expect(client.fetch("http://a.test/")).rejects.toMatchObject({
        code: expect.stringMatching(/^(malformedResponse|connectionClosed)$/),
      });
    }
  });

  it("FastCgiHttpClient limits the header of the response to maxResponseHeaderBytes", async () => {
    const output = `X-A: ${"a".repeat(200)}\r\n\r\n`;
    const { client } = recording({ maxResponseHeaderBytes: 100 }, output);
    await expect(client.fetch("http://a.test/")).rejects.toMatchObject({
      code: "limit",
      limit: "maxResponseHeaderBytes",
    });
  });

  it("FastCgiHttpClient tells onStderr of whole characters, however they are cut, up to maxStderrBytes", async () => {
    const output = new TextEncoder().encode("caf\u00e9 \u20ac \u{1f600}!");
    const fetched = async (maxStderrBytes: number): Promise<string[]> => {
      const messages: string[] = [];
      const { client } = scripted(
        async (application) => {
          await application.request();
          for (const byte of output) await application.send(record(RecordType.Stderr, 1, Uint8Array.of(byte)));
          await application.send(answer(1, "X-A: 1\r\n\r\n"));
        },
        { maxStderrBytes, onStderr: (message) => messages.push(message) },
      );
      await (await client.fetch("http://a.test/")).text();
      await turns();
      return messages;
    };
    expect(await fetched(1000)).toEqual(["c", "a", "f", "\u00e9", " ", "\u20ac", " ", "\u{1f600}", "!"]);
    expect(await fetched(8)).toEqual(["c", "a", "f", "\u00e9", " "]);
    const broken: string[] = [];
    const { client } = scripted(
      async (application) => {
        await application.request();
        await application.send(record(RecordType.Stderr, 1, output.subarray(0, 4)), answer(1, "X-A: 1\r\n\r\n"));
      },
      { onStderr: (message) => broken.push(message) },
    );
    await (await client.fetch("http://a.test/")).text();
    await turns();
    expect(broken).toEqual(["caf", "\ufffd"]);
  });

  it("FastCgiHttpClient goes on when onStderr throws", async () => {
    const reason = new Error("A broken logger");
    const unhandled = await unhandledRejectionsOf(async () => {
      const { client } = scripted(
        async (application) => {
          await application.request();
          await application.send(record(RecordType.Stderr, 1, "message"), answer(1, "X-A: 1\r\n\r\nanswer"));
        },
        {
          onStderr: () => {
            throw reason;
          },
        },
      );
      expect(await (await client.fetch("http://a.test/")).text()).toBe("answer");
    });
    expect(unhandled).toEqual([reason]);
  });

  it("FastCgiHttpClient tells onStderr of messages with their request", async () => {
    const messages: [message: string, url: string][] = [];
    const { client } = scripted(
      async (application) => {
        await application.request();
        await application.send(record(RecordType.Stderr, 1, "PHP Warning: é"), answer(1, "X-A: 1\r\n\r\n"));
      },
      { onStderr: (message, { url }) => messages.push([message, url]) },
    );
    await (await client.fetch("http://a.test/x")).text();
    expect(messages).toEqual([["PHP Warning: é", "http://a.test/x"]]);
  });

  it("FastCgiHttpClient tells its connector of messages, unless it has an onStderr of its own", async () => {
    const connector = new ScriptedConnector(async (application) => {
      await application.request();
      await application.send(record(RecordType.Stderr, 1, "message"), answer(1, "X-A: 1\r\n\r\n"));
    });
    const told: unknown[] = [];
    const telling = Object.assign(connector, {
      onStderr(this: unknown, message: string) {
        told.push(this === connector, message);
      },
    });
    const own: string[] = [];
    for (const options of [{}, { onStderr: (message: string) => void own.push(message) }]) {
      await (await clientOf(telling, options).fetch("http://a.test/")).text();
    }
    expect([told, own]).toEqual([[true, "message"], ["message"]]);
  });

  it("FastCgiHttpClient keeps connections with keepAlive, also behind answers without a body", async () => {
    const { client, connector } = recording({ keepAlive: true }, "Status: 204\r\n\r\ndropped");
    for (let count = 0; count < 3; count++) {
      await client.fetch("http://a.test/");
      await turns();
    }
    expect(connector.connections.length).toBe(1);
    client.close();
    expect(connector.connections[0]!.isClosed).toBe(true);
    await expect(client.fetch("http://a.test/")).rejects.toThrow("Cannot send a request: the client is closed");
  });

  it("FastCgiHttpClient sends nothing more when it is disposed of, and refuses a time for that that is none", async () => {
    const { client } = recording();
    await expect(client.close({ timeout: -1 })).rejects.toThrow(RangeError);
    await client[Symbol.asyncDispose]();
    await expect(client.fetch("http://a.test/")).rejects.toThrow("Cannot send a request: the client is closed");
  });

  it("FastCgiHttpClient refuses options that it can't have", () => {
    const connector = new ScriptedConnector(() => {});
    for (const options of [
      { maxBufferedRequestBytes: 0 },
      { maxResponseHeaderBytes: Number.NaN },
      { readTimeout: -1 },
    ]) {
      expect(() => new FastCgiHttpClient(connector, options)).toThrow(RangeError);
    }
  });
});

describe("FastCgiHttpClient: variables", () => {
  /** A client whose connector has a preset. */
  function preset(preset: FastCgiHttpPreset, options: FastCgiHttpClientOptions = {}) {
    const requests: ReceivedRequest[] = [];
    const script = answering((received) => {
      requests.push(received);
      return "X-A: 1\r\n\r\n";
    });
    const connector = Object.assign(new ScriptedConnector(script), { preset });
    return { client: clientOf(connector, options), requests };
  }

  it("FastCgiHttpClient lets params of the request win over those of the client, and those over the preset", async () => {
    const { client, requests } = preset(
      { params: { A: "preset", B: "preset", C: "preset", SERVER_SOFTWARE: "preset" } },
      { params: { B: "options", C: "options" } },
    );
    await client.fetch("http://a.test/", { params: [["C", "request"]] });
    expect(Object.fromEntries(requests[0]!.params)).toMatchObject({
      A: "preset",
      B: "options",
      C: "request",
      SERVER_SOFTWARE: "preset",
    });
  });

  it("FastCgiHttpClient takes the script of its options, and else of the preset", async () => {
    const script = { filename: "/srv/preset.php" };
    const own = { filename: "/srv/own.php" };
    const files: (string | undefined)[] = [];
    for (const options of [{}, { script: own }]) {
      const { client, requests } = preset({ script }, options);
      await client.fetch("http://a.test/");
      files.push(requests[0]!.params.get("SCRIPT_FILENAME"));
    }
    expect(files).toEqual(["/srv/preset.php", "/srv/own.php"]);
    const { client, requests } = recording();
    await client.fetch("http://a.test/x");
    expect(requests[0]!.params.has("SCRIPT_FILENAME")).toBe(false);
    expect(requests[0]!.params.get("SCRIPT_NAME")).toBe("/x");
    expect(requests[0]!.params.get("REDIRECT_STATUS")).toBe("200");
  });

  it("FastCgiHttpClient takes the addresses of the peers with the request, and builds no other Request for it", async () => {
    const { client, requests } = recording();
    const input = new Request("http://a.test/");
    let built = 0;
    const construct = (target: object, args: unknown[]): object => {
      built++;
      return Reflect.construct(target as typeof Request, args);
    };
    vi.stubGlobal("Request", new Proxy(Request, { construct }));
    await client.fetch(input, {
      params: { X: "1" },
      remoteAddress: "192.0.2.7",
      remotePort: 55555,
      serverAddress: "192.0.2.1",
      serverPort: 8080,
    });
    // Nor for a URL.
    await client.fetch("http://a.test/");
    expect(built).toBe(0);
    expect(Object.fromEntries(requests[0]!.params)).toMatchObject({
      X: "1",
      REMOTE_ADDR: "192.0.2.7",
      REMOTE_PORT: "55555",
      SERVER_ADDR: "192.0.2.1",
      SERVER_PORT: "8080",
    });
  });

  it("FastCgiHttpClient sends the length of the body whatever params say", async () => {
    const { client, requests } = recording();
    await client.fetch("http://a.test/", { method: "POST", body: "body", params: { CONTENT_LENGTH: "99" } });
    expect([requests[0]!.params.get("CONTENT_LENGTH"), requests[0]!.stdin.length]).toEqual(["4", 4]);
  });

  it("FastCgiHttpClient opens no connection for a path that it refuses, and cancels the body", async () => {
    const { client, connector } = recording();
    for (const path of ["%00", "index.php%0a", "%0d", "a%2f..%2f..%2fb"]) {
      const open = new OpenStream();
      const init = { method: "POST", body: open.stream, duplex: "half", headers: { "content-length": "1" } };
      const error = await client.fetch(`http://a.test/${path}`, init as RequestInit).catch((reason) => reason);
      expect(error, path).toMatchObject({ code: "malformedRequest" });
      await turns();
      expect(open.cancelled, path).toBe(error);
    }
    expect(connector.connections).toEqual([]);
  });

  it("FastCgiHttpClient sends PHP's settings of preset, client and request, and lets params win over all of them", async () => {
    const { client, requests } = preset(
      { phpValues: { a: "preset", b: "preset", c: "preset" } },
      { phpValues: { b: "client", c: "client" }, phpAdminValues: { d: "client" } },
    );
    await client.fetch("http://a.test/", { phpValues: { c: "request" } });
    await client.fetch("http://a.test/", { phpAdminValues: { d: true }, params: { PHP_VALUE: "own" } });
    const sent = requests.map(({ params }) => [params.get("PHP_VALUE"), params.get("PHP_ADMIN_VALUE")]);
    expect(sent).toEqual([
      ["a='preset'\nb='client'\nc='request'", "d='client'"],
      ["own", "d='1'"],
    ]);
  });

  it("FastCgiHttpClient sends no settings of PHP that it is not given, whatever the request says", async () => {
    const { client, requests } = recording();
    const headers = { "php-value": "a=1", "php-admin-value": "a=1", php_value: "a=1" };
    await client.fetch(new Request("http://a.test/?PHP_VALUE=a=1", { headers }));
    const names = [...requests[0]!.params.keys()].filter((name) => name.includes("PHP"));
    expect(names.sort()).toEqual(["HTTP_PHP_ADMIN_VALUE", "HTTP_PHP_VALUE"]);
  });

  it("FastCgiHttpClient takes a Request as it is when there are settings of PHP for it", async () => {
    const { client } = recording();
    const input = new Request("http://a.test/");
    let built = 0;
    const construct = (target: object, args: unknown[]): object => {
      built++;
      return Reflect.construct(target as typeof Request, args);
    };
    vi.stubGlobal("Request", new Proxy(Request, { construct }));
    await client.fetch(input, { phpValues: { a: 1 }, phpAdminValues: { b: 1 } });
    expect(built).toBe(0);
  });

  it("FastCgiHttpClient refuses settings of PHP and scripts that it can't have", async () => {
    const connector = new ScriptedConnector(() => {});
    for (const options of [
      { phpValues: { "a b": 1 } },
      { phpAdminValues: { a: "1\nb=2" } },
      { script: { documentRoot: "/srv" } },
      { requestBuffering: "none" },
    ]) {
      expect(() => new FastCgiHttpClient(connector, options as FastCgiHttpClientOptions)).toThrow(TypeError);
    }
    expect(() => preset({ phpValues: { "a b": 1 } })).toThrow(TypeError);
    expect(() => preset({ script: { filename: "" } })).toThrow(TypeError);
    const { client } = recording();
    await expect(client.fetch("http://a.test/", { phpValues: { a: "1\n" } })).rejects.toThrow(TypeError);
    expect(connector.connections).toEqual([]);
  });

  it("FastCgiHttpClient refuses a responseClass that makes no Responses, and takes each that does", () => {
    const connector = new ScriptedConnector(() => {});
    const made = (responseClass: unknown) => new FastCgiHttpClient(connector, { responseClass } as never);
    const hollow = Object.assign(function Hollow() {}, { prototype: null });
    for (const responseClass of ["FastResponse", null, {}, () => {}, hollow, class {}, Request, new Response()]) {
      expect(() => made(responseClass)).toThrow("Cannot use responseClass: expected a class of Responses");
    }
    for (const responseClass of [FastResponse, Response, class extends Response {}, new Proxy(Response, {})]) {
      expect(() => made(responseClass)).not.toThrow();
    }
  });

  it("FastCgiHttpClient refuses an onStderr of its connector that is no function", () => {
    const connector = Object.assign(new ScriptedConnector(() => {}), { onStderr: "log" as never });
    const message = 'Cannot use onStderr of the connector: expected a function, got "log"';
    expect(() => new FastCgiHttpClient(connector)).toThrow(message);
  });

  it.each<[what: string, make: () => unknown, message: string]>([
    ["options", () => recording(5 as never), "options: expected an object, got 5"],
    ["a preset", () => preset(5 as never), "preset: expected an object, got 5"],
    ["openSpool", () => recording({ openSpool: {} as never }), "openSpool: expected a function, got Object"],
    ["openSpool of a preset", () => preset({ openSpool: {} as never }), "openSpool: expected a function, got Object"],
    [
      "streamedResponse of a preset",
      () => preset({ streamedResponse: {} as never }),
      "streamedResponse: expected a function, got Object",
    ],
    ["onStderr", () => recording({ onStderr: {} as never }), "onStderr: expected a function, got Object"],
    ["onRequestEnd", () => recording({ onRequestEnd: {} as never }), "onRequestEnd: expected a function, got Object"],
    ...["onLocalRedirect", "onAccelRedirect", "onSendFile"].map((hook): [string, () => unknown, string] => [
      hook,
      () => recording({ [hook]: {} }),
      `${hook}: expected a function, got Object`,
    ]),
    [
      "requestBuffering",
      () => recording({ requestBuffering: "none" as never }),
      'requestBuffering: expected one of "collect", "measure", "stream", got "none"',
    ],
  ])("FastCgiHttpClient refuses %s of another kind by its name", (_, make, message) => {
    expect(make).toThrow(new TypeError(`Cannot use ${message}`));
  });

  it("FastCgiHttpClient refuses arguments of another kind by their names, and sends nothing", async () => {
    const { client, connector } = recording();
    for (const [send, message] of [
      [() => client.fetch("http://a.test/", 5 as never), "Cannot use init: expected an object, got 5"],
      [
        () => client.fetch("http://a.test/", { signal: {} as never }),
        "Cannot send the request: expected signal to be an AbortSignal, got Object",
      ],
      [
        () => client.authorize("http://a.test/" as never),
        'Cannot ask the authorizer: expected request to be a Request, got "http://a.test/"',
      ],
      [() => client.authorize(new Request("http://a.test/"), 5 as never), "Cannot use init: expected an object, got 5"],
      [
        () => client.authorize(new Request("http://a.test/"), { signal: {} as never }),
        "Cannot ask the authorizer: expected signal to be an AbortSignal, got Object",
      ],
    ] as const) {
      await expect(send()).rejects.toThrow(new TypeError(message));
    }
    expect(connector.connections).toEqual([]);
  });

  it("FastCgiHttpClient sends the script that a folder has for the path", async () => {
    const script = scriptsIn({
      documentRoot: "/srv",
      resolve: (name) => (name === "/blog/index.php" ? `/srv${name}` : null),
    });
    const { client, requests } = preset({ script });
    await client.fetch("http://a.test/blog/index.php/2026?x");
    await client.fetch("http://a.test/blog/");
    const sent = requests.map(({ params }) => Object.fromEntries(params));
    expect(sent[0]).toMatchObject({
      SCRIPT_FILENAME: "/srv/blog/index.php",
      SCRIPT_NAME: "/blog/index.php",
      DOCUMENT_ROOT: "/srv",
      PATH_INFO: "/2026",
      REQUEST_URI: "/blog/index.php/2026?x",
    });
    expect(sent[1]).toMatchObject({ SCRIPT_FILENAME: "/srv/blog/index.php" });
    expect(Object.keys(sent[1]!)).not.toContain("PATH_INFO");
  });

  it("FastCgiHttpClient sends the script that a function chooses, and refuses one that is none", async () => {
    const script: FastCgiScriptResolver = (request) => {
      const { hostname } = new URL(request.url);
      if (hostname === "none.test") return undefined;
      return hostname === "wrong.test" ? { filename: "" } : { filename: `/srv/${hostname}/index.php`, pathInfo: "/x" };
    };
    const { client, requests } = preset({ script });
    await client.fetch("http://b.test/x");
    await client.fetch("http://none.test/y");
    await expect(client.fetch("http://wrong.test/")).rejects.toThrow(TypeError);
    expect(
      requests.map(({ params }) => ["SCRIPT_FILENAME", "SCRIPT_NAME", "PATH_INFO"].map((name) => params.get(name))),
    ).toEqual([
      ["/srv/b.test/index.php", "/index.php", "/x"],
      [undefined, "/y", undefined],
    ]);
  });

  it("FastCgiHttpClient gives a function that chooses the script a Request that has the body", async () => {
    const bodies: string[] = [];
    const { client, requests } = preset({
      async script(request) {
        bodies.push(await request.clone().text());
        return undefined;
      },
    });
    await client.fetch("http://a.test/", { method: "POST", body: "body" });
    expect([bodies, requests[0]!.stdin]).toEqual([["body"], latin1("body")]);
  });

  it("FastCgiHttpClient answers 404 without the application when a folder has no script, and cancels the body unread", async () => {
    const script = scriptsIn({
      documentRoot: "/srv",
      resolve: (name) => (name === "/blog/index.php" ? `/srv${name}` : null),
    });
    const { client, connector } = recording({ script });
    for (const [path, status] of [
      ["upload.jpg/x.php", 404],
      ["blog", 308],
    ] as const) {
      const open = new OpenStream();
      const init = { method: "POST", body: open.stream, duplex: "half" } as RequestInit;
      const response = await client.fetch(`http://a.test/${path}`, init);
      expect(response.status, path).toBe(status);
      await turns();
      expect(open.cancelled, path).toBe("No script answers the request");
      expect(open.pulls, path).toBe(0);
    }
    expect(connector.connections).toEqual([]);
  });

  it("FastCgiHttpClient refuses a path before its body is read or a script is looked for", async () => {
    const asked: string[] = [];
    const script = scriptsIn({
      documentRoot: "/srv",
      resolve(name) {
        asked.push(name);
        return null;
      },
    });
    const { client, connector } = recording({ script });
    for (const path of ["a.php%0a", "a%00.php", "a.php/..%2fb", "%zz"]) {
      const open = new OpenStream();
      const init = { method: "POST", body: open.stream, duplex: "half" } as RequestInit;
      const error = await client.fetch(`http://a.test/${path}`, init).catch((reason) => reason);
      expect(error, path).toMatchObject({ code: "malformedRequest" });
      await turns();
      expect(open.cancelled, path).toBe(error);
      expect(open.pulls, path).toBe(0);
    }
    expect([asked, connector.connections]).toEqual([[], []]);
  });

  it("FastCgiHttpClient refuses a request without the authorizer when a folder has no script", async () => {
    const { client, connector } = recording({ script: scriptsIn({ documentRoot: "/srv", resolve: () => null }) });
    const authorization = await client.authorize(new Request("http://a.test/x"));
    expect(authorization).toMatchObject({ allowed: false, response: { status: 404 } });
    expect(connector.connections).toEqual([]);
  });

  it("FastCgiHttpClient sends nothing when the signal aborts while a script is looked for", async () => {
    const controller = new AbortController();
    const reason = new Error("Enough");
    const script = scriptsIn({
      documentRoot: "/srv",
      resolve(name) {
        controller.abort(reason);
        return `/srv${name}`;
      },
    });
    const { client, connector } = recording({ script });
    await expect(client.fetch("http://a.test/a.php", { signal: controller.signal })).rejects.toBe(reason);
    expect(connector.connections).toEqual([]);
  });

  it("FastCgiHttpClient refuses params that are no byte strings", async () => {
    const { client } = recording();
    await expect(client.fetch("http://a.test/", { params: { X: "☃" } })).rejects.toThrow(TypeError);
  });
});

describe("FastCgiHttpClient: request bodies", () => {
  const url = "http://a.test/";

  function streaming(body: ReadableStream<Uint8Array>, headers: Record<string, string> = {}): RequestInit {
    return { method: "POST", body, duplex: "half", headers } as RequestInit;
  }

  it("FastCgiHttpClient sends every kind of body with its true CONTENT_LENGTH and its type", async () => {
    const form = new FormData();
    form.set("a", "é");
    form.set("file", new File(["content"], "name.txt", { type: "text/plain" }));
    const textType = /^text\/plain;charset=UTF-8$/;
    const kinds: [body: BodyInit, type: RegExp, text: string | RegExp][] = [
      ["é", textType, "é"],
      ["", textType, ""],
      [new TextEncoder().encode("bytes"), /^$/, "bytes"],
      [new Blob(["blob"], { type: "a/b" }), /^a\/b$/, "blob"],
      [new URLSearchParams({ a: "1", b: "é" }), /^application\/x-www-form-urlencoded;charset=UTF-8$/, "a=1&b=%C3%A9"],
      [form, /^multipart\/form-data; boundary=/, /name="a"\r\n\r\né\r\n[\s\S]*filename="name.txt"[\s\S]*content\r\n/],
    ];
    for (const [body, type, text] of kinds) {
      const { client, requests } = recording();
      await client.fetch(url, { method: "POST", body });
      const { params, stdin } = requests[0]!;
      expect(params.get("CONTENT_LENGTH")).toBe(String(stdin.length));
      expect(params.get("CONTENT_TYPE")).toMatch(type);
      if (typeof text === "string") expect(Buffer.from(stdin).toString()).toBe(text);
      else expect(Buffer.from(stdin).toString()).toMatch(text);
    }
  });

  it("FastCgiHttpClient sends the length of a stream, whether the program gives it or not", async () => {
    for (const headers of [{}, { "content-length": "5" }] as Record<string, string>[]) {
      const { client, requests } = recording();
      await client.fetch(url, streaming(streamOf(latin1("abc"), latin1("de")), headers));
      expect([requests[0]!.params.get("CONTENT_LENGTH"), requests[0]!.stdin]).toEqual(["5", latin1("abcde")]);
    }
  });

  it("FastCgiHttpClient opens no connection before the body is whole, whether its length is given or not", async () => {
    for (const headers of [{}, { "content-length": "4" }] as Record<string, string>[]) {
      const { client, connector } = recording();
      const open = new OpenStream();
      const result = client.fetch(url, streaming(open.stream, headers));
      open.write("ab");
      open.write("cd");
      expect(await isSettled(result)).toBe(false);
      expect([connector.connections.length, client.status.waiting]).toEqual([0, 0]);
      open.close();
      expect((await result).status).toBe(200);
      expect(connector.connections.length).toBe(1);
    }
  });

  it("FastCgiHttpClient sends no part of a body that breaks off", async () => {
    const reason = new Error("The client has left");
    for (const method of ["POST", "PUT"]) {
      for (const headers of [{}, { "content-length": "1000000" }] as Record<string, string>[]) {
        const { client, connector } = recording({ maxBufferedRequestBytes: 1_000_000 });
        const open = new OpenStream();
        const result = client.fetch(url, { ...streaming(open.stream, headers), method });
        open.write(patternBytes(500_000));
        await turns();
        open.fail(reason);
        await expect(result).rejects.toBe(reason);
        expect(connector.connections).toEqual([]);
      }
    }
  });

  it("FastCgiHttpClient streams a body of unknown length, without CONTENT_LENGTH, when it is told to", async () => {
    const { client, requests } = recording({ requestBuffering: "stream", maxBufferedRequestBytes: 1 });
    await client.fetch(url, { ...streaming(streamOf(latin1("abc"), latin1("de"))), params: { CONTENT_LENGTH: "99" } });
    expect(requests[0]!.params.has("CONTENT_LENGTH")).toBe(false);
    expect(requests[0]!.stdin).toEqual(latin1("abcde"));
    // Known lengths are said all the same.
    await client.fetch(url, { method: "POST", body: "é" });
    await client.fetch(url, { method: "POST" });
    await client.fetch(url);
    expect(requests.slice(1).map(({ params }) => params.get("CONTENT_LENGTH"))).toEqual(["2", "0", ""]);
  });

  it("FastCgiHttpClient sends a Blob that is too large for memory as it is", async () => {
    const { client, requests } = recording({ maxBufferedRequestBytes: 10 });
    await client.fetch(url, { method: "POST", body: new Blob(["0123456789", "a"]) });
    expect([requests[0]!.params.get("CONTENT_LENGTH"), requests[0]!.stdin]).toEqual(["11", latin1("0123456789a")]);
  });

  it.each([
    ["it is told to", { requestBuffering: "measure" }],
    ["it is too large for memory and there is no spool", { maxBufferedRequestBytes: 3 }],
  ] as const)("FastCgiHttpClient streams a body whose length is given when %s", async (_, options) => {
    const part = deferred();
    const { client } = scripted(async (application) => {
      for (let piece = await application.next(); piece !== null; piece = await application.next()) {
        if (piece.type !== RecordType.Stdin) continue;
        if (piece.contentData.length === 0) return application.send(answer(1, "X-A: 1\r\n\r\n"));
        part.resolve();
      }
    }, options);
    const open = new OpenStream();
    const result = client.fetch(url, streaming(open.stream, { "content-length": "4" }));
    open.write("ab");
    await part.promise;
    expect(await isSettled(result)).toBe(false);
    open.write("cd");
    open.close();
    expect((await result).status).toBe(200);
  });

  it("FastCgiHttpClient sends no part of a body that is not as long as its header says", async () => {
    const bodies = [["abc"], ["abcde"], []].map((pieces) => streamOf(...pieces.map((piece) => latin1(piece))));
    for (const body of [...bodies, latin1("abc"), "abcde", new Blob(["abc"])]) {
      const { client, connector } = recording();
      const init = { method: "POST", body, duplex: "half", headers: { "content-length": "4" } } as RequestInit;
      await expect(client.fetch(url, init)).rejects.toMatchObject({ code: "lengthMismatch", gatewayStatus: 400 });
      expect(connector.connections).toEqual([]);
    }
  });

  it("FastCgiHttpClient fails, without an end of stdin, a stream that is not as long as its header says", async () => {
    for (const pieces of [["abc"], ["abcde"], []]) {
      const { client } = scripted((application) => application.closedByClient(), { requestBuffering: "measure" });
      const body = streamOf(...pieces.map((piece) => latin1(piece)));
      await expect(client.fetch(url, streaming(body, { "content-length": "4" }))).rejects.toMatchObject({
        code: "lengthMismatch",
      });
    }
  });

  it("FastCgiHttpClient refuses a body of unknown length that is larger than maxBufferedRequestBytes", async () => {
    const { client, connector } = recording();
    const fits = await client.fetch(url, streaming(streamOf(patternBytes(1024 * 1024))));
    expect(fits.status).toBe(200);
    const open = new OpenStream();
    const result = client.fetch(url, streaming(open.stream)).catch((reason) => reason);
    open.write(patternBytes(1024 * 1024));
    open.write(patternBytes(1));
    const error = await result;
    expect(error).toMatchObject({ code: "lengthRequired", limit: "maxBufferedRequestBytes" });
    expect(error.message).toContain("give it a Content-Length header or raise maxBufferedRequestBytes");
    await turns();
    expect(open.cancelled).toBe(error);
    expect(connector.connections.length).toBe(1);
  });

  it("FastCgiHttpClient sends CONTENT_LENGTH 0 for a POST without a body, and an empty one for a GET", async () => {
    const { client, requests } = recording();
    await client.fetch(url, { method: "POST" });
    await client.fetch(url);
    expect(requests.map(({ params }) => params.get("CONTENT_LENGTH"))).toEqual(["0", ""]);
  });

  it("FastCgiHttpClient refuses a Request whose body was read", async () => {
    const { client, connector } = recording();
    const used = new Request(url, { method: "POST", body: "body" });
    await used.text();
    await expect(client.fetch(used)).rejects.toThrow(TypeError);
    expect(connector.connections).toEqual([]);
  });

  it("FastCgiHttpClient cancels the body when it can't connect", async () => {
    const reason = new Error("connect ECONNREFUSED");
    const client = clientOf({ connect: () => Promise.reject(reason) }, { requestBuffering: "measure" });
    const open = new OpenStream();
    const error = await client.fetch(url, streaming(open.stream, { "content-length": "4" })).catch((error) => error);
    expect(error).toMatchObject({ code: "connectFailed", cause: reason });
    await turns();
    expect(open.cancelled).toBe(error);
  });

  it("FastCgiHttpClient sends and receives large bodies at the same time", async () => {
    const length = 2 * 1024 * 1024;
    const client = clientOf(connectorTo((request) => new Response(request.body)));
    const headers = { "content-length": String(length) };
    const response = await client.fetch(url, { method: "POST", headers, body: patternBytes(length) });
    const { bytes, error } = await drain(response.body!);
    expect([error, sha256(bytes)]).toEqual([null, patternSha256(length)]);
  });
});

describe("FastCgiHttpClient: signal", () => {
  const reason = new Error("Enough");

  it("FastCgiHttpClient sends nothing with a signal that is aborted already", async () => {
    const { client, connector } = recording();
    const open = new OpenStream();
    const init = {
      method: "POST",
      body: open.stream,
      duplex: "half",
      signal: AbortSignal.abort(reason),
    } as RequestInit;
    await expect(client.fetch("http://a.test/", init)).rejects.toBe(reason);
    expect(connector.connections).toEqual([]);
    await turns();
    expect(open.cancelled).toBe(reason);
  });

  it("FastCgiHttpClient gives up at every stage when the signal aborts", async () => {
    const stages: [stage: string, script: (now: () => void) => Script, init: RequestInit][] = [
      ["collecting", (now) => now, { method: "POST", body: new OpenStream().stream, duplex: "half" } as RequestInit],
      [
        "sending",
        (now) => async (application) => {
          await application.next();
          now();
        },
        {
          method: "POST",
          body: new OpenStream().stream,
          duplex: "half",
          headers: { "content-length": "5" },
        } as RequestInit,
      ],
      [
        "before the header",
        (now) => async (application) => {
          await application.request();
          await application.send(stdout(1, "X-A: 1\r\n"));
          now();
        },
        {},
      ],
    ];
    for (const [stage, script, init] of stages) {
      const controller = new AbortController();
      const now = deferred();
      const { client, connector } = scripted(script(now.resolve), {
        requestBuffering: stage === "sending" ? "measure" : "collect",
      });
      const result = client.fetch("http://a.test/", { ...init, signal: controller.signal }).catch((error) => error);
      if (stage === "collecting") await turns();
      else await now.promise;
      await turns();
      controller.abort(reason);
      expect(await result, stage).toBe(reason);
      await turns();
      expect(
        connector.connections.every(({ isClosed }) => isClosed),
        stage,
      ).toBe(true);
      expect(connector.connections.length, stage).toBe(stage === "collecting" ? 0 : 1);
    }
  });

  it.each(["script", "onAccelRedirect"])(
    "FastCgiHttpClient cancels a Response that %s gives after the signal has aborted",
    async (option) => {
      const asked = deferred();
      const late = deferred<Response>();
      const answerLate = (): Promise<Response> => {
        asked.resolve();
        return late.promise;
      };
      const { client } = recording({ [option]: answerLate }, "X-Accel-Redirect: /x\r\n\r\n");
      const controller = new AbortController();
      const outcome = expect(client.fetch("http://a.test/", { signal: controller.signal })).rejects.toBe(reason);
      await asked.promise;
      controller.abort(reason);
      await outcome;
      const open = new OpenStream();
      late.resolve(new Response(open.stream));
      await turns();
      expect(open.cancelled).toBe("The request was cancelled");
    },
  );

  it("FastCgiHttpClient fails the body when the signal aborts, also when nothing else holds the Request any more", async () => {
    const controller = new AbortController();
    const { client, connector } = scripted(async (application) => {
      await application.request();
      await application.send(stdout(1, "X-A: 1\r\n\r\npart"));
      await application.closedByClient();
    });
    const response = await client.fetch("http://a.test/", { signal: controller.signal });
    // On Node 20 the signal of a Request stops following the caller's when the Request is collected.
    for (let count = 0; count < 3; count++) {
      await turns();
      collectGarbage();
    }
    controller.abort(reason);
    expect(await drain(response.body!)).toEqual({ bytes: latin1("part"), error: reason });
    expect(connector.connections[0]!.isClosed).toBe(true);
  });
});

describe("FastCgiHttpClient: bodies longer than they say", () => {
  it("FastCgiHttpClient lets an application go on that has answered, also when the signal aborts then", async () => {
    for (const keepAlive of [false, true]) {
      const over = deferred();
      const controller = new AbortController();
      const { client, connector } = scripted(
        async (application) => {
          const { requestId } = (await application.request())!;
          await application.send(stdout(requestId, "Content-Length: 2\r\n\r\nok"));
          await over.promise;
          await application.send(answer(requestId, ""));
        },
        { keepAlive },
      );
      const response = await client.fetch("http://a.test/", { signal: controller.signal });
      expect(await response.text()).toBe("ok");
      controller.abort();
      await turns();
      expect([client.status.active, connector.connections[0]!.isClosed]).toEqual([1, false]);
      over.resolve();
      await turns();
      // It sent what it said, so its connection can be used again.
      expect([client.status.active, connector.connections[0]!.isClosed]).toEqual([0, !keepAlive]);
    }
  });

  it("FastCgiHttpClient does not use a connection again on which more than the announced bytes came", async () => {
    const { client, connector } = scripted(
      answering(() => "Content-Length: 2\r\n\r\nok\n"),
      { keepAlive: true },
    );
    for (let count = 1; count <= 3; count++) {
      expect(await (await client.fetch("http://a.test/")).text()).toBe("ok");
      await turns();
      expect(connector.connections.map(({ isClosed }) => isClosed)).toEqual(Array(count).fill(true));
    }
  });
});

describe("FastCgiHttpClient and FastCgiHttpService", () => {
  it("FastCgiHttpClient carries a request to FastCgiHttpService as it is", async () => {
    const client = clientOf(
      connectorTo(async (request) =>
        Response.json({
          method: request.method,
          url: request.url,
          headers: [...request.headers],
          body: await request.text(),
        }),
      ),
    );
    const init = {
      method: "POST",
      headers: {
        "x-test": "\xe9",
        cookie: "a=1",
        authorization: "Bearer x",
        x_dropped: "1",
        proxy: "http://evil.test/",
        "content-type": "text/plain",
      },
      body: "é",
    };
    const response = await client.fetch("https://example.com:8443/caf%C3%A9//%2f?a=%zz&b", init);
    expect(await response.json()).toEqual({
      method: "POST",
      url: "https://example.com:8443/caf%C3%A9//%2f?a=%zz&b",
      headers: [
        ["authorization", "Bearer x"],
        ["content-length", "2"],
        ["content-type", "text/plain"],
        ["cookie", "a=1"],
        ["host", "example.com:8443"],
        ["x-test", "\xe9"],
      ],
      body: "é",
    });
  });

  it("FastCgiHttpClient streams a body of unknown length to FastCgiHttpService, which reads to its end", async () => {
    const connector = connectorTo(
      async (request) => new Response(`${request.headers.get("content-length")} ${await request.text()}`),
    );
    const client = clientOf(connector, { requestBuffering: "stream" });
    const open = new OpenStream();
    const init = { method: "POST", body: open.stream, duplex: "half" } as RequestInit;
    const response = client.fetch("http://a.test/", init);
    open.write("ab");
    await open.pulled();
    open.write("cd");
    open.close();
    expect(await (await response).text()).toBe("null abcd");
  });

  it("FastCgiHttpClient carries a response of FastCgiHttpService as it is", async () => {
    const client = clientOf(
      connectorTo(() => {
        const headers = new Headers({ "x-a": "\xe9", "content-length": "4", location: "/x" });
        headers.append("set-cookie", "a=1");
        headers.append("set-cookie", "b=2");
        return new Response("body", { status: 404, statusText: "Not Found", headers });
      }),
    );
    const response = await client.fetch("http://a.test/");
    expect([response.status, response.statusText, await response.text()]).toEqual([404, "Not Found", "body"]);
    // Bun lists cookies last.
    expect([...response.headers].toSorted()).toEqual([
      ["content-length", "4"],
      ["content-type", "text/plain;charset=UTF-8"],
      ["location", "/x"],
      ["set-cookie", "a=1"],
      ["set-cookie", "b=2"],
      ["x-a", "\xe9"],
    ]);
  });

  it("FastCgiHttpClient passes a served request on, in both directions", async () => {
    for (const lazyRequest of [true, false]) {
      const backend = clientOf(
        connectorTo(async (request) => new Response(`${request.method} ${request.url} ${await request.text()}`)),
      );
      const proxy = new FastCgiHttpService((request) => backend.fetch(request), { lazyRequest });
      const { web } = new MemoryApplication(proxy.handler).connect();
      await web.send(request(1, { uri: "/path?x=1", body: "body" }), request(2, { uri: "/other" }));
      expect((await web.answer(1)).stdout, String(lazyRequest)).toMatch(/POST http:\/\/example.com\/path\?x=1 body$/);
      expect((await web.answer(2)).stdout, String(lazyRequest)).toMatch(/GET http:\/\/example.com\/other $/);
    }
  });

  it("FastCgiHttpClient takes nothing but the request when it is served itself", async () => {
    const { client, requests } = recording({ script: { filename: "/srv/own.php" } });
    const { web } = new MemoryApplication(new FastCgiHttpService(client.fetch).handler).connect();
    const extra = {
      SCRIPT_FILENAME: "/etc/passwd",
      HTTP_PROXY: "http://evil.test/",
      PHP_VALUE: "auto_prepend_file=php://input",
      REMOTE_ADDR: "192.0.2.7",
    };
    await web.send(request(1, { uri: "/x", body: "body", extra }));
    expect((await web.answer(1)).stdout).toMatch(/answer$/);
    const params = Object.fromEntries(requests[0]!.params);
    expect(params).toMatchObject({ SCRIPT_FILENAME: "/srv/own.php", REMOTE_ADDR: "0.0.0.0", REQUEST_URI: "/x" });
    expect(Object.keys(params)).not.toContain("HTTP_PROXY");
    expect(Object.keys(params)).not.toContain("PHP_VALUE");
    expect(requests[0]!.stdin).toEqual(latin1("body"));
  });

  it("FastCgiHttpClient cancels what it fetches when the request that it serves is aborted", async () => {
    const gone = deferred();
    const { client, connector } = scripted(async (application) => {
      await application.request();
      await application.closedByClient();
      gone.resolve();
    });
    const { web } = new MemoryApplication(new FastCgiHttpService((request) => client.fetch(request)).handler).connect();
    await web.send(request(1));
    await turns();
    await web.send(record(RecordType.AbortRequest, 1));
    await gone.promise;
    expect(connector.connections[0]!.isClosed).toBe(true);
    await web.answer(1);
  });
});
