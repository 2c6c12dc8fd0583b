import { readdirSync } from "node:fs";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort } from "../support/free_port.ts";
import { httpOpen, httpRequest } from "../support/http.ts";
import { patternChunks, patternSha256 } from "../support/pattern.ts";
import { type RunningProcess, startProcess, waitUntil } from "../support/process.ts";
import { rawExchange } from "../support/raw_connection.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";

const HTML = { accept: "text/html,*/*;q=0.8" };
const projectFolder = fileURLToPath(new URL("../..", import.meta.url));

/** Where the demo makes the folder of its socket. */
let temporary: TemporaryDirectory;
const running: RunningProcess[] = [];
let demo: RunningProcess;
let port: number;
let url: string;

beforeAll(async () => {
  temporary = await createTemporaryDirectory("demo-test");
  port = await freePort();
  demo = await startDemo(["--port", String(port)]);
  url = await printedUrl(demo);
});

afterAll(async () => {
  await Promise.all(running.map((process) => process.stop()));
  await temporary?.remove();
});

/** As `npm start` does it. */
async function startDemo(args: string[], variables: NodeJS.ProcessEnv = {}): Promise<RunningProcess> {
  const { PORT: _, ...inherited } = process.env;
  const started = await startProcess(process.execPath, {
    name: "the demo",
    args: ["--import", "tsx", "examples/demo/main.ts", ...args],
    cwd: projectFolder,
    env: { ...inherited, TMPDIR: temporary.path, ...variables },
  });
  running.push(started);
  return started;
}

async function printedUrl({ stdout, stderr }: RunningProcess): Promise<string> {
  const pattern = /http:\/\/127\.0\.0\.1:\d+(?=\/)/;
  await waitUntil(() => {
    if (stderr() !== "") throw new Error(stderr());
    return pattern.test(stdout());
  });
  return pattern.exec(stdout())![0];
}

/** The types of the records in a text, with the direction before each. */
function recordTypes(page: string): string[] {
  return [...page.matchAll(/^ {2}([<>] FCGI_\w+)/gm)].map((match) => match[1]!);
}

const REQUEST = ["> FCGI_BEGIN_REQUEST", "> FCGI_PARAMS", "> FCGI_PARAMS", "> FCGI_STDIN"];
const RESPONSE = ["< FCGI_STDOUT", "< FCGI_STDOUT", "< FCGI_END_REQUEST"];

test("the demo prints its URL and nothing else", () => {
  expect(url).toBe(`http://127.0.0.1:${port}`);
  expect(demo.stdout()).toBe(`fetchcgi demo: ${url}/  (Ctrl+C stops it)\n`);
});

test("the demo answers browsers in HTML", async () => {
  const response = await httpRequest(`${url}/some/path?a=1&b=2`, { headers: { ...HTML, "x-test": "hello" } });
  expect(response.status).toBe(200);
  expect(response.headers["content-type"]).toBe("text/html; charset=utf-8");
  const page = response.text();
  expect(page).toMatch(/^<!doctype html>/);
  expect(page).toContain("<b>GET</b> /some/path?a=1&amp;b=2");
  expect(page).toContain('<th scope="row">x-test</th><td>hello</td>');
  expect(page).toContain('<th scope="row">HTTP_X_TEST</th><td>hello</td>');
  expect(page).toContain('<th scope="row">QUERY_STRING</th><td>a=1&amp;b=2</td>');
  expect(page).toContain('<th scope="row">REMOTE_ADDR</th><td>127.0.0.1</td>');
  // Its own request, as far as it had crossed the wire when it was written.
  for (const record of REQUEST) expect(page).toContain(`</span>${record.slice(2)}</th>`);
  expect(page).not.toContain("FCGI_STDOUT");
});

test("the demo answers everybody else in plain text", async () => {
  const response = await httpRequest(`${url}/some/path?a=1`, {
    method: "POST",
    body: "a body",
    headers: { accept: "*/*" },
  });
  expect(response.status).toBe(200);
  expect(response.headers["content-type"]).toBe("text/plain; charset=utf-8");
  const page = response.text();
  expect(page).toContain(`POST ${url}/some/path?a=1`);
  expect(page).toMatch(/^ {2}REQUEST_METHOD +POST$/m);
  expect(page).toMatch(/^ {2}CONTENT_LENGTH +6$/m);
  expect(recordTypes(page)).toEqual([...REQUEST, "> FCGI_STDIN"]);
  expect(page).toMatch(/^ {2}> FCGI_STDIN +id \d+ +6\+2 +a body$/m);
});

test("the demo shows the records of both directions when an exchange is over", async () => {
  const id = (await httpRequest(url)).headers["exchange-id"];
  const records = await httpRequest(`${url}/records/${id}`);
  expect(recordTypes(records.text())).toEqual([...REQUEST, ...RESPONSE]);
  expect(records.text()).toContain("FCGI_REQUEST_COMPLETE, appStatus 0");
  // Looking at them has not added any.
  const html = (await httpRequest(`${url}/records/${id}`, { headers: HTML })).text();
  expect(html).toMatch(/^<table class="records" data-state="complete">/);
  expect(html.match(/FCGI_\w+<\/th>/g)).toHaveLength(REQUEST.length + RESPONSE.length);
  expect((await httpRequest(`${url}/records/none`)).status).toBe(404);
});

