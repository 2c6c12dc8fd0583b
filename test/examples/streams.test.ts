import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { serveConnection } from "../../examples/streams/application.ts";
import { StreamsClient } from "../../examples/streams/client.ts";
import { connectedPair } from "../../examples/streams/duplex.ts";
import { streamsOf } from "../../examples/streams/socket.ts";
import { requireRuntime } from "../../scripts/setup.mjs";
import { bundle } from "../support/bundle.ts";
import { startChromium } from "../support/chromium.ts";
import { type Example, startExample } from "../support/example.ts";
import { httpRequest } from "../support/http.ts";
import { fastCgiLocation, startNginx } from "../support/nginx.ts";
import { deferred, OpenStream } from "../support/open_stream.ts";
import { patternBytes } from "../support/pattern.ts";
import { startPhpFpm } from "../support/php_fpm.ts";
import { startProcess, waitUntil } from "../support/process.ts";
import { drain } from "../support/streams.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { startWorkerd } from "../support/workerd.ts";
import { askInMemory } from "./programs/streams_in_memory.ts";

const HEADER = "Content-Type: text/plain; charset=utf-8\r\n\r\n";

/** What the programs see on every runtime. */
const SEEN = {
  hello: `${HEADER}GET /hello\n`,
  echo: `${HEADER}POST /echo\na body`,
  large: 2_000_000,
  isRight: true,
};

let folder: TemporaryDirectory;
let program: string;

beforeAll(async () => {
  folder = await createTemporaryDirectory("streams");
  program = await bundle("test/examples/programs/streams_over_sockets.ts", folder.path);
});

afterAll(() => folder?.remove());

describe("streams, as a program", () => {
  let example: Example;

  beforeAll(async () => {
    example = await startExample("streams");
  });

  afterAll(() => example?.stop());

  test("streams answers over HTTP", async () => {
    const hello = await httpRequest(`${example.url}/some/path?q`);
    expect([hello.status, hello.headers["content-type"], hello.text()]).toEqual([
      200,
      "text/plain; charset=utf-8",
      "GET /some/path?q\n",
    ]);
    const echo = await httpRequest(`${example.url}/`, { method: "POST", body: "a body" });
    expect(echo.text()).toBe("POST /\na body");
  });

  test("streams stops on SIGTERM and leaves nothing behind", async () => {
    process.kill(example.pid, "SIGTERM");
    expect(await example.exited).toBe("code 0");
    expect(example.stderr()).toBe("");
    expect(example.leftovers()).toEqual([]);
  });
});

test.each([
  ["node", () => [process.execPath]],
  ["bun", () => [requireRuntime("bun")]],
  ["deno", () => [requireRuntime("deno"), "run", "--quiet", "--no-prompt", "--allow-net"]],
] as const)("streams serves and calls over sockets on %s, and serves nginx", async (runtime, commandOf) => {
  const [command, ...args] = commandOf();
  const running = await startProcess(command!, { name: `streams on ${runtime}`, args: [...args, program] });
  const nginxes: { stop(): Promise<void> }[] = [];
  try {
    await waitUntil(() => running.stdout().includes("\n"), { message: `streams on ${runtime} printed nothing` });
    const { port, ...seen } = JSON.parse(running.stdout());
    expect(seen).toEqual(SEEN);
    for (const keepConn of [false, true]) {
      const nginx = await startNginx({ locations: [fastCgiLocation(`127.0.0.1:${port}`, { keepConn })] });
      nginxes.push(nginx);
      for (let round = 0; round < 3; round++) {
        const hello = await httpRequest(`${nginx.url}/path`);
        expect([hello.status, hello.text()]).toEqual([200, "GET /path\n"]);
      }
      const body = patternBytes(300_000);
      const echo = await httpRequest(`${nginx.url}/`, { method: "POST", body });
      expect(Buffer.from("POST /\n").compare(echo.body.subarray(0, 7))).toBe(0);
      expect(Buffer.from(body).equals(echo.body.subarray(7))).toBe(true);
    }
    expect(running.stderr()).toBe("");
  } finally {
    for (const nginx of nginxes) await nginx.stop();
    await running.stop();
  }
});

test("streams calls php-fpm", async () => {
  const fpm = await startPhpFpm({ listen: "unix" });
  try {
    const client = new StreamsClient(streamsOf(connect({ path: fpm.target.path, allowHalfOpen: true })));
    // One after the other: php-fpm takes one request at a time on a connection.
    for (const body of ["first=1", "second=2"]) {
      const { stdout, end } = await client.ask({
        params: [
          ["REQUEST_METHOD", "POST"],
          ["SCRIPT_FILENAME", join(fpm.documentRoot, "echo.php")],
          ["CONTENT_TYPE", "application/x-www-form-urlencoded"],
          ["CONTENT_LENGTH", String(body.length)],
        ],
        stdin: body,
      });
      expect(await new Response(stdout).text()).toContain(body.slice(0, -2));
      expect(await end).toEqual({ appStatus: 0, protocolStatus: 0 });
    }
    await client.close();
  } finally {
    await fpm.stop();
  }
});

test("streams serves and calls in memory on Node", async () => {
  expect(await askInMemory()).toEqual({ ...SEEN, served: "closed" });
});

test("streams serves and calls in memory in workerd", async () => {
  const worker = await startWorkerd("test/examples/programs/streams_worker.ts");
  try {
    expect(await (await fetch(worker.url)).json()).toEqual({ ...SEEN, served: "closed" });
  } finally {
    await worker.stop();
  }
});

test("streams serves and calls in memory in Chromium", async () => {
  const script = await readFile(await bundle("test/examples/programs/streams_page.ts", join(folder.path, "page")));
  const result = deferred<unknown>();
  const site = createServer(async (request, response) => {
    if (request.url === "/result") result.resolve(await json(request));
    const isScript = request.url === "/page.mjs";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? script : '<!doctype html><script type="module" src="/page.mjs"></script>');
  });
  await new Promise<void>((done) => site.listen(0, "127.0.0.1", done));
  const { port } = site.address() as { port: number };
  const chromium = await startChromium(folder.path, `http://127.0.0.1:${port}/`);
  try {
    const ended = chromium.exited.then((how) => ({ error: `Chromium ended with ${how}: ${chromium.stderr()}` }));
    expect(await Promise.race([result.promise, ended])).toEqual({ ...SEEN, served: "closed" });
  } finally {
    await chromium.stop();
    site.close();
    site.closeAllConnections();
  }
});

test("serveConnection lets a response that breaks off look broken", async () => {
  const [web, application] = connectedPair();
  const output = new OpenStream();
  const served = serveConnection(application, () => ({ stdout: output.stream }));
  const failed = expect(served).rejects.toThrow("The disk is gone");
  const client = new StreamsClient(web);
  const asked = client.ask({ params: [["REQUEST_METHOD", "GET"]] });
  output.write("half");
  const { stdout } = await asked;
  output.fail(new Error("The disk is gone"));
  const { bytes, error } = await drain(stdout);
  expect(new TextDecoder().decode(bytes)).toBe("half");
  expect(error).toMatchObject({ code: "connectionClosed", cause: { code: "protocol" } });
  await failed;
});

test("StreamsClient rejects what waits when the application closes the connection", async () => {
  const [web, application] = connectedPair();
  const client = new StreamsClient(web);
  const asked = client.ask({ params: [["REQUEST_METHOD", "GET"]] });
  await application.writable.close();
  await expect(asked).rejects.toThrow("The application closed the connection");
});
