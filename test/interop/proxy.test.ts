import { createHash } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import {
  type FastCgiContext,
  FastCgiHttpClient,
  type FastCgiListener,
  FastCgiUnixConnector,
  serve,
} from "../../adapters/node/index.ts";
import { httpOpen, httpRequest } from "../support/http.ts";
import { fastCgiLocation, type Nginx, startNginx } from "../support/nginx.ts";
import { patternBytes, patternChunks, patternSha256 } from "../support/pattern.ts";
import { type PhpFpm, startPhpFpm } from "../support/php_fpm.ts";
import { waitUntil } from "../support/process.ts";
import type { FastCgiTargets } from "../support/target.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";
import { Gate } from "./php/gate.ts";

// Both sides of the library in one process: HTTP client → nginx → serve → fetch handler → FastCgiHttpClient → php-fpm.

failOnUnhandledRejections();

const MiB = 1024 * 1024;

let php: PhpFpm<FastCgiTargets["unix"]>;
let directory: TemporaryDirectory;
let server: FastCgiListener;
/** The fetch of a client as the handler, with nothing between. */
let direct: FastCgiListener;
let nginx: Nginx;
/** What went wrong with connections or handlers. */
let errors: unknown[];
/** The requests that came since the test began. */
let requests: Request[];

beforeAll(async () => {
  php = await startPhpFpm({ pool: { "pm.max_children": "8" } });
  directory = await createTemporaryDirectory("proxy");
  const path = join(directory.path, "proxy.sock");
  server = await serve({ path, fetch: proxy, onError: (error) => void errors.push(error) });
  const directPath = join(directory.path, "direct.sock");
  direct = await serve({
    path: directPath,
    fetch: new FastCgiHttpClient(
      FastCgiUnixConnector.phpFpm(php.target.path, { filename: join(php.documentRoot, "env.php"), name: "/front.php" }),
    ).fetch,
    onError: (error) => void errors.push(error),
  });
  nginx = await startNginx({
    locations: [
      fastCgiLocation({ path: directPath }, { match: "/direct/", documentRoot: "/nowhere", splitPathInfo: true }),
      fastCgiLocation({ path }, { buffering: false }),
      fastCgiLocation({ path }, { match: "/unbuffered/", buffering: false, requestBuffering: false }),
      fastCgiLocation({ path }, { match: "/kept/", keepConn: true }),
    ],
  });
});

afterAll(async () => {
  await nginx?.stop();
  await server?.close();
  await direct?.close();
  await directory?.remove();
  await php?.stop();
});

beforeEach(() => {
  errors = [];
  requests = [];
});

/** `/any/path/name.php` goes to that script. */
async function proxy(request: Request, { params }: FastCgiContext): Promise<Response> {
  requests.push(request);
  const script = new URL(request.url).pathname.split("/").at(-1)!;
  const client = new FastCgiHttpClient(FastCgiUnixConnector.phpFpm(php.target.path, join(php.documentRoot, script)));
  return client.fetch(request, { remoteAddress: params.get("REMOTE_ADDR")! });
}

async function openGate(): Promise<Gate> {
  const gate = await Gate.create();
  onTestFinished(() => gate.remove());
  return gate;
}

const url = (path: string): string => `${nginx.url}${path}`;

