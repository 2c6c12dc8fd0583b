import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { FastCgiError, type FastCgiListener, type ServeOptions, serve } from "../../adapters/node/index.ts";
import { bodyOf } from "../support/body_of.ts";
import { latin1, sha256 } from "../support/bytes.ts";
import { connectionsOpened } from "../support/connections_opened.ts";
import { abortMidResponse, type HttpRequestOptions, httpOpen, httpRequest, nextPiece } from "../support/http.ts";
import { fastCgiLocation, type Nginx, startNginx } from "../support/nginx.ts";
import { deferred } from "../support/open_stream.ts";
import { patternBytes, patternChunks, patternSha256 } from "../support/pattern.ts";
import { waitUntil } from "../support/process.ts";
import { rawExchange } from "../support/raw_connection.ts";
import type { FastCgiTarget, FastCgiTargets } from "../support/target.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";
import { type Digest, type Echo, InteropApp } from "./app.ts";

// Our server behind a real nginx. Where a test cares about order, it holds the application or the client until it saw what
// came before: nothing here depends on time.

failOnUnhandledRejections();

const MiB = 1024 * 1024;

interface Setup {
  readonly transport: keyof FastCgiTargets;
  readonly connections: "kept" | "closed";
}

/** Our application, listening as nginx is to reach it. */
async function listen(
  { transport }: Setup,
  folder: TemporaryDirectory,
  options: Omit<ServeOptions, "path" | "port">,
): Promise<{ listener: FastCgiListener; target: FastCgiTarget }> {
  if (transport === "tcp") {
    const listener = await serve({ ...options, port: 0 });
    const { port } = listener.address as { port: number };
    return { listener, target: { host: "127.0.0.1", port } };
  }
  const path = join(folder.path, `${++sockets}.sock`);
  return { listener: await serve({ ...options, path }), target: { path } };
}

let sockets = 0;

/** "broken", or the status of a response that looks whole to its client. */
async function outcomeOf(url: string): Promise<string> {
  return httpRequest(url).then(
    ({ status, body }) => `${status} with ${body.length} bytes`,
    () => "broken",
  );
}

const setups: Setup[] = [
  { transport: "tcp", connections: "kept" },
  { transport: "tcp", connections: "closed" },
  { transport: "unix", connections: "kept" },
  { transport: "unix", connections: "closed" },
];

