import { createHash } from "node:crypto";
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import {
  FastCgiHttpClient,
  type FastCgiHttpClientOptions,
  type FastCgiHttpConnector,
  FastCgiTcpConnector,
  FastCgiUnixConnector,
} from "../../adapters/node/index.ts";
import { fromStreams } from "../../src/toolkit.ts";
import { latin1, sha256 } from "../support/bytes.ts";
import { fastCgiErrorOf } from "../support/failures.ts";
import { pass, useFakeTime } from "../support/fake_time.ts";
import { freePort } from "../support/free_port.ts";
import { deferred } from "../support/open_stream.ts";
import { patternBytes, patternChunks, patternSha256 } from "../support/pattern.ts";
import { connectorTo, counting, startPool } from "../support/php_client.ts";
import { type PhpFpm, phpScripts, startPhpFpm } from "../support/php_fpm.ts";
import { waitUntil } from "../support/process.ts";
import { createTemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";
import { Gate } from "./php/gate.ts";

failOnUnhandledRejections();

const MiB = 1024 * 1024;

function streamFrom(pieces: Iterable<Uint8Array<ArrayBuffer>>): ReadableStream<Uint8Array<ArrayBuffer>> {
  const iterator = pieces[Symbol.iterator]();
  return new ReadableStream({
    pull(controller) {
      const { done, value } = iterator.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  });
}

/** A POST whose body is streamed, with its length in a header. */
function upload(length: number, pieces: Iterable<Uint8Array<ArrayBuffer>> = patternChunks(length)): RequestInit {
  const init: RequestInit & { duplex: "half" } = {
    method: "POST",
    headers: { "content-length": String(length), "content-type": "application/octet-stream" },
    body: streamFrom(pieces),
    duplex: "half",
  };
  return init;
}

async function bodyDigest(response: Response, beforeEachPiece?: () => Promise<void>): Promise<[number, string]> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const piece of response.body!) {
    await beforeEachPiece?.();
    bytes += piece.length;
    hash.update(piece);
  }
  return [bytes, hash.digest("hex")];
}

/** A connector whose connections tell when they are not read any more. */
function tellingOfPauses(connector: FastCgiHttpConnector, onPause: () => void): FastCgiHttpConnector {
  return {
    preset: connector.preset,
    async connect(options) {
      const channel = fromStreams(await connector.connect(options));
      return {
        start: (events) => channel.start(events),
        pause() {
          onPause();
          channel.pause();
        },
        resume: () => channel.resume(),
        write: (pieces) => channel.write(pieces),
        end: () => channel.end(),
        close: (reason) => channel.close(reason),
      };
    },
  };
}

async function openGate(): Promise<Gate> {
  const gate = await Gate.create();
  onTestFinished(() => gate.remove());
  return gate;
}

