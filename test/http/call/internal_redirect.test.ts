import { describe, expect, it, vi } from "vitest";
import {
  FastCgiHttpClient,
  type FastCgiHttpClientOptions,
  type InternalRedirectOptions,
  RecordType,
} from "../../../src/toolkit.ts";
import { latin1 } from "../../support/bytes.ts";
import { closingClients } from "../../support/closing_clients.ts";
import { collectGarbage } from "../../support/memory.ts";
import { record } from "../../support/records.ts";
import {
  answer,
  answering,
  type ReceivedRequest,
  type Script,
  ScriptedConnector,
  stdout,
} from "../../support/scripted_application.ts";
import { drain, streamOf } from "../../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const closing = closingClients();

interface Scripted {
  client: FastCgiHttpClient;
  connector: ScriptedConnector;
}

function scripted(script: Script, options: FastCgiHttpClientOptions = {}): Scripted {
  const connector = new ScriptedConnector(script);
  const client = closing(new FastCgiHttpClient(connector, options));
  return { client, connector };
}

/** An application that answers by its REQUEST_URI, and the requests that it had. */
function site(pages: Readonly<Record<string, string>>, options: FastCgiHttpClientOptions = {}) {
  const requests: ReceivedRequest[] = [];
  const script = answering((request) => {
    requests.push(request);
    return pages[request.params.get("REQUEST_URI")!] ?? "Status: 404\r\n\r\nnot there";
  });
  return { ...scripted(script, options), requests };
}

const toTarget = { "/from": "Location: /target?a=1\r\n\r\n", "/target?a=1": "X-A: 1\r\n\r\nthe target" };

