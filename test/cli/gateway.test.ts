// `fetchcgi gateway` in this process, in front of an application of this library. test/interop/gateway.test.ts has PHP.

import { once } from "node:events";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import http2 from "node:http2";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { byteStringToUtf8, type FastCgiFetchHandler, type FastCgiListener, serve } from "../../adapters/node/index.ts";
import { type AccessEntry, commonLogLine, jsonLogLine, withAccessLog } from "../../cli/gateway/access_log.ts";
import { makeCertificate } from "../../cli/gateway/certificate.ts";
import { filesIn } from "../../cli/gateway/files.ts";
import { findPhp, installAdvice } from "../../cli/gateway/php/find.ts";
import { workersFor } from "../../cli/gateway/php/size.ts";
import { freePort } from "../support/free_port.ts";
import { type Gateway, startGateway } from "../support/gateway.ts";
import { httpOpen } from "../support/http.ts";
import { exchangeHttp } from "../support/http_message.ts";
import { deferred } from "../support/open_stream.ts";
import { waitUntil } from "../support/process.ts";
import { plantSources, SOURCE_MARK, SOURCE_PATHS } from "../support/source_paths.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";
import { fetchcgi } from "./run.ts";

failOnUnhandledRejections();

let directory: TemporaryDirectory;
let root: string;
let socket: string;
let application: FastCgiListener;
let site: Gateway;
/** What the application waits for, for ?slow. */
let slow: () => Promise<void> = async () => {};

const SHOWN = ["SCRIPT_NAME", "PATH_INFO", "REQUEST_URI"];

function endless(): ReadableStream<Uint8Array> {
  return new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65_536)) }, { highWaterMark: 0 });
}

/** A body of one piece, which fails when the application need not wait any longer. */
function broken(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async start(controller) {
      controller.enqueue(new Uint8Array(10));
      await slow();
      controller.error(new Error("broken"));
    },
  });
}

/** Shows what it was asked. */
const show: FastCgiFetchHandler = async (request, { params, role, stderr }) => {
  if (role === 2) {
    const user = request.headers.get("authorization");
    return new Response(null, { status: user === null ? 401 : 200, headers: { "Variable-USER": user ?? "" } });
  }
  const query = new URL(request.url).searchParams;
  const name = query.get("variable");
  if (query.has("slow")) await slow();
  if (query.has("broken")) return new Response(broken());
  if (query.has("endless")) return new Response(endless());
  if (query.has("message")) stderr.write("PHP message: a \x1b[31mwarning\n");
  if (query.has("length")) return new Response(String((await request.arrayBuffer()).byteLength));
  return new Response(
    name === null
      ? SHOWN.map((each) => byteStringToUtf8(params.get(each) ?? "")).join("|")
      : (params.get(name) ?? "none"),
  );
};

beforeAll(async () => {
  directory = await createTemporaryDirectory("gateway");
  root = join(directory.path, "public");
  for (const folder of ["public/sub", "public/docs", "blog", "linked"])
    mkdirSync(join(directory.path, folder), { recursive: true });
  plantSources(root);
  const files = {
    "public/index.php": "",
    "public/rest.php": "",
    "public/sub/index.php": "",
    "public/docs/index.html": "<h1>Docs</h1>",
    "public/style.css": "body {}",
    "public/download.bin": "anything",
    "public/logo@2x.png": "picture",
    "public/ü b+c.txt": "0123456789",
    "public/long.css": "a {}\n".repeat(2000),
    "blog/index.php": "",
    "blog/post.php": "",
    "blog/style.css": "blog {}",
    "linked/shared.js": "shared()",
    "linked/settings.ini": SOURCE_MARK,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory.path, name), text);
  symlinkSync("../linked/shared.js", join(root, "shared.js"));
  symlinkSync("../linked/settings.ini", join(root, "settings.js"));
  symlinkSync("../config.php", join(root, "sub/index.html"));
  socket = join(directory.path, "app.sock");
  application = await serve({ path: socket, fetch: show, sendStderr: true, onStderr: () => {}, onError: () => {} });
  site = await startGateway([root, "--fastcgi", socket, "--mount", `/blog=${join(directory.path, "blog")}`]);
});