describe.each(["unix", "tcp"] as const)("php-fpm (%s)", (listen) => {
  let php: PhpFpm;

  beforeAll(async () => {
    php = await startPhpFpm({ listen, pool: { "pm.max_children": "8" } });
  });
  afterAll(() => php?.stop());

  const client = (script: string, options?: FastCgiHttpClientOptions): FastCgiHttpClient =>
    new FastCgiHttpClient(connectorTo(php.target, script), options);

  describe("FastCgiHttpClient.fetch", () => {
    it("fetch resolves with the response of a script", async () => {
      const response = await client("hello.php").fetch("http://example.test/hello.php");
      expect(response.status).toBe(200);
      expect(response.statusText).toBe("OK");
      expect(response.headers.get("content-type")).toMatch(/^text\/plain/);
      expect(await response.text()).toMatch(/^hello from PHP \d/);
    });

    it("fetch sends the fields of a form", async () => {
      const body = new URLSearchParams({ name: "Jürgen", text: "a&b=c\r\n" });
      const response = await client("form.php").fetch("http://example.test/form.php", { method: "POST", body });
      expect(await response.json()).toEqual({ name: "Jürgen", text: "a&b=c\r\n" });
    });

    it("fetch sends a multipart form with files and its length when it has no Content-Length", async () => {
      const file = patternBytes(300_000);
      const body = new FormData();
      body.set("title", "日本");
      body.set("file", new File([file], "näme.bin", { type: "application/x-test" }));
      const response = await client("form.php").fetch("http://example.test/?files=1", { method: "POST", body });
      expect(await response.json()).toEqual({
        fields: { title: "日本" },
        files: {
          file: { name: "näme.bin", type: "application/x-test", error: 0, bytes: file.length, sha256: sha256(file) },
        },
      });
    });

    it("fetch sends an upload of 10 MiB whole when its Content-Length is known", async () => {
      const length = 10 * MiB;
      const response = await client("upload-digest.php").fetch("http://example.test/", upload(length));
      const sha256 = patternSha256(length);
      expect(await response.json()).toEqual({ bytes: length, sha256, contentLength: String(length) });
    });

    it.each([0, 1, MiB, MiB + 1, 200 * MiB])(
      "fetch sends an upload of unknown length whole, with its length, when it has %i bytes",
      async (length) => {
        const body = streamFrom(patternChunks(length));
        const init = { method: "POST", body, duplex: "half" } as RequestInit;
        const response = await client("upload-digest.php").fetch("http://example.test/", init);
        const sha256 = patternSha256(length);
        expect(await response.json()).toEqual({ bytes: length, sha256, contentLength: String(length) });
      },
    );

    it("fetch sends CONTENT_LENGTH 0 when a POST has no body", async () => {
      const response = await client("upload-digest.php").fetch("http://example.test/", { method: "POST" });
      expect(await response.json()).toEqual({ bytes: 0, sha256: sha256(), contentLength: "0" });
    });

    it("fetch rejects when an upload ends before its Content-Length", async () => {
      const short = upload(1000, [patternBytes(400)]);
      const error = await fastCgiErrorOf(client("upload-digest.php").fetch("http://example.test/", short));
      expect(error).toMatchObject({ code: "lengthMismatch", gatewayStatus: 400 });
    });

    it("fetch rejects when an upload is longer than its Content-Length", async () => {
      const long = upload(1000, [patternBytes(900), patternBytes(900)]);
      const error = await fastCgiErrorOf(client("upload-digest.php").fetch("http://example.test/", long));
      expect(error).toMatchObject({ code: "lengthMismatch", gatewayStatus: 400 });
    });

    it.each([0, 1])("fetch streams a response of 5 MB (with Content-Length: %i)", async (length) => {
      const bytes = 5_000_000;
      const response = await client("big.php").fetch(`http://example.test/?bytes=${bytes}&length=${length}`);
      expect(response.headers.get("content-length")).toBe(length === 1 ? `${bytes}` : null);
      expect(await bodyDigest(response)).toEqual([bytes, patternSha256(bytes)]);
    });

    it("fetch delivers each chunk when the script flushes it", async () => {
      const gate = await openGate();
      await gate.open(0);
      const response = await client("gate.php").fetch(`http://example.test/?${gate.query(5)}`);
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      for (let chunk = 0; chunk < 5; chunk++) {
        await gate.open(chunk);
        expect(await reader.read()).toEqual({ done: false, value: `chunk ${chunk}\n` });
        // It was not the end of the script that brought it.
        if (chunk < 4) expect(gate.isOver).toBe(false);
      }
      expect(await reader.read()).toEqual({ done: true, value: undefined });
      expect(await gate.ended()).toBe("complete");
    });

    it("fetch keeps several Set-Cookie apart and repeated headers in order", async () => {
      const headers = { cookie: "a=1; b=two%20words" };
      const response = await client("cookies.php").fetch("http://example.test/", { headers });
      expect(response.headers.getSetCookie()).toEqual([
        "first=1",
        "second=two%20words; path=/; HttpOnly",
        expect.stringMatching(/^third=3; expires=Tue, 01[ -]Jan[ -]2030 00:00:00 GMT; Max-Age=\d+; SameSite=Lax$/),
      ]);
      expect(response.headers.get("x-repeated")).toBe("one, two");
      expect(await response.json()).toEqual({ a: "1", b: "two words" });
    });

    it("fetch makes a 302 of a script's Location", async () => {
      const response = await client("redirect.php").fetch("http://example.test/?to=/else%3Fx=1");
      expect(response.status).toBe(302);
      expect(response.headers.get("location")).toBe("/else?x=1");
      expect(response.redirected).toBe(false);
      expect(await response.text()).toBe("");
    });

    it.each([201, 204, 205, 301, 304, 404, 418, 500, 503, 599])("fetch passes on status %i", async (code) => {
      const response = await client("status.php").fetch(`http://example.test/?code=${code}`);
      expect(response.status).toBe(code);
      const hasBody = ![204, 205, 304].includes(code);
      expect(response.body === null).toBe(!hasBody);
      expect(await response.text()).toBe(hasBody ? `status ${code}\n` : "");
    });

    it("fetch has the header and no body when the method is HEAD", async () => {
      const url = "http://example.test/?bytes=1000&length=1";
      const { count, connector } = counting(connectorTo(php.target, "big.php"));
      const response = await new FastCgiHttpClient(connector).fetch(url, { method: "HEAD" });
      expect(response.status).toBe(200);
      expect(response.headers.get("content-length")).toBe("1000");
      expect(response.body).toBeNull();
      await waitUntil(() => count.open === 0);
    });

    it.each(["PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "x-own"])("fetch passes on method %s", async (method) => {
      const response = await client("index.php").fetch("http://example.test/", { method });
      expect(await response.json()).toMatchObject({ method });
    });
  });

  describe("onStderr", () => {
    it("onStderr gets what a script writes to its error log", async () => {
      const said: [string, string][] = [];
      const onStderr = (message: string, request: Request): void => void said.push([message, request.url]);
      const url = `http://example.test/?message=${encodeURIComponent("a message: ünï")}`;
      const response = await client("error-log.php", { onStderr }).fetch(url);
      expect(await response.text()).toBe("logged\n");
      expect(said.map(([message]) => message).join("")).toContain("PHP message: a message: ünï");
      expect(new Set(said.map(([, from]) => from))).toEqual(new Set([url]));
    });

    it("onStderr gets a fatal error, and the response is PHP's own 500", async () => {
      let said = "";
      const onStderr = (message: string): void => {
        said += message;
      };
      const response = await client("error-log.php", { onStderr }).fetch("http://example.test/?fatal=1");
      expect(response.status).toBe(500);
      await response.text();
      expect(said).toContain("fatal in error-log.php");
    });

    it("onStderr hears of more than maxStderrBytes only their beginning, and the response is whole", async () => {
      let said = "";
      const onStderr = (message: string): void => {
        said += message;
      };
      const url = `http://example.test/?message=${"x".repeat(900)}`;
      const response = await client("error-log.php", { onStderr, maxStderrBytes: 100 }).fetch(url);
      expect(await response.text()).toBe("logged\n");
      expect(said).toHaveLength(100);
    });

    it("fetch resolves with php-fpm's own 404 when the script is missing", async () => {
      let said = "";
      const onStderr = (message: string): void => {
        said += message;
      };
      const response = await client("missing.php", { onStderr }).fetch("http://example.test/missing.php");
      expect(response.status).toBe(404);
      expect(await response.text()).toBe("File not found.\n");
      expect(said).toContain("Primary script unknown");
    });
  });

  describe("failures", () => {
    it("fetch rejects when the worker is killed before it has sent anything", async () => {
      const error = await fastCgiErrorOf(client("kill.php").fetch("http://example.test/?output=0"));
      expect(error).toMatchObject({ code: "connectionClosed", gatewayStatus: 502 });
      expect(await (await client("hello.php").fetch("http://example.test/")).text()).toMatch(/^hello/);
    });

    it.each([false, true])("body fails when the worker is killed in the middle (keepAlive: %s)", async (keepAlive) => {
      const gate = await openGate();
      const { count, connector } = counting(connectorTo(php.target, "gate.php"));
      const own = new FastCgiHttpClient(connector, { keepAlive });
      onTestFinished(() => own.close());
      await gate.open(0);
      const response = await own.fetch(`http://example.test/?${gate.query(2)}`);
      const reader = response.body!.getReader();
      expect(Buffer.from((await reader.read()).value!).toString()).toBe("chunk 0\n");
      process.kill(await gate.started(), "SIGKILL");
      expect(await fastCgiErrorOf(reader.read())).toMatchObject({ code: "connectionClosed" });
      expect(count.open).toBe(0);

      const next = await openGate();
      await next.open("all");
      const again = await own.fetch(`http://example.test/?${next.query(2)}`);
      expect(await again.text()).toBe("chunk 0\nchunk 1\n");
    });

    it("text never resolves with a part when the worker kills itself behind it", async () => {
      // Whether the header came in time or not, nothing looks like success.
      const text = client("kill.php")
        .fetch("http://example.test/")
        .then((response) => response.text());
      expect(await fastCgiErrorOf(text)).toMatchObject({ code: "connectionClosed" });
    });

    it("fetch rejects with the signal's reason when it is cancelled while the script is silent", async () => {
      const gate = await openGate();
      const controller = new AbortController();
      const { count, connector } = counting(connectorTo(php.target, "gate.php"));
      const { signal } = controller;
      const pending = new FastCgiHttpClient(connector).fetch(`http://example.test/?${gate.query(200)}`, { signal });
      pending.catch(() => {});
      await gate.started();
      const reason = new Error("no longer wanted");
      controller.abort(reason);
      await expect(pending).rejects.toBe(reason);
      // Nothing has let the script go on, so it was not its end that was awaited.
      expect(gate.isOver).toBe(false);
      expect(count.open).toBe(0);
      await gate.open("all");
      expect(await gate.ended()).toBe("aborted");
    });

    it("body fails with the signal's reason when it is cancelled in the middle", async () => {
      const gate = await openGate();
      const controller = new AbortController();
      const { signal } = controller;
      await gate.open(0);
      const response = await client("gate.php").fetch(`http://example.test/?${gate.query(200)}`, { signal });
      const text = response.text();
      text.catch(() => {});
      const reason = new Error("no longer wanted");
      controller.abort(reason);
      await expect(text).rejects.toBe(reason);
      await gate.open("all");
      expect(await gate.ended()).toBe("aborted");
    });

    it("fetch cancels the upload when its signal aborts in the middle of it", async () => {
      const controller = new AbortController();
      let cancelled: unknown;
      let sent = 0;
      const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
        pull(stream) {
          sent += 65_536;
          // The application is waiting for the rest of it.
          if (sent > 4 * MiB) controller.abort("enough");
          else stream.enqueue(patternBytes(65_536));
        },
        cancel(reason) {
          cancelled = reason;
        },
      });
      const init = { ...upload(8 * MiB, []), body, signal: controller.signal };
      await expect(client("upload-digest.php").fetch("http://example.test/", init)).rejects.toBe("enough");
      await waitUntil(() => cancelled !== undefined);
      expect(cancelled).toBe("enough");
    });

    it("body.cancel closes the connection, which stops the script", async () => {
      const gate = await openGate();
      const { count, connector } = counting(connectorTo(php.target, "gate.php"));
      // A connection to be kept is closed too: the rest of the response is still to come.
      const own = new FastCgiHttpClient(connector, { keepAlive: true });
      onTestFinished(() => own.close());
      await gate.open(0);
      const response = await own.fetch(`http://example.test/?${gate.query(200)}`);
      await response.body!.cancel();
      expect(count).toMatchObject({ opened: 1, open: 0 });
      await gate.open("all");
      expect(await gate.ended()).toBe("aborted");
    });
  });

  describe("timeouts", () => {
    useFakeTime();

    it("fetch rejects when the script is silent for longer than headerTimeout", async () => {
      const gate = await openGate();
      const { count, connector } = counting(connectorTo(php.target, "gate.php"));
      const own = new FastCgiHttpClient(connector, { headerTimeout: 200 });
      const failed = fastCgiErrorOf(own.fetch(`http://example.test/?${gate.query(200)}`));
      await gate.started();
      await pass(200);
      const error = await failed;
      expect(error).toMatchObject({ code: "timeout", limit: "headerTimeout", gatewayStatus: 504 });
      expect(error.message).toContain("200 ms");
      expect(gate.isOver).toBe(false);
      expect(count.open).toBe(0);
      await gate.open("all");
      expect(await gate.ended()).toBe("aborted");
    });

    it("body fails when the script is silent for longer than readTimeout in the middle", async () => {
      const gate = await openGate();
      await gate.open(0);
      const own = client("gate.php", { readTimeout: 1000 });
      const response = await own.fetch(`http://example.test/?${gate.query(2)}`);
      const reader = response.body!.getReader();
      await reader.read();
      const failed = fastCgiErrorOf(reader.read());
      await pass(1000);
      expect(await failed).toMatchObject({ code: "timeout", limit: "readTimeout" });
      expect(gate.isOver).toBe(false);
    });

    it("readTimeout does not count the time that the reader takes", async () => {
      const bytes = 3_000_000;
      const paused = deferred();
      const own = new FastCgiHttpClient(tellingOfPauses(connectorTo(php.target, "big.php"), paused.resolve), {
        readTimeout: 500,
      });
      const response = await own.fetch(`http://example.test/?bytes=${bytes}`);
      let pieces = 0;
      const slowAtFirst = async (): Promise<void> => {
        if (pieces++ > 0) return;
        // Longer than the timeout, while the application waits for the reader.
        await paused.promise;
        await pass(1000);
      };
      expect(await bodyDigest(response, slowAtFirst)).toEqual([bytes, patternSha256(bytes)]);
    });
  });

  describe("variables", () => {
    /** What is in $_SERVER without any web server: PHP's own, and the environment of the pool. */
    const fromPhp =
      /^(PHP_SELF|REQUEST_TIME|REQUEST_TIME_FLOAT|FCGI_ROLE|argv|argc|USER|HOME|PATH|TMPDIR|FETCHCGI_TEST)$/;

    async function variables(url: string, init?: Parameters<FastCgiHttpClient["fetch"]>[1]) {
      const response = await client("env.php").fetch(url, init);
      const all = Object.entries((await response.json()) as Record<string, unknown>);
      return Object.fromEntries(all.filter(([name]) => !fromPhp.test(name)));
    }

    it("fetch sends exactly these variables, and of headers only HTTP_*", async () => {
      const env = await variables("http://example.test:8080/env.php/a%2Fb?x=1&y=%20", {
        method: "POST",
        body: "a=1",
        headers: {
          "content-type": "application/x-www-form-urlencoded",
          accept: "text/html",
          "accept-language": "de, en;q=0.5",
          authorization: "Bearer token",
          cookie: "c=1",
          "x-own-header": "value",
          "x-123": "digits",
          // None of these is to arrive, in whatever spelling.
          proxy: "http://evil.test",
          "redirect-status": "500",
          "proxy-authorization": "Basic eA==",
          remote_user: "admin",
          "remote.user": "admin",
          php_value: "auto_prepend_file=/etc/passwd",
          script_filename: "/etc/passwd",
          x_own_header: "another value",
          "x!own": "token",
        },
        remoteAddress: "192.0.2.7",
        remotePort: 40_000,
        serverAddress: "192.0.2.1",
      });
      const { CONTENT_LENGTH, SERVER_SOFTWARE, ...rest } = env;
      expect(CONTENT_LENGTH).toBe("3");
      expect(SERVER_SOFTWARE).toMatch(/^fetchcgi/);
      expect(rest).toEqual({
        GATEWAY_INTERFACE: "CGI/1.1",
        SERVER_PROTOCOL: "HTTP/1.1",
        REQUEST_METHOD: "POST",
        REQUEST_SCHEME: "http",
        REQUEST_URI: "/env.php/a%2Fb?x=1&y=%20",
        QUERY_STRING: "x=1&y=%20",
        CONTENT_TYPE: "application/x-www-form-urlencoded",
        DOCUMENT_ROOT: phpScripts.replace(/\/$/, ""),
        DOCUMENT_URI: "/env.php",
        SCRIPT_FILENAME: join(phpScripts, "env.php"),
        SCRIPT_NAME: "/env.php",
        SERVER_NAME: "example.test",
        SERVER_PORT: "8080",
        SERVER_ADDR: "192.0.2.1",
        REMOTE_ADDR: "192.0.2.7",
        REMOTE_PORT: "40000",
        REDIRECT_STATUS: "200",
        HTTP_HOST: "example.test:8080",
        HTTP_ACCEPT: "text/html",
        HTTP_ACCEPT_LANGUAGE: "de, en;q=0.5",
        HTTP_AUTHORIZATION: "Bearer token",
        HTTP_COOKIE: "c=1",
        HTTP_X_OWN_HEADER: "value",
        HTTP_X_123: "digits",
      });
    });

    it("fetch sends HTTPS and the default port when the URL is https", async () => {
      const env = await variables("https://example.test/");
      expect(env).toMatchObject({
        HTTPS: "on",
        REQUEST_SCHEME: "https",
        SERVER_PORT: "443",
        HTTP_HOST: "example.test",
      });
      expect(env.CONTENT_LENGTH ?? "").toBe("");
      expect(env.CONTENT_TYPE ?? "").toBe("");
      expect(await variables("http://example.test/")).not.toHaveProperty("HTTPS");
    });

    it("fetch takes more variables from the params options, the request's over the client's", async () => {
      const own = client("env.php", { params: { REMOTE_USER: "client", X_CLIENT: "1" } });
      const response = await own.fetch("http://example.test/", { params: { REMOTE_USER: "request", X_REQUEST: "2" } });
      expect(await response.json()).toMatchObject({ REMOTE_USER: "request", X_CLIENT: "1", X_REQUEST: "2" });
    });

    it("fetch sends header values byte by byte when they are not ASCII", async () => {
      // Latin-1 and UTF-8, as Fetch has them: one character per byte.
      const utf8 = Buffer.from("grün 日本").toString("latin1");
      const env = await variables("http://example.test/", {
        headers: { "x-latin": "caf\xe9 \x80\xff", "x-utf8": utf8 },
      });
      expect(env).toMatchObject({
        HTTP_X_LATIN: { hex: Buffer.from(latin1("caf\xe9 \x80\xff")).toString("hex") },
        HTTP_X_UTF8: "grün 日本",
      });
    });

    it("fetch sends a long header value whole", async () => {
      const value = "v".repeat(30_000);
      expect(await variables("http://example.test/", { headers: { "x-long": value } })).toMatchObject({
        HTTP_X_LONG: value,
      });
    });

    it("fetch runs a script whose path is not ASCII", async () => {
      const directory = await createTemporaryDirectory("documents");
      onTestFinished(() => directory.remove());
      const folder = join(directory.path, "日本 ü");
      await mkdir(folder);
      await copyFile(join(phpScripts, "env.php"), join(folder, "grüße.php"));
      const own = new FastCgiHttpClient(connectorTo(php.target, "grüße.php", folder));
      const response = await own.fetch("http://example.test/grüße.php");
      expect(response.status).toBe(200);
      expect(await response.json()).toMatchObject({
        SCRIPT_FILENAME: join(folder, "grüße.php"),
        SCRIPT_NAME: "/grüße.php",
        DOCUMENT_ROOT: folder,
        REQUEST_URI: "/gr%C3%BC%C3%9Fe.php",
      });
    });

    it.each([
      ["/", "/", ""],
      ["/blog/2026/a-b_c.html", "/blog/2026/a-b_c.html", ""],
      ["/a?", "/a", ""],
      ["/a?x=1&x=2&y[]=%5B&z", "/a?x=1&x=2&y[]=%5B&z", "x=1&x=2&y[]=%5B&z"],
      ["/a%20b%2Fc%3Fd?q=%2B+%25", "/a%20b%2Fc%3Fd?q=%2B+%25", "q=%2B+%25"],
      ["/caf%C3%A9/%FF?%E9=%ff", "/caf%C3%A9/%FF?%E9=%ff", "%E9=%ff"],
      ["/café?日本", "/caf%C3%A9?%E6%97%A5%E6%9C%AC", "%E6%97%A5%E6%9C%AC"],
      ["//double//slash/./dot?a?b=/../c", "//double//slash/dot?a?b=/../c", "a?b=/../c"],
      ["/index.php/path/info?x", "/index.php/path/info?x", "x"],
      ["/other.php", "/other.php", ""],
      ["/a;v=1,2:3@x!$&'()*+=~", "/a;v=1,2:3@x!$&'()*+=~", ""],
    ])("index.php sees every URL as it was asked for: %s", async (path, requestUri, queryString) => {
      const seen = await (await client("index.php").fetch(`http://example.test${path}`)).json();
      expect({ ...seen, requestUri: seen.requestUri.replace(/\?$/, "") }).toMatchObject({
        requestUri,
        queryString,
        scriptName: "/index.php",
      });
    });

    it.each(["/a%00b", "/a%0Ab", "/a%0Db", "/a/..%2f..%2fetc/passwd"])("fetch refuses the path %s", async (path) => {
      const error = await fastCgiErrorOf(client("index.php").fetch(`http://example.test${path}`));
      expect(error).toMatchObject({ code: "malformedRequest", gatewayStatus: 400 });
    });
  });

  describe("connections", () => {
    it("keepAlive sends sequential requests on one connection, to one worker", async () => {
      const { count, connector } = counting(connectorTo(php.target, "pid.php"));
      const own = new FastCgiHttpClient(connector, { keepAlive: true, reuseForAll: true });
      const pids = new Set<string>();
      for (let i = 0; i < 10; i++) {
        const init = i % 2 === 1 ? upload(100_000) : {};
        pids.add(await (await own.fetch("http://example.test/", init)).text());
      }
      expect(pids.size).toBe(1);
      expect(count).toEqual({ opened: 1, open: 1, most: 1 });
      own.close();
      expect(count.open).toBe(0);
    });

    it("fetch opens a connection for each request, and closes it, when keepAlive is off", async () => {
      const { count, connector } = counting(connectorTo(php.target, "pid.php"));
      const own = new FastCgiHttpClient(connector);
      for (let i = 0; i < 3; i++) {
        await (await own.fetch("http://example.test/")).text();
        await waitUntil(() => count.open === 0);
      }
      expect(count.opened).toBe(3);
    });

    it("keepAlive opens a new connection when the worker of the idle one is gone", async () => {
      const { count, connector } = counting(connectorTo(php.target, "pid.php"));
      const own = new FastCgiHttpClient(connector, { keepAlive: true });
      onTestFinished(() => own.close());
      const first = await (await own.fetch("http://example.test/")).text();
      process.kill(Number(first), "SIGKILL");
      await waitUntil(() => count.open === 0);
      expect(await (await own.fetch("http://example.test/")).text()).not.toBe(first);
      expect(count.opened).toBe(2);
    });
  });
});

