import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { constants, readFileSync, writeFileSync } from "node:fs";
import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type FastCgiFetchHandler, Role, serve } from "../../adapters/node/index.ts";
import { repeat } from "../../cli/request/repeat.ts";
import { encodeRecords, FastCgiClient, type FastCgiRecord, RecordType, utf8ToByteString } from "../../src/toolkit.ts";
import { freePort } from "../support/free_port.ts";
import { deferred } from "../support/open_stream.ts";
import { type PhpFpm, startPhpFpm } from "../support/php_fpm.ts";
import { record } from "../support/records.ts";
import { formatTarget } from "../support/target.ts";
import { TcpBackend } from "../support/tcp_backend.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";
import { contextTo, fetchcgi, type RunOptions } from "./run.ts";

failOnUnhandledRejections();

let folder: TemporaryDirectory;
let php: PhpFpm;

beforeAll(async () => {
  folder = await createTemporaryDirectory("request");
  php = await startPhpFpm();
});

afterAll(async () => {
  await php?.stop();
  await folder.remove();
});

async function serveApp(fetch: FastCgiFetchHandler): Promise<string> {
  const server = await serve({ port: 0, fetch, onError: () => {}, onStderr: () => {} });
  onTestFinished(() => server.close({ timeout: 100 }));
  return `127.0.0.1:${(server.address as { port: number }).port}`;
}

/** An application that sends these records for a request, and closes the connection. Returns its address. */
async function startBackend(answer: (id: number) => FastCgiRecord[]): Promise<string> {
  const backend = await TcpBackend.start(async ({ id, connection }) => {
    await connection.send(encodeRecords(answer(id)));
    connection.end();
  });
  onTestFinished(() => backend.close());
  return `127.0.0.1:${backend.port}`;
}

const request = (args: string[], options?: RunOptions) => fetchcgi(["request", ...args], options);

const showing: FastCgiFetchHandler = async (request, { params, role, data }) =>
  Response.json({
    method: request.method,
    url: request.url,
    role,
    params: Object.fromEntries(params),
    body: await request.text(),
    data: data === null || data === undefined ? null : await new Response(data).text(),
  });