describe("onLocalRedirect", () => {
  /** A client whose hook asks the same application, as a gateway would have it. */
  function following(pages: Readonly<Record<string, string>>, options: FastCgiHttpClientOptions = {}) {
    const hook = vi.fn((request: Request): Promise<Response> => made.client.fetch(request));
    const made = site(pages, { onLocalRedirect: hook, ...options });
    return { ...made, hook };
  }

  it("FastCgiHttpClient answers a local redirect with what the hook answers", async () => {
    const { client, requests, hook } = following(toTarget);
    const response = await client.fetch("http://a.test:8080/from");
    expect([response.status, response.headers.get("x-a"), await response.text()]).toEqual([200, "1", "the target"]);
    expect(response.headers.has("location")).toBe(false);
    expect(requests.map(({ params }) => params.get("REQUEST_URI"))).toEqual(["/from", "/target?a=1"]);
    expect(requests[1]!.params.get("QUERY_STRING")).toBe("a=1");
    expect(hook.mock.calls[0]![0].url).toBe("http://a.test:8080/target?a=1");
  });

  it("FastCgiHttpClient follows a local redirect of a POST by GET, without its body and what describes it", async () => {
    const { client, requests, hook } = following(toTarget);
    const headers = {
      "content-type": "a/b",
      "content-length": "3",
      "transfer-encoding": "chunked",
      "content-encoding": "br",
      "content-language": "en",
      "content-location": "/x",
      expect: "100-continue",
      cookie: "c=1",
      authorization: "Basic x",
    };
    const response = await client.fetch("http://a.test/from", { method: "POST", body: "abc", headers });
    expect(await response.text()).toBe("the target");
    const [first, second] = requests;
    expect([first!.params.get("REQUEST_METHOD"), Buffer.from(first!.stdin).toString()]).toEqual(["POST", "abc"]);
    expect([second!.params.get("REQUEST_METHOD"), second!.stdin.length]).toEqual(["GET", 0]);
    expect([second!.params.get("CONTENT_LENGTH"), second!.params.get("CONTENT_TYPE")]).toEqual(["", ""]);
    expect([second!.params.get("HTTP_COOKIE"), second!.params.get("HTTP_AUTHORIZATION")]).toEqual(["c=1", "Basic x"]);
    const names = [...second!.params.keys()].filter((name) => /CONTENT_[ELO]|EXPECT/.test(name));
    expect(names).toEqual(["CONTENT_LENGTH"]);
    expect([...hook.mock.calls[0]![0].headers.keys()].sort()).toEqual(["authorization", "cookie"]);
  });

  it("FastCgiHttpClient follows a local redirect of a HEAD by HEAD", async () => {
    const { client, requests } = following({ "/from": "Location: /to\r\n\r\n", "/to": "Content-Length: 9\r\n\r\n" });
    const response = await client.fetch("http://a.test/from", { method: "HEAD" });
    expect([response.status, response.body, response.headers.get("content-length")]).toEqual([200, null, "9"]);
    expect(requests.map(({ params }) => params.get("REQUEST_METHOD"))).toEqual(["HEAD", "HEAD"]);
  });

  it("FastCgiHttpClient leads a local redirect nowhere but to the same host", async () => {
    const table: [location: string, url: string][] = [
      ["/a%20b?c=%26", "https://a.test:8443/a%20b?c=%26"],
      ["/café?é", "https://a.test:8443/caf%C3%A9?%C3%A9"],
      ["/x/../../y/./z", "https://a.test:8443/y/z"],
      ["/.//b.test/x", "https://a.test:8443//b.test/x"],
      ["/@b.test:1/?//c.test", "https://a.test:8443/@b.test:1/?//c.test"],
      ["/%0d%0aX:1", "https://a.test:8443/%0d%0aX:1"],
      ["/?", "https://a.test:8443/"],
    ];
    for (const [location, url] of table) {
      const urls: string[] = [];
      const { client } = site(
        { "/from?q": `Location: ${location}\r\n\r\n` },
        {
          onLocalRedirect: (request) => {
            urls.push(request.url);
            return new Response();
          },
        },
      );
      await client.fetch("https://a.test:8443/from?q#fragment");
      expect(
        urls.map((given) => given.replace(/\?$/, "")),
        location,
      ).toEqual([url]);
    }
  });

  it("FastCgiHttpClient passes on responses that are no local redirects, and without a hook all of them", async () => {
    const table: [output: string, status: number, location: string][] = [
      ["Location: https://a.test/x", 302, "https://a.test/x"],
      ["Location: //b.test/x", 302, "//b.test/x"],
      ["Location: /\\b.test/x", 302, "/\\b.test/x"],
      ["Location: /x#fragment", 302, "/x#fragment"],
      ["Status: 302 Found\r\nLocation: /x", 302, "/x"],
      ["Content-Type: a/b\r\nLocation: /x", 302, "/x"],
      ["Set-Cookie: a=1\r\nLocation: /x", 302, "/x"],
    ];
    for (const [output, status, location] of table) {
      const { client, hook } = following({ "/": `${output}\r\n\r\nbody` });
      const response = await client.fetch("http://a.test/");
      expect([response.status, response.headers.get("location"), await response.text()]).toEqual([
        status,
        location,
        "body",
      ]);
      expect(hook).not.toHaveBeenCalled();
    }
    const { client } = site(toTarget);
    const response = await client.fetch("http://a.test/from");
    expect([response.status, response.headers.get("location")]).toEqual([302, "/target?a=1"]);
  });

  it("FastCgiHttpClient rejects when more than maxLocalRedirects follow one another", async () => {
    const pages = Object.fromEntries(
      Array.from({ length: 10 }, (_, index) => [`/${index}`, `Location: /${index + 1}\r\n\r\n`]),
    );
    const { client, requests } = following({ ...pages, "/10": "X-A: 1\r\n\r\nthere" });
    expect(await (await client.fetch("http://a.test/0")).text()).toBe("there");
    const loop = following({ "/": "Location: /\r\n\r\n" });
    await expect(loop.client.fetch("http://a.test/")).rejects.toMatchObject({
      code: "limit",
      limit: "maxLocalRedirects",
      message: 'Cannot follow the local redirect to "/": more than 10 in a row',
    });
    expect([requests.length, loop.requests.length]).toEqual([11, 11]);
    const short = following({ "/": "Location: /\r\n\r\n" }, { maxLocalRedirects: 1 });
    await expect(short.client.fetch("http://a.test/")).rejects.toMatchObject({ limit: "maxLocalRedirects" });
    expect(short.requests.length).toBe(2);
  });

  it("FastCgiHttpClient counts local redirects between two clients, and where the hook adds something of its own", async () => {
    const other = site(
      { "/": "Location: /\r\n\r\n" },
      { onLocalRedirect: (request) => one.client.fetch(request, { params: { X: "1" }, headers: { "x-a": "1" } }) },
    );
    const one = following(
      { "/": "Location: /\r\n\r\n" },
      { onLocalRedirect: (request) => other.client.fetch(request) },
    );
    await expect(one.client.fetch("http://a.test/")).rejects.toMatchObject({ limit: "maxLocalRedirects" });
    expect([one.requests.length, other.requests.length]).toEqual([6, 5]);
    expect(one.requests[1]!.params.get("HTTP_X_A")).toBe("1");
  });

  it("FastCgiHttpClient gives a request of a local redirect the params and addresses of the first, unless others are given", async () => {
    const init = { remoteAddress: "192.0.2.1", serverPort: 81, params: { REMOTE_USER: "a" } };
    const { client, requests } = following(toTarget);
    await client.fetch("http://a.test/from", init);
    const own = following(toTarget, {
      onLocalRedirect: (request) =>
        own.client.fetch(request, { remoteAddress: undefined, serverPort: 82, params: { X: "1" } }),
    });
    await own.client.fetch(new Request("http://a.test/from"), init);
    const names = ["REMOTE_ADDR", "SERVER_PORT", "REMOTE_USER", "X"];
    const seen = [requests[1]!, own.requests[1]!].map(({ params }) => names.map((name) => params.get(name)));
    expect(seen).toEqual([
      ["192.0.2.1", "81", "a", undefined],
      ["192.0.2.1", "82", undefined, "1"],
    ]);
  });

  it("FastCgiHttpClient passes on what the hook fails with, and refuses what is no Response", async () => {
    const reason = new Error("The hook failed");
    for (const hook of [() => Promise.reject(reason), () => throwing(reason)]) {
      const { client, connector } = site(toTarget, { onLocalRedirect: hook });
      await expect(client.fetch("http://a.test/from")).rejects.toBe(reason);
      await turns();
      expect(connector.connections.map(({ isClosed }) => isClosed)).toEqual([true]);
    }
    const { client } = site(toTarget, { onLocalRedirect: (() => undefined) as never });
    await expect(client.fetch("http://a.test/from")).rejects.toThrow(
      new TypeError("Cannot answer the request: expected a Response of onLocalRedirect, got undefined"),
    );
  });

  it("FastCgiHttpClient cancels the body of a request whose local redirect fails", async () => {
    let cancelled: unknown;
    const body = new ReadableStream<Uint8Array>({
      pull: () => new Promise(() => {}),
      cancel: (reason) => {
        cancelled = reason;
      },
    });
    const reason = new Error("The hook failed");
    const { client } = scripted(
      async (application) => {
        await application.next();
        await application.send(answer(1, "Location: /x\r\n\r\n"));
      },
      { onLocalRedirect: () => throwing(reason), requestBuffering: "measure" },
    );
    const headers = { "content-length": "5" };
    const request = client.fetch("http://a.test/", { method: "POST", body, headers, duplex: "half" } as RequestInit);
    await expect(request).rejects.toBe(reason);
    await turns();
    expect(cancelled).toBeDefined();
  });

  it("FastCgiHttpClient keeps a connection whose answer was a local redirect", async () => {
    const { client, connector } = following(toTarget, { keepAlive: true });
    for (let count = 0; count < 3; count++) {
      expect(await (await client.fetch("http://a.test/from")).text()).toBe("the target");
      await turns();
    }
    expect(connector.connections.length).toBeLessThanOrEqual(2);
    expect(connector.connections.some(({ isClosed }) => isClosed)).toBe(false);
  });

  it("FastCgiHttpClient does not wait for the end of a local redirect, and bounds what it reads of its body", async () => {
    const { client, connector } = scripted(
      async (application) => {
        await application.request();
        await application.send(stdout(1, "Location: /x\r\n\r\n"));
        for (let count = 0; count < 100; count++) await application.send(stdout(1, "x".repeat(1000)));
      },
      { onLocalRedirect: () => new Response("the hook's"), maxDrainBytes: 50_000 },
    );
    expect(await (await client.fetch("http://a.test/")).text()).toBe("the hook's");
    await vi.waitFor(() => expect(connector.connections[0]!.isClosed).toBe(true));
  });

  it("FastCgiHttpClient follows a local redirect with the only connection there may be, whatever body came with it", async () => {
    const pages = { ...toTarget, "/from": `Location: /target?a=1\r\n\r\n${"x".repeat(50_000)}` };
    const { client } = following(pages, { maxConnections: 1, maxQueuedBytes: 1000 });
    expect(await (await client.fetch("http://a.test/from")).text()).toBe("the target");
  });

  it("FastCgiHttpClient cancels a response that a local redirect led to with the signal of the first request", async () => {
    const controller = new AbortController();
    const { client } = scripted(
      async (application, connection) => {
        await application.request();
        if (connection === 1) return application.send(answer(1, "Location: /x\r\n\r\n"));
        await application.send(stdout(1, "X-A: 1\r\n\r\npart"));
        await application.closedByClient();
      },
      { onLocalRedirect: (request) => client.fetch(request) },
    );
    const response = await client.fetch("http://a.test/", { signal: controller.signal });
    // On Node 20 the signal of a Request stops following another's when that other Request is collected.
    for (let count = 0; count < 3; count++) {
      await turns();
      collectGarbage();
    }
    const reason = new Error("Enough");
    controller.abort(reason);
    expect(await drain(response.body!)).toEqual({ bytes: latin1("part"), error: reason });
  });
});