describe("exchanges", () => {
  it.each(["/", "/kept/", "/unbuffered/"])("fetch passes a GET on to PHP and back through %s", async (prefix) => {
    const response = await httpRequest(url(`${prefix}hello.php`));
    expect(response.status).toBe(200);
    expect(response.headers["content-type"]).toMatch(/^text\/plain/);
    expect(response.text()).toMatch(/^hello from PHP \d/);
    expect(errors).toEqual([]);
  });

  it("fetch passes on URL, method, headers and address of the client when they came through nginx", async () => {
    const path = "/a%20b/env.php?x=1&y=%2F&caf%C3%A9";
    const headers = { "x-own": "v\xe9", "accept-language": "de", proxy: "http://evil.test", "redirect-status": "500" };
    // Bytes: with a text for a body Node sends the header as UTF-8.
    const body = patternBytes(5);
    const env = JSON.parse((await httpRequest(url(path), { method: "PUT", headers, body })).text());
    expect(env).toMatchObject({
      REQUEST_METHOD: "PUT",
      REQUEST_URI: path,
      QUERY_STRING: "x=1&y=%2F&caf%C3%A9",
      SCRIPT_NAME: "/env.php",
      CONTENT_LENGTH: "5",
      // What Debian's fastcgi_params make of it.
      HTTP_HOST: "127.0.0.1",
      HTTP_X_OWN: { hex: "76e9" },
      HTTP_ACCEPT_LANGUAGE: "de",
      REMOTE_ADDR: "127.0.0.1",
      REDIRECT_STATUS: "200",
    });
    expect(env).not.toHaveProperty("HTTP_PROXY");
    expect(env).not.toHaveProperty("HTTP_REDIRECT_STATUS");
    expect(env).not.toHaveProperty("HTTP_CONTENT_LENGTH");
  });

  it("fetch is a handler by itself, and takes no variable from the web server in front", async () => {
    const body = patternBytes(100_000);
    const env = JSON.parse((await httpRequest(url("/direct/evil.php/info?x=1"), { method: "PATCH", body })).text());
    expect(env).toMatchObject({
      REQUEST_METHOD: "PATCH",
      REQUEST_URI: "/direct/evil.php/info?x=1",
      SCRIPT_FILENAME: join(php.documentRoot, "env.php"),
      SCRIPT_NAME: "/front.php",
      CONTENT_LENGTH: "100000",
    });
    expect(env.SERVER_SOFTWARE).toMatch(/^fetchcgi/);
  });

  it("fetch passes on the fields of a form", async () => {
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const response = await httpRequest(url("/form.php"), { headers, body: "name=J%C3%BCrgen&text=a%26b" });
    expect(JSON.parse(response.text())).toEqual({ name: "Jürgen", text: "a&b" });
  });

  it.each(["/", "/unbuffered/", "/kept/"])("fetch passes on an upload of 10 MiB through %s", async (prefix) => {
    const bytes = 10 * MiB;
    const headers = { "content-length": bytes };
    const response = await httpRequest(url(`${prefix}upload-digest.php`), { headers, body: patternChunks(bytes) });
    const sha256 = patternSha256(bytes);
    expect(JSON.parse(response.text())).toEqual({ bytes, sha256, contentLength: String(bytes) });
    expect(errors).toEqual([]);
  });

  it.each(["/", "/unbuffered/"])("fetch measures a chunked upload through %s", async (prefix) => {
    const bytes = 700_000;
    const response = await httpRequest(url(`${prefix}upload-digest.php`), { body: patternChunks(bytes) });
    const sha256 = patternSha256(bytes);
    expect(JSON.parse(response.text())).toEqual({ bytes, sha256, contentLength: String(bytes) });
  });

  it.each(["/", "/kept/"])("fetch passes on a response of 5 MB through %s", async (prefix) => {
    const bytes = 5_000_000;
    const response = await httpRequest(url(`${prefix}big.php?bytes=${bytes}&length=1`));
    expect(response.headers["content-length"]).toBe(String(bytes));
    expect(createHash("sha256").update(response.body).digest("hex")).toBe(patternSha256(bytes));
  });

  it("fetch passes on each chunk when the script flushes it", async () => {
    const gate = await openGate();
    await gate.open(0);
    const response = await httpOpen(url(`/gate.php?${gate.query(5)}`));
    const pieces = response.setEncoding("utf8")[Symbol.asyncIterator]();
    for (let chunk = 0; chunk < 5; chunk++) {
      if (chunk > 0) await gate.open(chunk);
      expect(await pieces.next()).toEqual({ done: false, value: `chunk ${chunk}\n` });
      // It was not the end of the script that brought it.
      if (chunk < 4) expect(gate.isOver).toBe(false);
    }
    expect((await pieces.next()).done).toBe(true);
    expect(await gate.ended()).toBe("complete");
  });

  it("fetch passes on cookies both ways", async () => {
    const response = await httpRequest(url("/cookies.php"), { headers: { cookie: ["a=1", "b=two%20words; c=3"] } });
    expect(response.headers["set-cookie"]).toEqual([
      "first=1",
      "second=two%20words; path=/; HttpOnly",
      expect.stringMatching(/^third=3; expires=Tue, .* GMT; Max-Age=\d+; SameSite=Lax$/),
    ]);
    expect(response.headers["x-repeated"]).toBe("one, two");
    expect(JSON.parse(response.text())).toEqual({ a: "1", b: "two words", c: "3" });
  });

  it.each([201, 204, 205, 304, 404, 418, 500, 503])("fetch passes on status %i", async (code) => {
    const response = await httpRequest(url(`/status.php?code=${code}`));
    expect(response.status).toBe(code);
    expect(response.text()).toBe([204, 205, 304].includes(code) ? "" : `status ${code}\n`);
    expect(errors).toEqual([]);
  });

  it("fetch passes on a redirect, which is not followed", async () => {
    const response = await httpRequest(url("/redirect.php?to=/elsewhere"));
    expect(response.status).toBe(302);
    expect(response.headers.location).toMatch(/\/elsewhere$/);
    expect(requests).toHaveLength(1);
  });

  it("fetch passes on a HEAD request, and the response's header", async () => {
    const response = await httpRequest(url("/big.php?bytes=1000&length=1"), { method: "HEAD" });
    expect(response.status).toBe(200);
    expect(response.headers["content-length"]).toBe("1000");
    expect(response.body).toHaveLength(0);
    expect(errors).toEqual([]);
  });

  it("fetch passes on 40 requests at once", async () => {
    const bytes = 200_000;
    const sha256 = patternSha256(bytes);
    const digests = await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const prefix = i % 2 === 0 ? "/" : "/kept/";
        if (i % 4 < 2) {
          const { body } = await httpRequest(url(`${prefix}big.php?bytes=${bytes}`));
          return createHash("sha256").update(body).digest("hex");
        }
        const upload = await httpRequest(url(`${prefix}upload-digest.php`), { body: patternChunks(bytes) });
        return JSON.parse(upload.text()).sha256;
      }),
    );
    expect(digests).toEqual(digests.map(() => sha256));
  });
});