afterAll(async () => {
  expect(await site?.stop()).toMatchObject({ code: 0 });
  await application?.close();
  await directory?.remove();
});

/** The path of a descriptor of this process. */
function targetOf(descriptor: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    return "";
  }
}

/** Starts one more, for the current test. */
async function start(args: readonly string[]): Promise<Gateway> {
  const gateway = await startGateway(args);
  onTestFinished(async () => void (await gateway.stop()));
  return gateway;
}

/** Lets the application keep the next request for /?slow until `release` is called. */
function holdSlow(): { readonly begun: Promise<void>; readonly release: () => void } {
  const [begun, release] = [deferred(), deferred()];
  slow = () => {
    begun.resolve();
    return release.promise;
  };
  return { begun: begun.promise, release: () => release.resolve() };
}

describe("fetchcgi gateway", () => {
  it.each<[line: string, status: number, body: string]>([
    ["GET /", 200, "/index.php||/"],
    ["GET /rest.php/a%2Fb?x=1", 200, "/rest.php|/a/b|/rest.php/a%2Fb?x=1"],
    ["GET /nothing/here", 200, "/index.php||/nothing/here"],
    ["GET /sub", 308, ""],
    ["GET /sub/", 200, "/sub/index.php||/sub/"],
    ["GET /docs", 308, ""],
    ["GET /docs/", 200, "<h1>Docs</h1>"],
    ["GET /style.css", 200, "body {}"],
    ["HEAD /style.css", 200, ""],
    ["GET /style.css/", 200, "/index.php||/style.css/"],
    ["GET /logo%402x.png", 200, "picture"],
    ["GET /logo@2x.png", 200, "picture"],
    ["GET /%C3%BC%20b%2Bc.txt", 200, "0123456789"],
    ["DELETE /style.css", 200, "/index.php||/style.css"],
    ["GET /shared.js", 200, "/index.php||/shared.js"],
    ["GET /settings.js", 200, "/index.php||/settings.js"],
    ["GET /blog", 308, ""],
    ["GET /blog/", 200, "/blog/index.php||/blog/"],
    ["GET /bl%6Fg/", 200, "/blog/index.php||/bl%6Fg/"],
    ["GET /blog/post.php/1", 200, "/blog/post.php|/1|/blog/post.php/1"],
    ["GET /blog/style.css", 200, "blog {}"],
    ["GET /blog/nothing", 200, "/blog/index.php||/blog/nothing"],
    ["GET /blogger", 200, "/index.php||/blogger"],
    ["GET /a%00b", 400, "Bad Request\n"],
  ])("answers %s with %d %j", async (line, status, body) => {
    const answer = await exchangeHttp(site.port, line, "Host: site.test\r\n");
    expect([answer.status, answer.body]).toEqual([status, body]);
  });

  it("yields nothing of a source for 300 paths", async () => {
    const left = [...SOURCE_PATHS, "/sub/index.html", "/settings.js"];
    const leaks: string[] = [];
    const ask = async (): Promise<void> => {
      for (let path = left.pop(); path !== undefined; path = left.pop()) {
        const { headers, body } = await exchangeHttp(site.port, `GET ${path}`, "Host: a\r\nRange: bytes=0-\r\n");
        if (JSON.stringify([headers, body]).includes(SOURCE_MARK)) leaks.push(path);
      }
    };
    await Promise.all([ask(), ask(), ask(), ask()]);
    expect(leaks).toEqual([]);
  });

  it.each(["a b<c>", "a\r\nHost: b", "a/b", "a@b", "[::1", "a:99999"])("refuses the Host %j", async (host) => {
    const { status, body } = await exchangeHttp(site.port, "GET /", `Host: ${host}\r\n`);
    expect([status, body]).toEqual([400, "Bad Request\n"]);
  });

  it("sends as much of a file as it has announced, or looks broken, if the file changes meanwhile", async () => {
    const folder = join(directory.path, "changing");
    mkdirSync(folder);
    const send = filesIn(folder, {});
    const begin = async (name: string, text: string, headers: Record<string, string> = {}): Promise<Response> => {
      writeFileSync(join(folder, name), text);
      return (await send(`/${name}`, new Request(`http://a/${name}`, { headers })))!;
    };
    const grown = await begin("grown.bin", "0123456789");
    appendFileSync(join(folder, "grown.bin"), "more");
    expect([grown.headers.get("content-length"), await grown.text()]).toEqual(["10", "0123456789"]);
    const emptied = await begin("empty.bin", "");
    appendFileSync(join(folder, "empty.bin"), "more");
    expect(await emptied.text()).toBe("");
    for (const range of [{}, { range: "bytes=2-8" }]) {
      const shrunk = await begin("shrunk.bin", "0123456789", range);
      truncateSync(join(folder, "shrunk.bin"), 3);
      await expect(shrunk.text()).rejects.toThrow(/shrunk\.bin to its end: \d bytes of it are gone/);
    }
  });

  it("sends files with a type, validators and parts, and text compressed", async () => {
    const ask = (path: string, headers: Record<string, string> = {}) => fetch(`${site.url}${path}`, { headers });
    const whole = await ask("/logo@2x.png");
    expect(whole.headers.get("content-type")).toBe("image/png");
    expect(whole.headers.get("content-length")).toBe("7");
    const [etag, modified] = [whole.headers.get("etag")!, whole.headers.get("last-modified")!];
    await whole.text();
    expect((await ask("/logo@2x.png", { "if-none-match": etag })).status).toBe(304);
    expect((await ask("/logo@2x.png", { "if-modified-since": modified })).status).toBe(304);

    const unknown = await ask("/download.bin", { "accept-encoding": "br" });
    expect(Object.fromEntries(unknown.headers)).toMatchObject({
      "content-type": "application/octet-stream",
      "accept-ranges": "bytes",
      "content-length": "8",
    });
    expect(await unknown.text()).toBe("anything");

    const part = await ask("/logo@2x.png", { range: "bytes=2-4" });
    expect([part.status, part.headers.get("content-range"), await part.text()]).toEqual([206, "bytes 2-4/7", "ctu"]);
    expect((await ask("/logo@2x.png", { range: "bytes=9-" })).status).toBe(416);
    for (const range of ["bytes=0-1,3-4", "lines=1-2", "bytes=x", "bytes=5-2", "bytes=-0"]) {
      const { status, text } = await httpText(`${site.url}/logo@2x.png`, { range });
      expect([range, status, text]).toEqual([range, 200, "picture"]);
    }

    for (const encoding of ["br", "gzip"]) {
      const packed = await ask("/long.css", { "accept-encoding": encoding });
      expect([packed.headers.get("content-encoding"), packed.headers.get("vary")]).toEqual([
        encoding,
        "accept-encoding",
      ]);
      expect(await packed.text()).toBe("a {}\n".repeat(2000));
    }
    const plain = await ask("/long.css", { "accept-encoding": "identity" });
    expect([plain.headers.get("content-encoding"), plain.headers.get("vary")]).toEqual([null, "accept-encoding"]);
    const piece = await ask("/long.css", { "accept-encoding": "br", range: "bytes=-5" });
    expect([piece.status, await piece.text()]).toEqual([206, "a {}\n"]);
  });

  it("follows a link out of the folder only where it may, and never to what is not public", async () => {
    expect((await httpText(`${site.url}/shared.js`)).text).toContain("/index.php");
    expect(site.errors()).toMatch(/Cannot send "?\/shared\.js/);
    const linking = await start([root, "-f", socket, "--may-link-to", join(directory.path, "linked")]);
    expect((await httpText(`${linking.url}/shared.js`)).text).toBe("shared()");
    expect((await httpText(`${linking.url}/settings.js`)).text).toBe("/index.php||/settings.js");
  });

  it("answers with 404 instead of the front controller if it is to, and with another front controller", async () => {
    const without = await start([root, "-f", socket, "--no-front-controller"]);
    expect((await httpText(`${without.url}/nothing`)).status).toBe(404);
    const other = await start([root, "-f", socket, "--front-controller", "/rest.php"]);
    expect((await httpText(`${other.url}/nothing`)).text).toBe("/rest.php||/nothing");
  });

  it("sends the variables that PHP programs look for, and those that it is given", async () => {
    const gateway = await start([root, "-f", socket, "--param", "STAGE=test", "--php-value", "memory_limit=1G"]);
    const variable = async (name: string): Promise<string> =>
      (await httpText(`${gateway.url}/index.php?variable=${name}`)).text;
    // WordPress looks for this name.
    expect(await variable("SERVER_SOFTWARE")).toMatch(/^fetchcgi\/[\d.]+ \(as nginx\)$/);
    expect(await variable("DOCUMENT_ROOT")).toBe(root);
    expect(await variable("REMOTE_ADDR")).toBe("127.0.0.1");
    expect(await variable("SERVER_PORT")).toBe(String(gateway.port));
    expect(await variable("STAGE")).toBe("test");
    expect(await variable("PHP_VALUE")).toBe("memory_limit='1G'");
    expect(await variable("HTTPS")).toBe("none");
  });

  it("asks an authorizer first, for files as well", async () => {
    const guarded = await start([root, "-f", socket, "--authorizer", socket]);
    expect((await httpText(`${guarded.url}/style.css`)).status).toBe(401);
    expect((await httpText(`${guarded.url}/style.css`, { authorization: "alice" })).text).toBe("body {}");
    const user = await httpText(`${guarded.url}/?variable=USER`, { authorization: "alice" });
    expect(user.text).toBe("alice");
  });

  it("passes every path to the application if there is no folder", async () => {
    const gateway = await start(["--fastcgi", socket]);
    expect((await httpText(`${gateway.url}/config.php/a?b`)).text).toBe("/config.php/a||/config.php/a?b");
    expect((await fetch(`${gateway.url}/?length`, { method: "POST", body: new Uint8Array(3_000_000) })).status).toBe(
      200,
    );
  });

  it("speaks HTTPS with a certificate of its own making", async () => {
    const gateway = await start([root, "-f", socket, "--https"]);
    expect(gateway.url).toMatch(/^https:/);
    const { text, status } = await httpsText(`${gateway.url}/?variable=HTTPS`);
    expect([status, text]).toEqual([200, "on"]);
    expect((await httpsText(`${gateway.url}/?variable=SSL_PROTOCOL`)).text).toBe("TLSv1.3");
  });

  it("ends by HTTPS as well, if a client reads nothing", async () => {
    const gateway = await startGateway([root, "-f", socket, "--https", "--drain", "1"]);
    const unread = connectTls({ port: gateway.port, host: "127.0.0.1", rejectUnauthorized: false });
    unread.on("error", () => {}).write("GET /?endless HTTP/1.1\r\nHost: a\r\n\r\n");
    await once(unread, "data");
    const closed = new Promise((resolve) => void unread.pause().once("close", resolve));
    expect((await gateway.stop()).code).toBe(0);
    unread.resume();
    await closed;
  });

  it("gives a slow upload its time, by HTTPS as well", async () => {
    const create = vi.spyOn(http2, "createSecureServer");
    onTestFinished(() => create.mockRestore());
    await start([root, "-f", socket, "--https"]);
    expect(create.mock.results[0]!.value).toMatchObject({ headersTimeout: 60_000, requestTimeout: 0 });
  });

  it("keeps no worker for a response of which a client reads nothing, and cuts it", async () => {
    const gateway = await start([root, "-f", socket, "--timeout", "2000", "--workers", "1", "--json"]);
    const unread = connect(gateway.port, "127.0.0.1");
    onTestFinished(() => void unread.destroy());
    unread.on("error", () => {}).write("GET /?endless HTTP/1.1\r\nHost: a\r\n\r\n");
    await once(unread, "data");
    unread.pause();
    expect((await httpText(`${gateway.url}/`)).text).toBe("/index.php||/");
    await new Promise((resolve) => void unread.resume().once("close", resolve));
    expect(gateway.log()).toMatch(/"target":"\/\?endless".*"status":200.*"cut":true/);
  });

  it("keeps no file open for a client that reads nothing of it, and cuts the response", async () => {
    writeFileSync(join(root, "large.bin"), new Uint8Array(30_000_000));
    const gateway = await start([root, "-f", socket, "--timeout", "500", "--json"]);
    const unread = connect(gateway.port, "127.0.0.1");
    onTestFinished(() => void unread.destroy());
    unread.on("error", () => {}).write("GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n");
    await once(unread, "data");
    unread.pause();
    await waitUntil(() => /"target":"\/large\.bin".*"cut":true/.test(gateway.log()));
    expect(gateway.errors()).toMatch(/^fetchcgi: GET \/large\.bin: .* the client reads nothing$/m);
    // The file is closed by a thread of the runtime, after the line was written.
    await waitUntil(() => !readdirSync("/proc/self/fd").map(targetOf).includes(join(root, "large.bin")));
    await new Promise((resolve) => void unread.resume().once("close", resolve));
  });

  it("closes a connection of HTTP/2 that has no request for too long, and no other", async () => {
    const gateway = await start([root, "-f", socket, "--https", "--timeout", "500"]);
    const session = http2.connect(gateway.url, { rejectUnauthorized: false });
    onTestFinished(() => session.destroy());
    const closed = once(session, "close");
    const busy = http2.connect(gateway.url, { rejectUnauthorized: false });
    onTestFinished(() => busy.destroy());
    const upload = busy.request({ ":method": "POST", ":path": "/?length" });
    const answer = once(upload, "response");
    upload.write("more to come");
    await closed;
    upload.end();
    expect((await answer)[0][":status"]).toBe(200);
  });

  it("starts PHP in a folder that no other user can enter, and prints its words without control characters", async () => {
    const program = join(directory.path, "php-cgi");
    const script = `for last; do :; done\nls -ld "$(dirname "$last")" >&2\nprintf 'red \\033[31m\\n' >&2\nexit 1\n`;
    writeFileSync(program, `#!/bin/sh\n${script}`, { mode: 0o755 });
    const user = process.getuid?.() === 0 ? ["--user", "root"] : [];
    const { code, errors } = await fetchcgi(["gateway", root, "--php", program, ...user]);
    expect([code, errors]).toEqual([1, expect.stringMatching(/^fetchcgi: php-cgi: drwx------/m)]);
    expect(errors).toContain("fetchcgi: php-cgi: red \\x1b[31m\n");
  });

  it("writes a line for each request, with the bytes that were sent", async () => {
    const gateway = await start([root, "-f", socket]);
    await httpText(`${gateway.url}/style.css`);
    await httpText(`${gateway.url}/nothing?a="b"`);
    await waitUntil(() => gateway.log().split("\n").length === 3);
    const time = String.raw`\[\d\d\/\w{3}\/\d{4}:\d\d:\d\d:\d\d \+0000\]`;
    expect(gateway.log()).toMatch(
      new RegExp(
        `^127\\.0\\.0\\.1 - - ${time} "GET /style\\.css HTTP/1\\.1" 200 7\n127\\.0\\.0\\.1 - - ${time} "GET /nothing\\?a=%22b%22 HTTP/1\\.1" 200 \\d+\n$`,
      ),
    );
    const quiet = await start([root, "-f", socket, "--quiet"]);
    await httpText(`${quiet.url}/style.css`);
    expect((await quiet.stop()).text).toBe("");
  });

  it("writes JSON, and says which response was cut and which client left before it", async () => {
    const gateway = await start([root, "-f", socket, "--json"]);
    const [first] = gateway.log().split("\n");
    expect(JSON.parse(first!)).toEqual({ url: `${gateway.url}/`, folders: [{ prefix: "", folder: root }] });
    const { begun, release } = holdSlow();
    const controller = new AbortController();
    const left = fetch(`${gateway.url}/?slow`, { signal: controller.signal }).catch(() => "left");
    await begun;
    controller.abort();
    expect(await left).toBe("left");
    await waitUntil(() => gateway.log().split("\n").length === 3);
    release();
    expect(JSON.parse(gateway.log().split("\n")[1]!)).toMatchObject({ target: "/?slow", status: 499, method: "GET" });
    // It is not an error of the application.
    expect(gateway.errors()).not.toContain("/?slow");
  });

  it("prints messages of the application with their request, and no control characters", async () => {
    await httpText(`${site.url}/?message`);
    await waitUntil(() => site.errors().includes("GET /?message: PHP message: a \\x1b[31mwarning\n"));
  });

  it("looks broken where the application breaks off, and says which request it was", async () => {
    const { release } = holdSlow();
    const answer = await fetch(`${site.url}/?broken`);
    release();
    await expect(answer.text()).rejects.toThrow("terminated");
    await waitUntil(() => /^fetchcgi: GET \/\?broken: Cannot /m.test(site.errors()));
    expect(site.errors().match(/GET \/\?broken: Cannot /g)).toHaveLength(1);
  });

  it("answers with 502 while the application is gone, and says so at the start and for each request", async () => {
    const path = join(directory.path, "later.sock");
    const gateway = await start(["--fastcgi", path]);
    expect(gateway.errors()).toContain("there is no such socket; is the application running?");
    const { status, text } = await httpText(`${gateway.url}/`);
    expect([status, text]).toEqual([502, "Bad Gateway\n"]);
    expect(gateway.errors()).toContain(`fetchcgi: GET /: Cannot connect to ${path}`);
    const later = await serve({ path, fetch: () => new Response("here") });
    onTestFinished(() => later.close());
    expect((await httpText(`${gateway.url}/`)).text).toBe("here");
  });

  it("answers the requests that run when it is asked to end", async () => {
    const gateway = await startGateway([root, "-f", socket]);
    const { begun, release } = holdSlow();
    const answer = httpText(`${gateway.url}/?slow`);
    await begun;
    const stopped = gateway.stop();
    await waitUntil(async () => (await fetch(gateway.url).catch(() => null)) === null);
    release();
    expect((await answer).status).toBe(200);
    expect((await stopped).code).toBe(0);
  });

  it("ends a request that takes longer than it may", async () => {
    const gateway = await startGateway([root, "-f", socket, "--drain", "1"]);
    const { begun, release } = holdSlow();
    const answer = httpOpen(`${gateway.url}/?slow`).catch(() => "cut");
    await begun;
    expect((await gateway.stop()).code).toBe(0);
    expect(await answer).toBe("cut");
    release();
  });

  it("ends when it is asked while PHP starts, and leaves no process", async () => {
    const [program, started] = [join(directory.path, "php-fpm"), join(directory.path, "started")];
    writeFileSync(program, `#!/bin/sh\necho $$ > ${started}\nexec sleep 1000\n`, { mode: 0o755 });
    const controller = new AbortController();
    const ended = fetchcgi(["gateway", root, "--php", program], { signal: controller.signal });
    await waitUntil(() => existsSync(started) && readFileSync(started, "utf8") !== "");
    controller.abort();
    expect(await ended).toEqual({ code: 0, text: "", errors: "" });
    expect(() => process.kill(Number(readFileSync(started, "utf8")), 0)).toThrow("ESRCH");
  });

  it("says what is wrong and what to do about it", async () => {
    const port = await freePort();
    const [one, two] = [await makeCertificate("a"), await makeCertificate("b")];
    const [cert, key] = [join(directory.path, "cert.pem"), join(directory.path, "key.pem")];
    writeFileSync(cert, one.cert);
    writeFileSync(key, two.key);
    const other = createServer().listen(port, "127.0.0.1");
    onTestFinished(() => void other.close());
    await waitUntil(() => other.listening);
    const cases: [args: string[], code: number, message: string][] = [
      [["/nowhere"], 2, "Cannot serve /nowhere: there is no such folder"],
      [[join(root, "index.php")], 2, "expected a folder, got a file; name the folder that it is in"],
      [[root, "-f", socket, "--port", String(port)], 1, "another program has the port; choose another one with --port"],
      [[root, "-f", socket, "--host", "192.0.2.1"], 1, "this machine does not have the address"],
      [
        [root, "-f", socket, "--port", "70000"],
        2,
        'Cannot use --port: expected a whole number from 0 to 65535, got "70000"',
      ],
      [[root, "-f", socket, "--listen", "unix:/a"], 2, 'Cannot listen on "unix:/a": expected HOST:PORT'],
      [[root, "-f", socket, "--listen", "fd:0"], 2, 'Cannot listen on "fd:0": expected HOST:PORT'],
      [
        [root, "-f", socket, "--listen", "127.0.0.1:70000"],
        2,
        'Cannot listen on "127.0.0.1:70000": expected HOST:PORT, with a port from 0 to 65535',
      ],
      // Before anything is started or asked.
      [[root, "--php", "/nowhere/php", "--authorizer", "http://a"], 2, 'Cannot connect to "http://a"'],
      [[root, "-f", "http://a"], 2, "expected unix:/path, /path or host:port, not a URL"],
      [[root, "-f", socket, "--mount", "blog"], 2, 'Cannot use --mount: expected /PREFIX=FOLDER, got "blog"'],
      [["-f", socket, "--mount", "/a=."], 2, "expected a folder for the other paths as well"],
      [
        [root, "-f", socket, "--may-link-to", "/nowhere"],
        2,
        "Cannot follow links to /nowhere: there is no such folder",
      ],
      [[root, "-f", socket, "--front-controller", "index"], 2, 'expected a path such as /index.php, got "index"'],
      [[root, "-f", socket, "--php-value", "=1"], 2, 'Cannot use --php-value: expected NAME=VALUE, got "=1"'],
      [[root, "-f", socket, "--cert", "/a", "--key", "/nowhere"], 2, "Cannot use --cert: "],
      [[root, "-f", socket, "--cert", cert, "--key", key], 2, "Cannot use --cert and --key: "],
      [[root, "-f", socket, "--cert", "/a"], 2, "Cannot use --cert: it needs --key"],
      [[root, "--php", "/bin/sh"], 2, 'Cannot use --php: expected php-fpm or php-cgi, got "/bin/sh"'],
      [[root, "--php", "/nowhere/php-fpm"], 2, 'Cannot use --php: "/nowhere/php-fpm" is no program'],
    ];
    for (const [args, code, message] of cases) {
      const run = await fetchcgi(["gateway", ...args]);
      expect([args, run.code, run.errors]).toEqual([args, code, expect.stringContaining(message)]);
      expect(run.text).toBe("");
    }
  });
});

describe("findPhp", () => {
  it("finds php-fpm before php-cgi, the one without a version first, then the newest", () => {
    const folder = join(directory.path, "programs");
    mkdirSync(folder);
    const found: (string | undefined)[] = [];
    for (const name of ["php-cgi", "php-fpm8.9", "php-fpm8.10", "php-fpm84", "php-fpm"]) {
      writeFileSync(join(folder, name), "", { mode: 0o755 });
      found.push(findPhp(folder)?.path.slice(folder.length + 1));
    }
    // What the machine has in its own folders comes after those of the PATH.
    expect(found.slice(1)).toEqual(["php-fpm8.9", "php-fpm8.10", "php-fpm84", "php-fpm"]);
  });

  it("says how to install it", () => {
    for (const [platform, release, advice] of [
      ["linux", 'ID=debian\nVERSION_ID="12"\n', "apt-get install php-fpm"],
      ["linux", "ID=linuxmint\nID_LIKE=ubuntu\n", "apt-get install php-fpm"],
      ["linux", 'ID="rocky"\nID_LIKE="rhel centos fedora"\n', "dnf install php-fpm"],
      ["linux", "ID=alpine\n", "apk add php84-fpm"],
      ["linux", "ID=own\n", "the package php-fpm of your system"],
      ["darwin", "", "brew install php"],
      ["win32", "", "--fastcgi 127.0.0.1:9000"],
    ] as const) {
      expect(installAdvice(platform, release)).toContain(advice);
    }
  });
});

it("workersFor gives a small machine few workers, and a large one those that its cores can run", () => {
  const GiB = 1024 ** 3;
  expect([workersFor(1, GiB / 4), workersFor(2, GiB), workersFor(2, 8 * GiB), workersFor(64, 4 * GiB)]).toEqual([
    2, 4, 8, 16,
  ]);
});

it("a line of the access log is one line that no terminal obeys, whatever the client sent", () => {
  const entry = {
    time: new Date("2026-11-27T23:05:09.010Z"),
    remote: "::1",
    method: 'GE"T',
    target: "/a\nb\\",
    protocol: "HTTP/2.0",
    status: 304,
    bytes: 0,
    milliseconds: 1.5,
    referer: "r\n",
    userAgent: "red \u009b31m",
    isCut: false,
  };
  expect(commonLogLine(entry)).toBe(String.raw`::1 - - [27/Nov/2026:23:05:09 +0000] "GE\"T /a\\nb\\ HTTP/2.0" 304 -`);
  expect(jsonLogLine(entry)).not.toMatch(/\p{Cc}/u);
  expect(JSON.parse(jsonLogLine(entry))).toMatchObject({
    time: "2026-11-27T23:05:09.010Z",
    referer: "r\n",
    userAgent: "red \u009b31m",
    cut: false,
  });
});

it.each(["before", "after"])(
  "the access log tells of a client that left %s there was an answer, whose body nothing reads, and lets go of that",
  async (when) => {
    const [leaving, cancelled] = [new AbortController(), deferred<unknown>()];
    const entries: AccessEntry[] = [];
    let running = 0;
    const handler = withAccessLog(
      async () => {
        if (when === "before") leaving.abort("left");
        return new Response(new ReadableStream({ cancel: cancelled.resolve }, { highWaterMark: 0 }));
      },
      60_000,
      {
        onBegin() {
          running++;
          return () => void running--;
        },
        onEnd: (entry) => void entries.push(entry),
        onBroken: (_, reason) => expect.unreachable(String(reason)),
      },
    );
    await handler(new Request("http://a.test/", { signal: leaving.signal }));
    if (when === "after") leaving.abort("left");
    expect(await cancelled.promise).toBe("left");
    expect(entries).toMatchObject([{ status: 200, bytes: 0, isCut: true }]);
    expect(running).toBe(0);
  },
);

async function httpText(url: string, headers: Record<string, string> = {}): Promise<{ status: number; text: string }> {
  const response = await fetch(url, { headers });
  return { status: response.status, text: await response.text() };
}

/** As `httpText`, from a server whose certificate no authority has signed. */
async function httpsText(url: string): Promise<{ status: number; text: string }> {
  const { get } = await import("node:https");
  return new Promise((resolve, reject) => {
    get(url, { rejectUnauthorized: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
      });
      response.on("end", () => resolve({ status: response.statusCode!, text }));
    }).on("error", reject);
  });
}