describe("onAccelRedirect, onSendFile", () => {
  const output =
    "Status: 203 Other\r\nContent-Type: a/b\r\nSet-Cookie: a=1\r\nContent-Length: 3\r\nContent-Encoding: br\r\n" +
    "Content-Range: bytes 0-2/9\r\n" +
    "X-Accel-Redirect: /in/café\r\nX-Sendfile: /srv/é.txt\r\nX-Accel-Buffering: no\r\n\r\nabc";
  const page = { "/": output };

  it("FastCgiHttpClient answers X-Accel-Redirect and X-Sendfile with what the hook answers", async () => {
    const calls: unknown[][] = [];
    const hook = (target: string, request: Request, head: Response): Response => {
      calls.push([target, request.url, head.body]);
      return new Response("the file", head);
    };
    const table: [options: InternalRedirectOptions, target: string][] = [
      [{ onAccelRedirect: hook }, "/in/café"],
      [{ onSendFile: hook }, "/srv/é.txt"],
      [{ onAccelRedirect: hook, onSendFile: () => throwing(new Error("Not this one")) }, "/in/café"],
    ];
    for (const [options, target] of table) {
      const { client, connector } = site(page, options);
      const response = await client.fetch("http://a.test/");
      expect([response.status, response.statusText, await response.text()]).toEqual([203, "Other", "the file"]);
      // Bun lists cookies last.
      expect([...response.headers].toSorted()).toEqual([
        ["content-type", "a/b"],
        ["set-cookie", "a=1"],
        ["x-accel-buffering", "no"],
      ]);
      expect(calls.splice(0)).toEqual([[target, "http://a.test/", null]]);
      await turns();
      expect(connector.connections.map(({ isClosed }) => isClosed)).toEqual([true]);
    }
  });

  it("FastCgiHttpClient drops X-Accel-Redirect and X-Sendfile without a hook, and passes the rest as it is", async () => {
    const { client } = site(page, { onLocalRedirect: () => throwing(new Error("Not this one")) });
    const response = await client.fetch("http://a.test/");
    expect([response.status, await response.text()]).toEqual([203, "abc"]);
    expect([...response.headers.keys()].toSorted()).toEqual([
      "content-encoding",
      "content-length",
      "content-range",
      "content-type",
      "set-cookie",
      "x-accel-buffering",
    ]);
  });

  it("FastCgiHttpClient asks a hook about a response without a body, too", async () => {
    const { client } = site(
      { "/": "Status: 204\r\nX-Sendfile: /srv/a.txt\r\n\r\n" },
      { onSendFile: (target, _request, { status }) => new Response(`${status} ${target}`) },
    );
    expect(await (await client.fetch("http://a.test/")).text()).toBe("204 /srv/a.txt");
  });

  it("FastCgiHttpClient lets a hook pass a header on, to a web server in front that follows it", async () => {
    const { client } = site(page, {
      onAccelRedirect: (target, _request, head) => {
        head.headers.set("x-accel-redirect", encodeURI(target));
        return head;
      },
    });
    const response = await client.fetch("http://a.test/");
    expect([response.status, response.headers.get("x-accel-redirect"), await response.text()]).toEqual([
      203,
      "/in/caf%C3%A9",
      "",
    ]);
  });

  it("FastCgiHttpClient calls onLocalRedirect only for a Location without other fields", async () => {
    const onLocalRedirect = vi.fn();
    const { client } = site(
      { "/": "Location: /x\r\nX-Sendfile: /y\r\n\r\n" },
      { onLocalRedirect, onSendFile: (target) => new Response(target) },
    );
    expect(await (await client.fetch("http://a.test/")).text()).toBe("/y");
    expect(onLocalRedirect).not.toHaveBeenCalled();
  });

  it("FastCgiHttpClient asks no hook for other responses", async () => {
    const hook = (): never => throwing(new Error("Not this one"));
    const { client } = site(
      { "/": "X-A: 1\r\n\r\nabc" },
      { onLocalRedirect: hook, onAccelRedirect: hook, onSendFile: hook },
    );
    expect(await (await client.fetch("http://a.test/")).text()).toBe("abc");
  });

  it("FastCgiHttpClient asks no hook about a response that asks for the other kind of file", async () => {
    const hook = (): never => throwing(new Error("Not this one"));
    for (const [field, options] of [
      ["X-Sendfile", { onAccelRedirect: hook }],
      ["X-Accel-Redirect", { onSendFile: hook }],
    ] as const) {
      const { client } = site({ "/": `${field}: /x\r\n\r\nabc` }, options);
      const response = await client.fetch("http://a.test/");
      expect([await response.text(), [...response.headers]]).toEqual(["abc", []]);
    }
  });

  it("FastCgiHttpClient passes on what a hook fails with, and bounds what it reads of the body in its place", async () => {
    const reason = new Error("No such file");
    for (const name of ["onAccelRedirect", "onSendFile"]) {
      const { client, connector } = scripted(
        async (application) => {
          await application.request();
          await application.send(stdout(1, output.replace(/Content-Length.*\r\n/, "")));
          for (let count = 0; count < 100; count++)
            await application.send(record(RecordType.Stdout, 1, latin1("x".repeat(1000))));
        },
        { [name]: () => Promise.reject(reason), maxDrainBytes: 50_000 },
      );
      await expect(
        client.fetch("http://a.test/", { method: "POST", body: streamOf(latin1("x")), duplex: "half" } as RequestInit),
      ).rejects.toBe(reason);
      await vi.waitFor(() => expect(connector.connections[0]!.isClosed).toBe(true));
      const wrong = site(page, { [name]: () => "text" });
      await expect(wrong.client.fetch("http://a.test/")).rejects.toThrow(`expected a Response of ${name}, got string`);
    }
  });
});

function throwing(reason: unknown): never {
  throw reason;
}