test("the demo forgets old exchanges", async () => {
  const id = (await httpRequest(url)).headers["exchange-id"];
  for (let count = 0; count < 100; count++) await httpRequest(url);
  expect((await httpRequest(`${url}/records/${id}`)).status).toBe(404);
  expect((await httpRequest(`${url}/records/${Number(id) + 1}`)).status).toBe(200);
});

test("the demo digests an upload", async () => {
  const bytes = 5 * 1024 * 1024;
  const response = await httpRequest(`${url}/upload?name=${encodeURIComponent("ä <b>.bin")}`, {
    method: "PUT",
    body: patternChunks(bytes),
    headers: { "content-length": bytes },
  });
  expect(response.status).toBe(200);
  expect(response.text()).toBe(`sha256  ${patternSha256(bytes)}\nbytes   ${bytes}\nname    ä <b>.bin\n`);
  const records = (await httpRequest(`${url}/records/${response.headers["exchange-id"]}`)).text();
  // Most of them are only counted.
  expect(records).toMatch(/^ {2}\.\.\. \d+ more \.\.\.$/m);
  expect(recordTypes(records)).toHaveLength(24);
  expect(recordTypes(records).slice(-4)).toEqual(["> FCGI_STDIN", ...RESPONSE]);
});

test("the demo streams ticks until the client leaves", async () => {
  const response = await httpOpen(`${url}/ticks`);
  let received = "";
  for await (const piece of response) {
    received += piece;
    if (received.includes("tick 2")) break; // Closes the connection.
  }
  expect(received).toMatch(/^tick 1 at .*Z\ntick 2 at .*Z\n/);
  const records = `${url}/records/${response.headers["exchange-id"]}`;
  await waitUntil(async () => (await httpRequest(records)).text().includes("the front closed the connection"));
  expect(recordTypes((await httpRequest(records)).text())).not.toContain("< FCGI_END_REQUEST");
});

test("the demo survives a handler that throws", async () => {
  const response = await httpRequest(`${url}/throw`, { headers: HTML });
  expect(response.status).toBe(500);
  expect(response.text()).toBe("Internal Server Error\n");
  await waitUntil(() => demo.stderr().includes("Error: Thrown on purpose"));
  expect((await httpRequest(url)).status).toBe(200);
});

test("the demo escapes what clients send", async () => {
  const attack = `"'><script>alert(1)</script>`;
  const lines = [`GET /${attack}?q=${attack}&amp; HTTP/1.0`, `Host: 127.0.0.1:${port}`, `X-Test: ${attack}`];
  const response = await rawExchange(port, `${lines.join("\r\n")}\r\nAccept: text/html\r\n\r\n`);
  expect(response).toMatch(/^HTTP\/1\.1 200 /);
  expect(response).not.toContain("<script>alert");
  expect(response).toContain("<td>&quot;&#39;&gt;&lt;script&gt;alert(1)&lt;/script&gt;</td>");
  expect(response).toContain("&amp;amp;");
});

test("the demo takes a free port when its usual one is taken", async () => {
  // The program that has port 3000 is the first one, or another one on this machine.
  const [first, second] = [await startDemo([]), await startDemo([])];
  const urls = [await printedUrl(first), await printedUrl(second)];
  expect(urls[0]).not.toBe(urls[1]);
  for (const address of urls) expect((await httpRequest(address)).status).toBe(200);
});

test("the demo does not start on a port that is not free or not there", async () => {
  const taken = await startDemo([], { PORT: String(port) });
  expect(await taken.exited).toBe("code 1");
  expect(taken.stderr()).toContain("EADDRINUSE");
  const absurd = await startDemo(["--port", "65536"]);
  expect(await absurd.exited).toBe("code 1");
  expect(absurd.stderr()).toBe("Cannot listen on port 65536: no such port\n");
});

test.each(["SIGINT", "SIGTERM"] as const)("the demo stops and cleans up on %s", async (signal) => {
  const before = readdirSync(temporary.path);
  const stopping = await startDemo([], { PORT: "0" });
  const address = await printedUrl(stopping);
  expect(readdirSync(temporary.path)).toHaveLength(before.length + 1);
  // Also while a browser watches.
  const ticks = await httpOpen(`${address}/ticks`);
  const broken = text(ticks).catch((error) => error);
  process.kill(stopping.pid, signal);
  expect(await stopping.exited).toBe("code 0");
  expect(stopping.stdout()).toMatch(/\nStopped\n$/);
  expect(stopping.stderr()).toBe("");
  expect(readdirSync(temporary.path)).toEqual(before);
  expect(await broken).toBeInstanceOf(Error);
});