describe("php-fpm pools", () => {
  it.each(["unix", "tcp"] as const)("bodies of 20 slow readers at once are whole (%s)", async (listen) => {
    const php = await startPool({ listen, pool: { "pm.max_children": "20" } });
    const client = new FastCgiHttpClient(connectorTo(php.target, "big.php"));
    const bytes = 5_000_000;
    const digests = await Promise.all(
      Array.from({ length: 20 }, async (_, reader) => {
        const response = await client.fetch(`http://example.test/?bytes=${bytes}`);
        // Each at a pace of its own.
        return bodyDigest(response, () => new Promise((resolve) => setTimeout(resolve, reader % 5)));
      }),
    );
    expect(digests).toEqual(Array.from({ length: 20 }, () => [bytes, patternSha256(bytes)]));
  });

  it.each(["unix", "tcp"] as const)("fetch sends and receives at the same time (%s)", async (listen) => {
    // A script that answers while it reads: a client that sends everything before it reads waits for ever.
    const php = await startPool({ listen, pool: { "php_admin_flag[enable_post_data_reading]": "off" } });
    const client = new FastCgiHttpClient(connectorTo(php.target, "echo.php"));
    const length = 20 * MiB;
    const response = await client.fetch("http://example.test/", upload(length));
    expect(await bodyDigest(response)).toEqual([length, patternSha256(length)]);
  });
});