describe("failures", () => {
  it.each(["/", "/kept/"])("request.signal fires and PHP stops when the client of %s leaves early", async (prefix) => {
    const gate = await openGate();
    await gate.open(0);
    const response = await httpOpen(url(`${prefix}unread/gate.php?${gate.query(500)}`));
    await gate.started();
    expect(requests).toHaveLength(1);
    expect(requests[0]!.signal.aborted).toBe(false);
    response.destroy();
    await waitUntil(() => requests[0]!.signal.aborted);
    // The script can only learn of it when it writes again.
    await gate.open("all");
    expect(await gate.ended()).toBe("aborted");
  });

  it("request.signal fires and PHP stops when the client leaves while the script is silent", async () => {
    const gate = await openGate();
    const controller = new AbortController();
    const response = httpOpen(url(`/gate.php?${gate.query(500)}`), { signal: controller.signal });
    response.catch(() => {});
    await gate.started();
    controller.abort();
    await expect(response).rejects.toThrow("aborted");
    await waitUntil(() => requests[0]!.signal.aborted);
    await gate.open("all");
    expect(await gate.ended()).toBe("aborted");
  });

  it("request.signal fires and PHP stops when the client leaves in the middle of 1 GB", async () => {
    const response = await httpOpen(url("/big.php?bytes=1000000000"));
    await new Promise((resolve) => response.once("data", resolve));
    response.destroy();
    await waitUntil(() => requests[0]!.signal.aborted);
    // Every worker is free again: one of eight must answer each of sixteen requests at once.
    const pids = await Promise.all(Array.from({ length: 16 }, async () => (await httpRequest(url("/pid.php"))).text()));
    expect(pids.every((pid) => /^\d+$/.test(pid))).toBe(true);
  });

  it("request.signal does not fire when the exchange comes to its end", async () => {
    await httpRequest(url("/hello.php"));
    expect(requests.map(({ signal }) => signal.aborted)).toEqual([false]);
  });

  it("the client sees a broken transfer when the worker is killed in the middle", async () => {
    const gate = await openGate();
    await gate.open(0);
    const outcome = httpRequest(url(`/kept/gate.php?${gate.query(2)}`)).then(
      ({ status }) => `${status}`,
      () => "broken",
    );
    process.kill(await gate.hasSent(0), "SIGKILL");
    // A status only if the news of the end came before the header was passed on.
    expect(await outcome).toMatch(/^(broken|50[0-4])$/);
    expect(errors).toEqual([expect.objectContaining({ code: "connectionClosed" })]);
    expect((await httpRequest(url("/hello.php"))).status).toBe(200);
  });

  it("the client gets a 5xx when the worker is killed before it has sent anything", async () => {
    const response = await httpRequest(url("/kill.php?output=0"));
    expect(response.status).toBeGreaterThanOrEqual(500);
    expect(response.status).toBeLessThan(505);
    expect(errors).toEqual([expect.objectContaining({ code: "connectionClosed", gatewayStatus: 502 })]);
  });
});