describe("fetchcgi request", () => {
  it("sends the variables of the URL, of fields and of the user's own", async () => {
    const address = await serveApp(showing);
    const { code, text } = await request([
      address,
      "https://a.example:444/b%20c?d=1",
      ...["-H", "X-One: 1", "--header", "Cookie: a=b", "-p", "HTTP_PROXY=evil", "--param", "REQUEST_METHOD=PURGE"],
      ...["--script", "/srv/app/index.php"],
    ]);
    expect(code).toBe(0);
    const { params, method } = JSON.parse(text);
    expect(method).toBe("PURGE");
    expect(params).toMatchObject({
      REQUEST_URI: "/b%20c?d=1",
      QUERY_STRING: "d=1",
      SERVER_NAME: "a.example",
      SERVER_PORT: "444",
      HTTPS: "on",
      HTTP_HOST: "a.example:444",
      HTTP_X_ONE: "1",
      HTTP_COOKIE: "a=b",
      HTTP_PROXY: "evil",
      SCRIPT_FILENAME: "/srv/app/index.php",
      CONTENT_LENGTH: "",
    });
  });

  it("sends any method, and fields in UTF-8", async () => {
    const address = await serveApp(showing);
    for (const [method, sent] of [
      ["post", "POST"],
      ["PROPFIND", "PROPFIND"],
      ["Custom", "Custom"],
    ]) {
      const { text } = await request([address, "/", "-X", method!, "-H", "X-City: Köln ☂"]);
      const { params } = JSON.parse(text);
      expect([params.REQUEST_METHOD, params.HTTP_X_CITY]).toEqual([sent, utf8ToByteString("Köln ☂")]);
    }
  });

  it("sends a body of a text, a file or standard input, with its length", async () => {
    const address = await serveApp(showing);
    const file = join(folder.path, "body.txt");
    writeFileSync(file, "from a file");
    const stdin = (async function* () {
      yield new TextEncoder().encode("from ");
      yield new TextEncoder().encode("a pipe");
    })();
    for (const [data, body, type] of [
      ["a=1&b=ü", "a=1&b=ü", "application/x-www-form-urlencoded"],
      [`@${file}`, "from a file", "application/octet-stream"],
      ["-", "from a pipe", "application/octet-stream"],
    ] as const) {
      const { text } = await request([address, "/", "--data", data], { stdin });
      const seen = JSON.parse(text);
      expect([seen.method, seen.body, seen.params.CONTENT_TYPE]).toEqual(["POST", body, type]);
      expect(seen.params.CONTENT_LENGTH).toBe(String(Buffer.byteLength(body)));
    }
    const typed = await request([address, "/", "-d", "{}", "-X", "PUT", "-H", "content-type: application/json"]);
    expect(JSON.parse(typed.text)).toMatchObject({ method: "PUT", params: { CONTENT_TYPE: "application/json" } });
  });

  it("sends what is in a pipe, in an empty file and in /proc, whose files have no size", async () => {
    const address = await serveApp(showing);
    const pipe = join(folder.path, "pipe");
    await promisify(execFile)("mkfifo", [pipe]);
    const empty = join(folder.path, "empty");
    writeFileSync(empty, "");
    for (const [path, body] of [
      [pipe, "from a pipe"],
      [empty, ""],
      ["/proc/self/comm", readFileSync("/proc/self/comm", "utf8")],
    ] as const) {
      const written = path === pipe ? writeFile(pipe, body) : undefined;
      const seen = JSON.parse((await request([address, "/", "--data", `@${path}`])).text);
      expect([seen.body, seen.params.CONTENT_LENGTH]).toEqual([body, String(body.length)]);
      await written;
    }
    const filter = await request([address, "/", "--role", "filter", "--filter-file", "/proc/self/comm"]);
    expect(JSON.parse(filter.text).data).toBe(readFileSync("/proc/self/comm", "utf8"));
  });

  it("ends with 130 when it is interrupted while standard input is waited for", async () => {
    const address = await serveApp(showing);
    const controller = new AbortController();
    const stdin = {
      [Symbol.asyncIterator]: () => ({
        next() {
          controller.abort();
          return new Promise<never>(() => {});
        },
      }),
    };
    expect((await request([address, "/", "-d", "-"], { stdin, signal: controller.signal })).code).toBe(130);
  });

  it.each(["the body", "the file for a filter", "the output"])(
    "ends with 130 when it is interrupted while a named pipe that no other process has opened is %s",
    async (what) => {
      const address = await serveApp(showing);
      const pipe = join(folder.path, what.replaceAll(" ", "-"));
      await promisify(execFile)("mkfifo", [pipe]);
      const controller = new AbortController();
      const args = {
        "the body": ["--data", `@${pipe}`],
        "the file for a filter": ["--role", "filter", "--filter-file", pipe],
        "the output": ["--output", pipe],
      }[what]!;
      const ended = request([address, "/", ...args], { signal: controller.signal });
      controller.abort();
      expect((await ended).code).toBe(130);
      // Its thread waits for the other end: there must be one for a moment, or vitest would wait too.
      const other = await open(pipe, constants.O_RDWR | constants.O_NONBLOCK);
      await other.close();
    },
  );

  it("asks an authorizer, and a filter with its file", async () => {
    const address = await serveApp(showing);
    const file = join(folder.path, "filtered.txt");
    writeFileSync(file, "the file");
    expect(JSON.parse((await request([address, "/", "--role", "authorizer"])).text).role).toBe(Role.Authorizer);
    const { text } = await request([address, "/", "--role", "filter", "--filter-file", file]);
    expect(JSON.parse(text)).toMatchObject({ role: Role.Filter, data: "the file", params: { FCGI_DATA_LENGTH: "8" } });
    expect((await request([address, "/", "--role", "filter"])).code).toBe(2);
  });

  it("prints the header of php-fpm as it is, and what PHP logs", async () => {
    const file = join(folder.path, "logs.php");
    writeFileSync(
      file,
      '<?php header("X-One: 1"); error_log("something \\x07happened"); http_response_code(404); echo "page";',
    );
    const args = [formatTarget(php.target), "/", "--script", file];
    const plain = await request(args);
    expect([plain.code, plain.text, plain.errors]).toEqual([1, "page", ""]);
    const full = await request([...args, "-i", "--stderr"], { terminal: { isTerminal: true } });
    expect(full.text).toMatch(/^Status: 404 Not Found\r\n(?:.*\r\n)*X-One: 1\r\n(?:.*\r\n)*\r\npage$/);
    expect(full.errors).toContain("PHP message: something ·happened");
    const json = JSON.parse((await request([...args, "--json"])).text);
    expect(json).toMatchObject({ status: 404, bytes: 4, appStatus: 0, fields: { "x-one": "1" } });
    expect(json.stderr).toContain("something");
  });

  it("streams a large upload and its answer, and shows how far it is on a terminal", async () => {
    const size = 30_000_000;
    const file = join(folder.path, "large");
    writeFileSync(file, Buffer.alloc(size, "0123456789abcdef"));
    const address = await serveApp((incoming) => new Response(incoming.body));
    const output = join(folder.path, "back");
    const { code, errors, text } = await request([address, "/", "-d", `@${file}`, "-o", output], {
      terminal: { isTerminal: true },
    });
    expect([code, text]).toEqual([0, ""]);
    const digest = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");
    expect(digest(output)).toBe(digest(file));
    expect(errors).toMatch(/^\rsent [\d.]+ \w+ of 30\.0 MB/);
    // The line is taken away in the end.
    expect(errors.endsWith("\r\u001b[K")).toBe(true);
  });

  it("waits for the reader of its output, and the application with it", async () => {
    const piece = new Uint8Array(65_536);
    const size = piece.length * 1_000;
    /** What the application has given so far, by path. */
    const given: Record<string, number> = { "/held": 0, "/read": 0 };
    const address = await serveApp(({ url }) => {
      const { pathname } = new URL(url);
      const pull = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
        if (given[pathname] === size) controller.close();
        else {
          given[pathname]! += piece.length;
          controller.enqueue(piece.slice());
        }
      };
      return new Response(new ReadableStream({ pull }, { highWaterMark: 0 }));
    });
    let received = 0;
    const begun = deferred();
    const goesOn = deferred();
    const held = request([address, "/held"], {
      terminal: {
        async write(data) {
          if (data.length === 0) return;
          begun.resolve();
          await goesOn.promise;
          received += data.length;
        },
      },
    });
    await begun.promise;
    // As much could have come to this reader as comes to another one meanwhile. Only what fits into all buffers on the way does.
    const read = await request([address, "/read"], { terminal: { write: async () => {} } });
    expect([read.code, given["/read"]]).toEqual([0, size]);
    expect(given["/held"]).toBeLessThan(20_000_000);
    goesOn.resolve();
    expect((await held).code).toBe(0);
    expect([given["/held"], received]).toEqual([size, size]);
  });

  it("ends with 130 when it is interrupted while the reader of its output is waited for", async () => {
    const address = await serveApp(() => new Response("page"));
    const controller = new AbortController();
    const begun = deferred();
    const run = request([address, "/"], {
      signal: controller.signal,
      terminal: {
        // A reader that takes nothing.
        write: (data) => {
          if (data.length === 0) return Promise.resolve();
          begun.resolve();
          return new Promise((_, reject) =>
            controller.signal.addEventListener("abort", () => reject(controller.signal.reason)),
          );
        },
      },
    });
    await begun.promise;
    controller.abort();
    expect((await run).code).toBe(130);
  });

  it("says by its exit code how the exchange ended", async () => {
    const half = "Content-Length: 100\r\nContent-Type: text/plain\r\n\r\nhalf";
    const cut = await startBackend((id) => [record(RecordType.Stdout, id, half)]);
    const empty = await startBackend((id) => [record(RecordType.EndRequest, id, new Uint8Array(8))]);
    const silent = await serveApp(() => new Promise<Response>(() => {}));
    for (const [args, code, message] of [
      [[`127.0.0.1:${await freePort()}`], 3, "nothing listens there; is the application running?"],
      [[join(folder.path, "none.sock")], 3, "there is no such socket"],
      [[cut], 4, "Cannot"],
      [[empty], 4, "Cannot read the answer: it ended without a header"],
      [[silent, "/", "--timeout", "200"], 4, "the application sent no output for 200 ms"],
      [["9000", "ftp://a/"], 2, 'expected a path or a URL of http or https, got "ftp://a/"'],
      [["9000", "page"], 2, 'expected a path or a URL of http or https, got "page"'],
      [["9000", "http://me:word@a/"], 2, 'expected a URL without a user, got "http://me:word@a/"'],
      [["9000", "/%00"], 2, "Cannot send the request: its path"],
      [["9000", "/", "-H", "nothing"], 2, 'Cannot use --header: expected "NAME: VALUE", got "nothing"'],
      [["9000", "/", "-H", "Näme: 1"], 2, 'Cannot use --header: expected "NAME: VALUE", got "Näme: 1"'],
      [["9000", "/", "-d", "@/none"], 2, "Cannot read /none"],
      [["9000", "/", "-d", "@"], 2, "Cannot read a file: its name is empty"],
      [["9000", "/", "-d", `@${folder.path}`], 2, `Cannot read ${folder.path}: it is a folder`],
      [
        ["9000", "/", "--role", "filter", "--filter-file", folder.path],
        2,
        `Cannot read ${folder.path}: it is a folder`,
      ],
      // Linux lets no process read it at its start.
      [["9000", "/", "-d", "@/proc/self/mem"], 2, "Cannot read /proc/self/mem: EIO"],
      [["9000", "/", "--concurrency", "2"], 2, "Cannot use --concurrency: it needs --repeat"],
      [["9000", "/", "--repeat", "2", "-o", "file"], 2, "Cannot use --output with --repeat"],
      [["9000", "/", "--repeat", "2", "-i"], 2, "Cannot use --include with --repeat"],
      [["9000", "/", "--repeat", "2", "--stderr"], 2, "Cannot use --stderr with --repeat"],
      [["9000", "/", "--json", "-i"], 2, "Cannot use --include with --json"],
      [["9000", "/", "-X", "a b"], 2, 'Cannot use --method: expected a name such as GET, got "a b"'],
      [["9000", "/", "-X", ""], 2, 'Cannot use --method: expected a name such as GET, got ""'],
      [
        ["9000", "/", "--repeat", "2", "--concurrency", "999999999"],
        2,
        "Cannot use --concurrency: expected a whole number from 1 to 10000",
      ],
    ] as const) {
      const run = await request([...args]);
      expect(run.errors).toContain(message);
      expect(run.code).toBe(code);
    }
  });

  it("prints JSON also when no whole answer comes, and nothing in it that a terminal obeys", async () => {
    const half = "Content-Length: 100\r\nX-One: 1\r\n\r\nhalf";
    const cut = await startBackend((id) => [
      record(RecordType.Stderr, id, "red \u009b31m"),
      record(RecordType.Stdout, id, half),
    ]);
    const broken = await request([cut, "/", "--json"]);
    expect(broken.code).toBe(4);
    expect(broken.text).not.toContain("\u009b");
    expect(JSON.parse(broken.text)).toMatchObject({
      status: 200,
      fields: { "x-one": "1" },
      bytes: 4,
      appStatus: null,
      stderr: "red \u009b31m",
      error: expect.stringMatching(/^Cannot /),
    });
    const away = await request([join(folder.path, "none.sock"), "/", "--json"]);
    expect(away.code).toBe(3);
    expect(JSON.parse(away.text)).toMatchObject({
      status: null,
      fields: {},
      bytes: 0,
      appStatus: null,
      error: expect.stringContaining("there is no such socket"),
    });
  });

  it("repeats a request, and sums up times, statuses and errors", async () => {
    let count = 0;
    let most = 0;
    let running = 0;
    const address = await serveApp(async (incoming) => {
      most = Math.max(most, ++running);
      await incoming.text();
      running--;
      return new Response("12345", { status: ++count % 10 === 0 ? 500 : 200 });
    });
    const args = [address, "/", "-d", "body", "--repeat", "50", "--concurrency", "4"];
    const { code, text, errors } = await request([...args, "--json"], { terminal: { isTerminal: true } });
    const summary = JSON.parse(text);
    expect(summary).toMatchObject({ requests: 50, bytes: 250, statuses: { 200: 45, 500: 5 }, errors: {} });
    expect(summary.milliseconds.min).toBeLessThanOrEqual(summary.milliseconds.median);
    expect(summary.milliseconds.median).toBeLessThanOrEqual(summary.milliseconds.max);
    expect(most).toBeLessThanOrEqual(4);
    expect(errors).toMatch(/^\r\d+ of 50 requests/);
    expect(code).toBe(1);
    const lines = await request(args);
    expect(lines.text).toMatch(
      /^50 requests in [\d.]+ s, \d+ a second, 250 bytes of bodies\nstatus 200: 45\nstatus 500: 5\n/,
    );
    const down = await request([`127.0.0.1:${await freePort()}`, "/", "--repeat", "3"]);
    expect(down.text).toMatch(/^failed: 3, Cannot connect/m);
    expect(down.code).toBe(3);
  });

  it("ends with the same code whether a request is repeated or not", async () => {
    const odd = await startBackend((id) => [
      record(RecordType.Stdout, id, "Status: odd\r\nno field\r\nA: 1\r\nA: 2\r\n\r\n"),
      record(RecordType.EndRequest, id, new Uint8Array(8)),
    ]);
    const { code, text } = await request([odd, "/", "--json"]);
    expect(JSON.parse(text)).toMatchObject({ status: null, fields: { status: "odd", a: ["1", "2"] } });
    expect([code, (await request([odd, "/", "--repeat", "2"])).code]).toEqual([1, 1]);
    const never = new FastCgiClient({ connect: () => new Promise(() => {}) }, { connectTimeout: 10 });
    const asks = { concurrency: 1, json: true };
    expect(await repeat(2, async () => ({ params: [] }), never, asks, contextTo([], []))).toBe(3);
  });
});