describe("connectFailed", () => {
  it("fetch rejects with a hint when there is no such socket", async () => {
    const client = new FastCgiHttpClient(FastCgiUnixConnector.phpFpm("/no/such/php.sock", "/srv/index.php"));
    const error = await fastCgiErrorOf(client.fetch("http://example.test/"));
    expect(error).toMatchObject({ code: "connectFailed", gatewayStatus: 502, cause: { code: "ENOENT" } });
    expect(error.message).toBe(
      "Cannot connect to /no/such/php.sock: there is no such socket; is the application running? (ENOENT)",
    );
  });

  it("fetch rejects with a hint when the file is not a socket", async () => {
    const file = join(phpScripts, "hello.php");
    const client = new FastCgiHttpClient(FastCgiUnixConnector.phpFpm(file, file));
    const error = await fastCgiErrorOf(client.fetch("http://example.test/"));
    expect(error.code).toBe("connectFailed");
    // Linux says ECONNREFUSED for a plain file, other systems ENOTSOCK.
    expect(error.message).toMatch(
      /^Cannot connect to .*hello\.php: the file is not a socket \((ECONNREFUSED|ENOTSOCK)\)$/,
    );
  });

  it("fetch rejects with a hint when the port is refused", async () => {
    const port = await freePort();
    const client = new FastCgiHttpClient(FastCgiTcpConnector.phpFpm(`127.0.0.1:${port}`, "/srv/index.php"));
    const error = await fastCgiErrorOf(client.fetch("http://example.test/", upload(10)));
    expect(error).toMatchObject({ code: "connectFailed", gatewayStatus: 502, cause: { code: "ECONNREFUSED" } });
    expect(error.message).toBe(
      `Cannot connect to 127.0.0.1:${port}: nothing listens there; is the application running? (ECONNREFUSED)`,
    );
  });

  it("fetch rejects when php-fpm has stopped", async () => {
    const php = await startPhpFpm();
    const client = new FastCgiHttpClient(connectorTo(php.target, "hello.php"));
    expect((await client.fetch("http://example.test/")).status).toBe(200);
    await php.stop();
    expect(await fastCgiErrorOf(client.fetch("http://example.test/"))).toMatchObject({ code: "connectFailed" });
  });
});