describe.each(setups)("nginx ($transport, $connections connections)", (setup) => {
  const keepConn = setup.connections === "kept";
  let folder: TemporaryDirectory;
  let app: InteropApp;
  let listeners: FastCgiListener[];
  let nginx: Nginx;

  beforeAll(async () => {
    folder = await createTemporaryDirectory("app");
    app = new InteropApp();
    const { fetch, onError } = app;
    const main = await listen(setup, folder, { fetch, onError });
    const limited = await listen(setup, folder, { fetch, onError, maxStdinBytes: 100_000 });
    listeners = [main.listener, limited.listener];
    nginx = await startNginx({
      locations: [
        fastCgiLocation(main.target, { keepConn }),
        fastCgiLocation(main.target, {
          match: "/unbuffered/",
          keepConn,
          buffering: false,
          requestBuffering: false,
        }),
        fastCgiLocation(limited.target, { match: "/limited/", keepConn }),
      ],
    });
  });

  afterAll(async () => {
    await nginx?.stop();
    await Promise.all((listeners ?? []).map((listener) => listener.close({ timeout: 1000 })));
    await folder?.remove();
  });

  async function echo(path: string, options?: HttpRequestOptions): Promise<Echo> {
    const response = await httpRequest(nginx.url + path, options);
    expect(response.status).toBe(200);
    return JSON.parse(response.text());
  }

  /** What the application sees of a request that is sent byte by byte as it stands here. */
  async function rawEcho(target: string, headers = ""): Promise<Echo> {
    const text = await rawExchange(
      nginx.port,
      `GET ${target} HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n${headers}\r\n`,
    );
    expect(text).toMatch(/^HTTP\/1\.1 200\b/);
    // A chunked body of one chunk.
    const json = text.slice(text.indexOf("{"), text.lastIndexOf("}") + 1);
    return JSON.parse(Buffer.from(json, "latin1").toString("utf8"));
  }

  it(`serve gets its requests on ${keepConn ? "one connection" : "a connection each"}`, async () => {
    // One connection may be idle from the tests before.
    await httpRequest(`${nginx.url}/echo`);
    const opened = await connectionsOpened(async () => {
      for (let i = 0; i < 10; i++) await echo(`/echo?${i}`);
    });
    if (keepConn) expect(opened).toBeLessThanOrEqual(1);
    else expect(opened).toBe(10);
  });

  describe("requests", () => {
    it("fetch gets method, URL and variables when it is a GET", async () => {
      const seen = await echo("/echo/a/b?x=1", { headers: { host: "example.test:8080", "x-own": "value" } });
      expect(seen).toMatchObject({
        method: "GET",
        // Debian's fastcgi_params leave the port out.
        url: expect.stringMatching(/^http:\/\/example\.test(:8080)?\/echo\/a\/b\?x=1$/),
        body: "",
        headers: { host: expect.stringMatching(/^example\.test(:8080)?$/), "x-own": "value" },
        params: { REMOTE_ADDR: "127.0.0.1", REQUEST_URI: "/echo/a/b?x=1", SERVER_PROTOCOL: "HTTP/1.1" },
      });
      expect(seen.headers).not.toHaveProperty("content-length");
    });

    it("the client gets the header and no body when it is a HEAD", async () => {
      const response = await httpRequest(`${nginx.url}/big/1000?length`, { method: "HEAD" });
      expect(response.status).toBe(200);
      expect(response.headers["content-length"]).toBe("1000");
      expect(response.body).toHaveLength(0);
      expect(app.errorsOf("/big/1000")).toEqual([]);
    });

    it.each(["POST", "PUT", "PATCH", "DELETE"])("fetch gets a small body when it is a %s", async (method) => {
      const body = "name=J%C3%BCrgen";
      const headers = { "content-type": "application/x-www-form-urlencoded", "content-length": body.length };
      expect(await echo("/echo", { method, body, headers })).toMatchObject({
        method,
        body,
        headers: { "content-type": "application/x-www-form-urlencoded", "content-length": String(body.length) },
      });
    });

    it.each([
      ["", "buffers requests"],
      ["/unbuffered", "does not buffer requests"],
    ])("fetch reads a POST of 10 MiB whole when nginx (%s) %s", async (location) => {
      const bytes = 10 * MiB;
      const headers = { "content-length": bytes };
      const response = await httpRequest(`${nginx.url}${location}/digest`, { headers, body: patternChunks(bytes) });
      const expected: Digest = { bytes, sha256: patternSha256(bytes), contentLength: String(bytes) };
      expect(JSON.parse(response.text())).toEqual(expected);
    });

    it("fetch reads a chunked POST with its length when nginx buffers requests", async () => {
      const bytes = 300_000;
      const response = await httpRequest(`${nginx.url}/digest`, { body: patternChunks(bytes) });
      const expected: Digest = { bytes, sha256: patternSha256(bytes), contentLength: String(bytes) };
      expect(JSON.parse(response.text())).toEqual(expected);
    });

    it("fetch reads a chunked POST without a length when nginx does not buffer requests", async () => {
      const bytes = 10 * MiB;
      const response = await httpRequest(`${nginx.url}/unbuffered/digest`, { body: patternChunks(bytes) });
      const expected: Digest = { bytes, sha256: patternSha256(bytes), contentLength: null };
      expect(JSON.parse(response.text())).toEqual(expected);
    });

    it("fetch reads each piece of a body before the next is sent when nginx does not buffer requests", async () => {
      const seen: string[] = [];
      let onPiece = deferred();
      const path = app.route(async (request) => {
        for await (const piece of request.body!.pipeThrough(new TextDecoderStream())) {
          seen.push(piece);
          onPiece.resolve();
        }
        return new Response("all read");
      });
      async function* pieces(): AsyncGenerator<Uint8Array> {
        for (let i = 0; i < 5; i++) {
          yield latin1(`piece ${i}\n`);
          await onPiece.promise;
          onPiece = deferred();
        }
      }
      const response = await httpRequest(`${nginx.url}/unbuffered${path}`, { body: pieces() });
      expect(response.text()).toBe("all read");
      expect(seen).toEqual(["piece 0\n", "piece 1\n", "piece 2\n", "piece 3\n", "piece 4\n"]);
    });

    it("fetch gets 100 headers", async () => {
      const headers = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`x-header-${i}`, `value ${i}`]));
      expect((await echo("/echo", { headers })).headers).toMatchObject(headers);
    });

    it("fetch gets a header of 6 KB", async () => {
      const value = "v".repeat(6000);
      expect((await echo("/echo", { headers: { "x-long": value } })).headers["x-long"]).toBe(value);
    });

    it("fetch gets all cookies in one header", async () => {
      const response = await httpRequest(`${nginx.url}/cookies`, { headers: { cookie: "a=1; b=two words" } });
      expect(response.text()).toBe("a=1; b=two words");
    });

    it("fetch gets repeated headers joined when the client sends several lines", async () => {
      const lines = "Cookie: a=1\r\nCookie: b=2\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.2\r\n";
      const { headers } = await rawEcho("/echo", lines);
      expect(headers.cookie).toBe("a=1; b=2");
      expect(headers["x-forwarded-for"]).toBe("192.0.2.1, 192.0.2.2");
    });

    it("fetch does not get the headers that stand for something else", async () => {
      const lines = "Proxy: http://evil.test\r\nContent-Length: 3\r\n";
      const text = await rawExchange(
        nginx.port,
        `POST /echo HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n${lines}\r\nabc`,
      );
      const { headers }: Echo = JSON.parse(text.slice(text.indexOf("{"), text.lastIndexOf("}") + 1));
      expect(headers).not.toHaveProperty("proxy");
      expect(headers["content-length"]).toBe("3");
    });

    it.each([
      ["raw", "/echo/caf\xc3\xa9/\xff?q=\xc3\xbc", "/echo/caf%C3%A9/%FF?q=%C3%BC"],
      ["percent-encoded", "/echo/caf%C3%A9/%ff?q=%c3%bc", "/echo/caf%C3%A9/%ff?q=%c3%bc"],
    ])("request.url has every byte of the path when it is not ASCII and %s", async (_, target, path) => {
      const seen = await rawEcho(target);
      expect(seen.url).toBe(`http://example.test${path}`);
      expect(seen.params.REQUEST_URI).toBe(target);
    });

    it("headers keep every byte when they are not ASCII", async () => {
      const bytes = Buffer.from("grün 日本").toString("latin1");
      const response = await httpRequest(`${nginx.url}/bytes`, { headers: { "x-bytes": bytes } });
      expect(response.headers["x-bytes"]).toBe(bytes);
      expect(response.headers["x-latin"]).toBe("caf\xe9 \x80\xff");
    });

    it.each(["a=1&&b=&=c&d", "a=%2f%2F&b=%zz&c=100%", "a=+%20+&b=x+y", "a?b?c=/../d//e", "a=~!*()$@:;,[]{}|^`\\", "&"])(
      "request.url keeps the query byte for byte when it is %s",
      async (query) => {
        const seen = await rawEcho(`/echo?${query}`);
        expect(seen.url).toBe(`http://example.test/echo?${query.replace("\\", "%5C")}`);
        expect(seen.params.QUERY_STRING).toBe(query);
      },
    );
  });

  describe("responses", () => {
    it("the client gets each Set-Cookie in a line of its own", async () => {
      const { headerLines } = await httpRequest(`${nginx.url}/cookies`);
      const lines = headerLines.filter(([name]) => name.toLowerCase() === "set-cookie").map(([, value]) => value);
      expect(lines).toEqual([
        "first=1; Path=/",
        "second=a, b; HttpOnly",
        "third=3; Expires=Tue, 01 Jan 2030 00:00:00 GMT",
      ]);
    });

    it.each([200, 201, 204, 304, 400, 404, 418, 500, 503, 599])("the client gets status %i", async (code) => {
      const response = await httpRequest(`${nginx.url}/status/${code}`);
      expect(response.status).toBe(code);
      expect(response.reason).toBe(`Status ${code}`);
      expect(response.text()).toBe(code === 204 || code === 304 ? "" : `status ${code}\n`);
    });

    it("the client gets a redirect as 302 with its Location", async () => {
      const response = await httpRequest(`${nginx.url}/redirect`);
      expect(response.status).toBe(302);
      expect(response.headers.location).toBe("http://example.test/elsewhere?x=1");
      expect(response.text()).toBe("");
    });

    it("the client gets a 500 that says nothing, and onError the reason, when fetch throws", async () => {
      const response = await httpRequest(`${nginx.url}/throw/secret`);
      expect(response.status).toBe(500);
      expect(response.text()).toBe("Internal Server Error\n");
      expect(app.errorsOf("/throw/secret")).toEqual([new Error("thrown for secret")]);
    });

    it.each([
      ["", "with", "?length"],
      ["", "without", ""],
      ["/unbuffered", "with", "?length"],
      ["/unbuffered", "without", ""],
    ])("the client gets a response of 10 MiB whole (at %s/, %s Content-Length)", async (location, _, query) => {
      const bytes = 10 * MiB;
      const response = await httpRequest(`${nginx.url}${location}/big/${bytes}${query}`);
      expect(response.headers["content-length"]).toBe(query === "" ? undefined : String(bytes));
      expect([response.body.length, sha256(response.body)]).toEqual([bytes, patternSha256(bytes)]);
    });

    it("the client gets each chunk of a stream before the next is made", async () => {
      const chunks = new TransformStream<string, string>(undefined, undefined, { highWaterMark: 1 });
      const writer = chunks.writable.getWriter();
      const path = app.route(() => new Response(chunks.readable.pipeThrough(new TextEncoderStream())));
      const opening = httpOpen(`${nginx.url}/unbuffered${path}`);
      await writer.write("chunk 0\n");
      const response = await opening;
      expect(await nextPiece(response)).toBe("chunk 0\n");
      for (let i = 1; i < 5; i++) {
        await writer.write(`chunk ${i}\n`);
        expect(await nextPiece(response)).toBe(`chunk ${i}\n`);
      }
      await writer.close();
      await expect(nextPiece(response)).rejects.toThrow("The response has ended");
    });

    it("the client gets the header before there is a body, however long the header is", async () => {
      // nginx does not pass a header on while padding follows it, so every length modulo eight counts.
      const lengths = Array.from({ length: 8 }, (_, length) => length);
      const headerOnly = async (length: number): Promise<string> => {
        const body = deferred();
        async function* later(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
          await body.promise;
          yield latin1("later");
        }
        const headers = { "x-length": "x".repeat(length) };
        const path = app.route(() => new Response(bodyOf(later()), { headers }));
        const opening = httpOpen(`${nginx.url}/unbuffered${path}`, { signal: AbortSignal.timeout(60_000) });
        const status = await opening.then(
          (response) => `${response.statusCode}`,
          () => "held back",
        );
        body.resolve();
        return status;
      };
      expect(await Promise.all(lengths.map(headerOnly))).toEqual(lengths.map(() => "200"));
    });

    it("the client gets a 413, and onError the limit, when the body has more than maxStdinBytes", async () => {
      const headers = { "content-length": 100_001 };
      const response = await httpRequest(`${nginx.url}/limited/digest`, { headers, body: patternChunks(100_001) });
      expect(response.status).toBe(413);
      const limit = expect.objectContaining({ code: "limit", limit: "maxStdinBytes" });
      expect(app.errorsOf("/limited/digest")).toEqual([limit]);
      const fits = await httpRequest(`${nginx.url}/limited/digest`, { body: patternBytes(100_000) });
      expect(fits.status).toBe(200);
    });

    it.each(["", "/unbuffered"])(
      "the client gets an early answer whole when nobody reads its 10 MiB (at %s/)",
      async (location) => {
        const headers = { "content-length": 10 * MiB };
        // More than once: what is left of one request must not harm the next on the same connection.
        for (let i = 0; i < 5; i++) {
          const response = await httpRequest(`${nginx.url}${location}/early`, {
            headers,
            body: patternChunks(10 * MiB),
          });
          expect([response.status, response.text()]).toEqual([403, "no, thank you\n"]);
        }
        expect((await echo("/echo")).method).toBe("GET");
      },
    );
  });

  describe("responses that break off", () => {
    // Whatever nginx makes of it, it must not be a response that looks whole.
    it.each([
      ["", 0],
      ["", 1000],
      ["", MiB],
      ["/unbuffered", 0],
      ["/unbuffered", 1000],
      ["/unbuffered", MiB],
    ])("the client sees a broken transfer when the body fails (at %s/, after %i bytes)", async (location, bytes) => {
      const failure = new Error("broken half way");
      const path = app.route(() => {
        async function* pieces(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
          for (const piece of patternChunks(bytes)) {
            // The header is on its way before this.
            await new Promise((resolve) => setImmediate(resolve));
            yield piece;
          }
          await new Promise((resolve) => setImmediate(resolve));
          throw failure;
        }
        return new Response(bodyOf(pieces()));
      });
      expect(await outcomeOf(nginx.url + location + path)).toBe("broken");
      expect(app.errorsOf(location + path)).toEqual([failure]);
      expect((await echo("/echo")).method).toBe("GET");
    });

    it("the client sees a broken transfer when the body fails after the client got the first chunk", async () => {
      const failure = new Error("broken half way");
      const fail = deferred();
      async function* pieces(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
        yield latin1("a chunk");
        await fail.promise;
        throw failure;
      }
      const path = app.route(() => new Response(bodyOf(pieces())));
      const response = await httpOpen(`${nginx.url}/unbuffered${path}`);
      expect(await nextPiece(response)).toBe("a chunk");
      fail.resolve();
      await expect(nextPiece(response)).rejects.not.toThrow("The response has ended");
      expect(app.errorsOf(`/unbuffered${path}`)).toEqual([failure]);
    });

    it.each(["", "/unbuffered"])(
      "the client sees a broken transfer when the body is shorter than Content-Length (at %s/)",
      async (location) => {
        const path = app.route(() => {
          const body = bodyOf(patternChunks(100_000));
          return new Response(body, { headers: { "content-length": "200000" } });
        });
        expect(await outcomeOf(nginx.url + location + path)).toBe("broken");
        expect(app.errorsOf(location + path)).toEqual([expect.objectContaining({ code: "lengthMismatch" })]);
      },
    );
  });

  describe("clients that leave", () => {
    it.each(["", "/unbuffered"])(
      "request.signal fires and the body is cancelled in the middle of a response (at %s/)",
      async (location) => {
        const aborted = deferred<unknown>();
        const cancelled = deferred<unknown>();
        const path = app.route((request) => {
          request.signal.addEventListener("abort", () => aborted.resolve(request.signal.reason.cause));
          let sent = 0;
          const endless = new ReadableStream<Uint8Array<ArrayBuffer>>({
            async pull(controller) {
              await new Promise((resolve) => setImmediate(resolve));
              controller.enqueue(patternBytes(65_536, sent));
              sent += 65_536;
            },
            cancel: (reason) => cancelled.resolve(reason),
          });
          return new Response(endless);
        });
        await abortMidResponse(nginx.url + location + path, 1000);
        const reason = await aborted.promise;
        expect(reason).toBeInstanceOf(FastCgiError);
        expect(["aborted", "connectionClosed"]).toContain((reason as FastCgiError).code);
        expect(await cancelled.promise).toBe(reason);
      },
    );

    it.each(["", "/unbuffered"])("request.signal fires while fetch is still thinking (at %s/)", async (location) => {
      const started = deferred();
      const aborted = deferred<unknown>();
      const path = app.route(async (request) => {
        request.signal.addEventListener("abort", () => aborted.resolve(request.signal.reason));
        started.resolve();
        await aborted.promise;
        return new Response("for nobody");
      });
      const client = new AbortController();
      const response = httpRequest(nginx.url + location + path, { signal: client.signal });
      const failed = expect(response).rejects.toThrow("aborted");
      await started.promise;
      client.abort();
      await failed;
      const reason = (await aborted.promise) as DOMException;
      expect(reason.name).toBe("AbortError");
      expect(["aborted", "connectionClosed"]).toContain((reason.cause as FastCgiError).code);
      expect((await echo("/echo")).method).toBe("GET");
    });

    it("the request body fails when the client leaves in the middle of its upload", async () => {
      const reading = deferred();
      const failed = deferred<unknown>();
      const path = app.route(async (request) => {
        const reader = request.body!.getReader();
        try {
          await reader.read();
          reading.resolve();
          for (;;) if ((await reader.read()).done) throw new Error("The body ended as if it were whole");
        } catch (error) {
          failed.resolve(error);
          throw error;
        }
      });
      const client = new AbortController();
      async function* half(): AsyncGenerator<Uint8Array> {
        yield patternBytes(1000);
        await new Promise(() => {});
      }
      const options = { signal: client.signal, headers: { "content-length": 2000 }, body: half() };
      const response = httpRequest(`${nginx.url}/unbuffered${path}`, { ...options, method: "POST" });
      const rejected = expect(response).rejects.toThrow();
      await reading.promise;
      client.abort();
      await rejected;
      const error = (await failed.promise) as FastCgiError;
      expect(error).toBeInstanceOf(FastCgiError);
      expect(["aborted", "connectionClosed", "lengthMismatch"]).toContain(error.code);
    });
  });

  it("2,000 requests on 50 client connections are all answered, each with its own answer", async () => {
    let next = 0;
    const client = async (): Promise<void> => {
      for (let id = ++next; id <= 2000; id = ++next) {
        const hasBody = id % 2 === 0;
        const init = hasBody ? { method: "POST", body: `body ${id}` } : {};
        const response = await fetch(`${nginx.url}/echo/${id}?id=${id}`, init);
        expect(response.status).toBe(200);
        const seen = (await response.json()) as Echo;
        expect(seen.params.QUERY_STRING).toBe(`id=${id}`);
        expect(seen.body).toBe(hasBody ? `body ${id}` : "");
        expect(app.errorsOf(`/echo/${id}`)).toEqual([]);
      }
    };
    await Promise.all(Array.from({ length: 50 }, client));
  });

  it("close lets the requests that run finish and takes no more", async () => {
    const own = new InteropApp();
    const { listener, target } = await listen(setup, folder, { fetch: own.fetch, onError: own.onError });
    const server = await startNginx({ locations: [fastCgiLocation(target, { keepConn, buffering: false })] });
    onTestFinished(() => server.stop());
    onTestFinished(() => listener.close({ timeout: 1000 }));
    const release = deferred();
    let running = 0;
    const thinking = own.route(async () => {
      running++;
      await release.promise;
      return new Response("thought");
    });
    const talking = own.route(() => {
      async function* words(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
        yield latin1("first ");
        await release.promise;
        yield latin1("last");
      }
      return new Response(bodyOf(words()));
    });
    const thoughts = Array.from({ length: 4 }, () => httpRequest(server.url + thinking));
    const talk = await httpOpen(server.url + talking);
    expect(await nextPiece(talk)).toBe("first ");
    await waitUntil(() => running === thoughts.length);

    let isClosed = false;
    const closing = listener.close().then(() => {
      isClosed = true;
    });
    await waitUntil(async () => (await httpRequest(`${server.url}/echo`)).status === 502);
    expect(isClosed).toBe(false);

    release.resolve();
    for (const response of await Promise.all(thoughts)) {
      expect([response.status, response.text()]).toEqual([200, "thought"]);
    }
    expect(await nextPiece(talk)).toBe("last");
    await expect(nextPiece(talk)).rejects.toThrow("The response has ended");
    await closing;
    await listener.closed;
    expect([own.errorsOf(thinking), own.errorsOf(talking)]).toEqual([[], []]);
  });
});
