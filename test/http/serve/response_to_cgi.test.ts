import { fileURLToPath } from "node:url";
import { runInNewContext } from "node:vm";
import { describe, expect, it, vi } from "vitest";
import { WholeOutput } from "../../../src/codec/whole_output.ts";
import { type CgiResponseOptions, cgiFromResponse } from "../../../src/http/serve/response_to_cgi.ts";
import { type ByteReader, type ByteSource, FastResponse, RecordType, Role } from "../../../src/toolkit.ts";
import { joined, latin1 } from "../../support/bytes.ts";
import { OpenStream } from "../../support/open_stream.ts";
import { patternBytes } from "../../support/pattern.ts";
import { recordsIn } from "../../support/records.ts";
import { isBun } from "../../support/runtime.ts";
import { isSettled, streamOf } from "../../support/streams.ts";
import { transferred } from "../../support/transferred.ts";
import { failOnUnhandledRejections, turns } from "../../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const get: CgiResponseOptions = { method: "GET" };

/** What is sent at once, and what comes behind it, as byte strings. */
async function sent(response: Response, options = get): Promise<{ first: string; rest: string }> {
  const [first, ...sources] = await cgiFromResponse(response, options);
  const rest: Uint8Array[] = [];
  for (const source of sources as (ByteReader | Uint8Array)[]) {
    if (source instanceof Uint8Array) rest.push(source);
    else for (let result = await source.read(); !result.done; result = await source.read()) rest.push(result.value!);
  }
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");
  return { first: text(bytesOf(first)), rest: text(joined(...rest)) };
}

/** The bytes of a source that is complete. */
function bytesOf(source: ByteSource | undefined): Uint8Array {
  if (!(source instanceof WholeOutput)) return source as Uint8Array;
  const stdout = recordsIn(source.encodeResponse(1)).filter(({ type }) => type === RecordType.Stdout);
  return joined(...stdout.map(({ contentData }) => contentData));
}

/** The lines of the header block, but for the Content-Length of a response that came without one. */
async function headerOf(response: Response, options = get): Promise<string[]> {
  const isAdded = !response.headers.has("content-length");
  const [first] = await cgiFromResponse(response, options);
  const lines = Buffer.from(bytesOf(first)).toString("latin1").split("\r\n\r\n")[0]!.split("\r\n");
  return lines.filter((line) => !(isAdded && line.startsWith("content-length:")));
}

describe("cgiFromResponse: header", () => {
  it("cgiFromResponse begins with one Status, reason phrase included", async () => {
    expect(await sent(new Response(null))).toEqual({
      first: "Status: 200 OK\r\ncontent-length: 0\r\n\r\n",
      rest: "",
    });
    expect(await headerOf(new Response(null, { status: 404, statusText: "Not Found" }))).toEqual([
      "Status: 404 Not Found",
    ]);
    expect(await headerOf(Response.redirect("http://a.test/x"))).toEqual([
      "location: http://a.test/x",
      "Status: 302 Found",
    ]);
    expect(await headerOf(new Response(null, { status: 599, statusText: "caf\xe9" }))).toEqual(["Status: 599 caf\xe9"]);
  });

  it("cgiFromResponse drops a status header of the handler", async () => {
    const response = new Response(null, { headers: { status: "500 Forged", "x-status": "1" } });
    expect(await headerOf(response)).toEqual(["Status: 200 OK", "x-status: 1"]);
  });

  it("cgiFromResponse sends a line for each Set-Cookie and joins other headers", async () => {
    const response = new Response(null);
    for (const cookie of ["a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "b=2"]) {
      response.headers.append("set-cookie", cookie);
    }
    response.headers.append("vary", "a");
    response.headers.append("vary", "b");
    // Bun lists cookies last.
    expect((await headerOf(response)).toSorted()).toEqual([
      "Status: 200 OK",
      "set-cookie: a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
      "set-cookie: b=2",
      "vary: a, b",
    ]);
  });

  it("cgiFromResponse drops headers of the connection", async () => {
    const headers = {
      connection: "close",
      "keep-alive": "5",
      "proxy-connection": "close",
      te: "trailers",
      trailer: "x",
      "transfer-encoding": "chunked",
      upgrade: "h2c",
      "x-kept": "1",
    };
    expect(await headerOf(new Response(null, { headers }))).toEqual(["Status: 200 OK", "x-kept: 1"]);
  });

  it("cgiFromResponse sends Status behind a Location, because HAProxy makes 302 of it otherwise", async () => {
    const headers = { location: "/new", "x-first": "1" };
    const lines = await headerOf(new Response(null, { status: 201, headers }));
    expect(lines).toEqual(["location: /new", "x-first: 1", "Status: 201 Created"]);
  });

  it("cgiFromResponse passes a Location as the handler wrote it", async () => {
    for (const location of ["/path", "relative?x#y", "https://a.test/"]) {
      const response = new Response(null, { status: 303, headers: { location } });
      expect(await headerOf(response)).toEqual([`location: ${location}`, "Status: 303 See Other"]);
    }
  });

  it("cgiFromResponse sends header bytes above 0x7F as they are", async () => {
    const [header] = await cgiFromResponse(new Response(null, { headers: { "x-utf": "\xc3\xa9\xff" } }), get);
    expect(bytesOf(header)).toEqual(latin1("Status: 200 OK\r\nx-utf: \xc3\xa9\xff\r\ncontent-length: 0\r\n\r\n"));
  });

  it("cgiFromResponse writes the names of an Authorizer's variables in upper case", async () => {
    const response = (): Response => new Response(null, { headers: { "Variable-Auth_Method": "db", "X-Other": "1" } });
    expect(await headerOf(response(), { method: "GET", role: Role.Authorizer })).toEqual([
      "Status: 200 OK",
      "Variable-AUTH_METHOD: db",
      "x-other: 1",
    ]);
    expect(await headerOf(response(), { method: "GET", role: Role.Responder })).toContain("variable-auth_method: db");
  });

  it("cgiFromResponse begins with Status when it answers as an Authorizer: lighttpd ignores what comes before", async () => {
    const response = new Response(null, { status: 302, headers: { location: "/login", "x-first": "1" } });
    const lines = await headerOf(response, { method: "GET", role: Role.Authorizer });
    expect(lines).toEqual(["Status: 302 Found", "location: /login", "x-first: 1"]);
  });

  it("cgiFromResponse keeps an Authorizer's variables back when it refuses: the HTTP client gets that answer", async () => {
    const headers = { "variable-user": "admin", "www-authenticate": "Basic" };
    const refusal = new Response("No", { status: 401, headers: { ...headers, "content-type": "a/b" } });
    expect(await headerOf(refusal, { method: "GET", role: Role.Authorizer })).toEqual([
      "Status: 401 Unauthorized",
      "content-type: a/b",
      "www-authenticate: Basic",
    ]);
  });

  it("cgiFromResponse gives a body without a type application/octet-stream, never text/html", async () => {
    // No text: on Bun, what can be text is text/plain.
    for (const bytes of [latin1("<html>\xff"), latin1("<html>\0")]) {
      expect(await headerOf(new Response(bytes))).toContain("content-type: application/octet-stream");
      expect(await headerOf(new Response(streamOf(bytes)))).toContain("content-type: application/octet-stream");
    }
    expect(await headerOf(new Response(new OpenStream().stream))).toContain("content-type: application/octet-stream");
  });

  it("cgiFromResponse invents no type where the handler has one or there is no body", async () => {
    for (const text of ["<html>", "\u2603".repeat(50_000)]) {
      expect(await headerOf(new Response(text))).toEqual(["Status: 200 OK", "content-type: text/plain;charset=UTF-8"]);
    }
    for (const response of [new Response(null), new Response(streamOf()), new Response(new Uint8Array(0))]) {
      expect(await headerOf(response)).toEqual(["Status: 200 OK"]);
    }
  });

  it("cgiFromResponse refuses a header that is larger than a record", async () => {
    const open = new OpenStream();
    const fitting = 0xfff8 - "Status: 200 OK\r\nx: \r\ncontent-length: 0\r\n\r\n".length;
    const fits = new Response(null, { headers: { x: "a".repeat(fitting) } });
    expect(((await cgiFromResponse(fits, get))[0] as Uint8Array).length).toBe(0xfff8);
    const response = new Response(open.stream, { headers: { x: "a".repeat(fitting + 20) } });
    await expect(cgiFromResponse(response, get)).rejects.toThrow(
      /^Cannot send the response: its header of \d+ bytes does not fit one record$/,
    );
    await turns();
    expect(open.cancelled).toBeInstanceOf(TypeError);
  });

  it("cgiFromResponse refuses a statusText that is no reason phrase", async () => {
    for (const statusText of ["OK\r\nset-cookie: evil=1", "OK\n", "\r", "OK\0", "\x7f", "\u010a"]) {
      // Bun makes such a Response.
      const send = async (): Promise<unknown> => cgiFromResponse(new Response("body", { statusText }), get);
      await expect(send(), JSON.stringify(statusText)).rejects.toThrow(TypeError);
      const sendFast = async (): Promise<unknown> => cgiFromResponse(new FastResponse("body", { statusText }), get);
      await expect(sendFast(), JSON.stringify(statusText)).rejects.toThrow(TypeError);
    }
    expect(await headerOf(new Response(null, { statusText: "Not\tcaf\xe9" }))).toEqual(["Status: 200 Not\tcaf\xe9"]);
  });

  it("cgiFromResponse sends the type of what a body was made of", async () => {
    const form = new FormData();
    form.append("name", "value");
    const { first } = await sent(new Response(form));
    const [, boundary] = /content-type: multipart\/form-data; boundary=([^\r]+)/.exec(first)!;
    expect(first).toContain(`\r\n\r\n--${boundary}\r\n`);
    for (const [body, type] of [
      [new Blob(["a{}"], { type: "text/css" }), "text/css"],
      [new File(["{}"], "a.json", { type: "application/json" }), "application/json"],
      [new URLSearchParams({ a: "1" }), "application/x-www-form-urlencoded"],
    ] as const) {
      const types = (await headerOf(new Response(body))).filter((line) => line.startsWith("content-type"));
      expect(types).toEqual([expect.stringMatching(new RegExp(`^content-type: ${type}(;charset=utf-8)?$`, "i"))]);
      const fast = (await headerOf(new FastResponse(body))).filter((line) => line.startsWith("content-type"));
      expect(fast).toEqual(types);
    }
  });

  it("cgiFromResponse sends the type of a Bun.file", async ({ skip }) => {
    skip(!isBun, "only Bun has files as bodies");
    const { Bun } = globalThis as unknown as { Bun: { file(path: string): Blob } };
    const file = Bun.file(fileURLToPath(new URL("../../../package.json", import.meta.url)));
    expect(await headerOf(new Response(file))).toContain("content-type: application/json;charset=utf-8");
  });

  it("cgiFromResponse refuses a status that no web server passes on", async () => {
    await expect(cgiFromResponse(Response.error(), get)).rejects.toThrow("Cannot send the response: its status is 0");
  });
});

describe("cgiFromResponse: body", () => {
  it("cgiFromResponse sends a body that is available in the same piece as the header", async () => {
    const bodies: [body: BodyInit, text: string][] = [
      ["text", "text"],
      [latin1("\0\xff"), "\0\xff"],
      [latin1("ab").buffer, "ab"],
      [new Blob(["blob"]), "blob"],
      [new URLSearchParams({ a: "1" }), "a=1"],
      [streamOf(latin1("a"), latin1(""), latin1("b")), "ab"],
      ["", ""],
    ];
    for (const [body, text] of bodies) {
      const { first, rest } = await sent(new Response(body));
      expect(first.slice(first.indexOf("\r\n\r\n") + 4)).toBe(text);
      expect(rest).toBe("");
    }
    // Bun adds the charset.
    const type = Response.json({}).headers.get("content-type");
    expect(await sent(Response.json({ a: 1 }))).toEqual({
      first: `Status: 200 OK\r\ncontent-type: ${type}\r\ncontent-length: 7\r\n\r\n{"a":1}`,
      rest: "",
    });
  });

  it.each([
    ["is ASCII", "text\r\n", "text\r\n"],
    ["is not ASCII", "caf\u00e9 \u20ac", "caf\xc3\xa9 \xe2\x82\xac"],
    ["is empty", "", ""],
    ["holds half a character", "\ud800", "\xef\xbf\xbd"],
    ["is longer than a block", "x".repeat(5000), "x".repeat(5000)],
  ])("cgiFromResponse sends the text of a FastResponse with its length in bytes when it %s", async (_, text, bytes) => {
    const lines = `Status: 200 OK\r\ncontent-type: text/plain;charset=UTF-8\r\ncontent-length: ${bytes.length}`;
    expect(await sent(new FastResponse(text))).toEqual({ first: `${lines}\r\n\r\n${bytes}`, rest: "" });
    const untyped = new FastResponse(text);
    untyped.headers.delete("content-type");
    expect((await sent(untyped)).first.endsWith(`content-length: ${bytes.length}\r\n\r\n${bytes}`)).toBe(text === "");
    const headers = { "content-length": String(bytes.length + 1) };
    expect(() => cgiFromResponse(new FastResponse(text, { headers }), get)).toThrow(
      /^Cannot send the response body: expected \d+ bytes, got \d+$/,
    );
  });

  it("cgiFromResponse sends a FastResponse as it sends a Response of the same body, header, status and method", async () => {
    const bodies = [null, "", "text", "caf\u00e9", "x".repeat(5_000), "x".repeat(100_000), patternBytes(40_000)];
    const headers = { "content-type": "a/b", "x-a": "1" };
    for (const body of bodies) {
      for (const status of body === null ? [200, 204, 205, 304, 404] : [200, 404]) {
        for (const method of ["GET", "HEAD", "POST"]) {
          const [fast, native] = [FastResponse, Response].map((each) => new each(body, { status, headers }));
          const [one, other] = [await sent(fast!, { method }), await sent(native!, { method })];
          // Where a body is cut is not for the handler to know, and Bun cuts its own elsewhere.
          expect(one.first + one.rest, `${method} ${status}`).toBe(other.first + other.rest);
        }
      }
    }
  });

  it("cgiFromResponse joins a body of up to 32 KiB to its header, and leaves the encoding of a small one to its sender", async () => {
    const sourcesOf = async (length: number): Promise<readonly ByteSource[]> =>
      cgiFromResponse(new FastResponse(patternBytes(length)), get);
    const lengths = [4, 5_000, 32_768, 32_769];
    const sources = await Promise.all(lengths.map(sourcesOf));
    expect(sources.map((each) => each.length)).toEqual([1, 1, 1, 2]);
    expect(sources.map(([first]) => first instanceof WholeOutput)).toEqual([true, false, false, false]);
    expect(sources[3]![1]).toHaveLength(32_769);
  });

  it("cgiFromResponse sends every piece of a body once and in order when some of them are large", async () => {
    for (const lengths of [
      [10, 40_000, 20_000],
      [10, 20_000, 40_000],
      [40_000, 10],
    ]) {
      const pieces = lengths.map((length) => patternBytes(length, length));
      const { first, rest } = await sent(new Response(streamOf(...pieces)));
      const bytes = latin1(`${first.slice(first.indexOf("\r\n\r\n") + 4)}${rest}`);
      expect(Buffer.compare(bytes, joined(...pieces)), String(lengths)).toBe(0);
    }
  });

  it("cgiFromResponse sends the type that a Response gets when its body is made", async () => {
    class LateResponse extends Response {
      override get body(): Response["body"] {
        this.headers.set("content-type", "a/b");
        return super.body;
      }
    }
    const response = new LateResponse(latin1("body"));
    expect((await sent(response)).first).toBe("Status: 200 OK\r\ncontent-type: a/b\r\ncontent-length: 4\r\n\r\nbody");
  });

  it("cgiFromResponse sends the header of a slow body at once", async () => {
    const open = new OpenStream();
    const result = cgiFromResponse(new Response(open.stream), get);
    expect(await isSettled(result as Promise<unknown>)).toBe(true);
    const [first, body] = (await result) as [Uint8Array, ByteReader];
    expect(Buffer.from(first).toString()).toBe("Status: 200 OK\r\ncontent-type: application/octet-stream\r\n\r\n");
    const read = body.read();
    open.write("late");
    expect(await read).toEqual({ done: false, value: latin1("late") });
    open.close();
    expect((await body.read()).done).toBe(true);
  });

  it("cgiFromResponse sends the first pieces of a slow body with the header", async () => {
    const open = new OpenStream();
    open.write("early");
    const [first, body] = (await cgiFromResponse(new Response(open.stream), get)) as [Uint8Array, ByteReader];
    expect(Buffer.from(first).toString()).toMatch(/\r\n\r\nearly$/);
    const read = body.read();
    open.write("late");
    expect((await read).value).toEqual(latin1("late"));
  });

  it("cgiFromResponse reads no more than a record ahead of a long body", async () => {
    let pieces = 0;
    const endless = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          pieces++;
          controller.enqueue(new Uint8Array(1000));
        },
      },
      { highWaterMark: 0 },
    );
    const [first] = (await cgiFromResponse(new Response(endless), get)) as [Uint8Array, ByteReader];
    expect(first.length).toBeGreaterThan(0xfff8);
    expect(pieces).toBeLessThan(70);
  });

  it("cgiFromResponse sends many small pieces that are available as one piece", async () => {
    const pieces = Array.from({ length: 5_000 }, (_, index) => patternBytes(1, index));
    const { first } = await sent(new Response(streamOf(...pieces)));
    expect(latin1(first.slice(-5_000))).toEqual(patternBytes(5_000));
  });

  it("cgiFromResponse passes the cancelling of a long body on", async () => {
    const open = new OpenStream();
    const [, body] = (await cgiFromResponse(new Response(open.stream), get)) as [Uint8Array, ByteReader];
    const reason = new Error("Gone");
    await body.cancel(reason);
    expect(open.cancelled).toBe(reason);
  });

  it("cgiFromResponse sends no body for HEAD and for 204, 205 and 304, and cancels that of the handler", async () => {
    const cases: [method: string, status: number, reason: string][] = [
      ["HEAD", 200, "OK"],
      ["HEAD", 404, "Not Found"],
    ];
    for (const [method, status, reason] of cases) {
      const open = new OpenStream();
      const response = new Response(open.stream, { status, headers: { "content-length": "5", "content-type": "a/b" } });
      expect(await sent(response, { method })).toEqual({
        first: `Status: ${status} ${reason}\r\ncontent-length: 5\r\ncontent-type: a/b\r\n\r\n`,
        rest: "",
      });
      await turns();
      expect(open.cancelled).toBe("The response has no body");
    }
    for (const line of ["204 No Content", "205 Reset Content", "304 Not Modified"]) {
      const response = new Response(null, { status: Number(line.slice(0, 3)) });
      expect(await sent(response)).toEqual({ first: `Status: ${line}\r\n\r\n`, rest: "" });
    }
  });

  it("cgiFromResponse adds a Content-Length when the whole body is available and the handler gave none, or no number", async () => {
    const lengthOf = async (response: Response, options = get): Promise<string | undefined> => {
      const [first] = await cgiFromResponse(response, options);
      return /^content-length: (\d+)\r$/m.exec(Buffer.from(bytesOf(first)).toString("latin1"))?.[1];
    };
    for (const [body, length] of [
      ["\u2603", "3"],
      ["a".repeat(1_000_000), "1000000"],
      [latin1("\0\xff"), "2"],
      [new URLSearchParams({ a: "1" }), "3"],
      [new Blob(["blob"]), "4"],
      [new Blob([]), "0"],
      [new Blob(["begin", latin1("\0"), "end"]), "9"],
      [new Blob([new Uint8Array(300_000)]), "300000"],
      [new Blob(["sliced"]).slice(1, 3), "2"],
      [new File(["file"], "a.txt"), "4"],
      ["", "0"],
      [null, "0"],
    ] as const) {
      expect(await lengthOf(new Response(body as BodyInit)), length).toBe(length);
      expect(await lengthOf(new FastResponse(body as BodyInit)), length).toBe(length);
    }
    expect(await lengthOf(new Response(new OpenStream().stream))).toBeUndefined();
    expect(await lengthOf(new Response("body", { headers: { "content-length": "4" } }))).toBe("4");
    for (const length of ["abc", "-1", "+4", "4, 4", "", "4.0", "0x4"]) {
      const init = { headers: { "content-length": length } };
      expect(await lengthOf(new Response("body", init)), length).toBe("4");
      expect(await lengthOf(new FastResponse("body", init)), length).toBe("4");
      expect(await lengthOf(new Response(new OpenStream().stream, init)), length).toBeUndefined();
      expect(await lengthOf(new Response(null, init), { method: "HEAD" }), length).toBeUndefined();
    }
    for (const status of [204, 205, 304]) expect(await lengthOf(new Response(null, { status }))).toBeUndefined();
    expect(await lengthOf(new Response("body"), { method: "HEAD" })).toBeUndefined();
    expect(await lengthOf(new Response("body"), { method: "GET", role: Role.Authorizer })).toBeUndefined();
  });

  it("cgiFromResponse gives streams a Content-Length when nothing but the runtime is between them and their end", async () => {
    const blob = (): ReadableStream<Uint8Array<ArrayBuffer>> => new Blob(["some text"]).stream();
    const form = new FormData();
    form.append("file", new File(["text"], "a.txt"));
    const bodies: Record<string, () => BodyInit> = {
      "the stream of a Blob": blob,
      "one half of it": () => blob().tee()[0],
      "both halves": () => blob().tee()[1],
      "a form with a file": () => form,
      "a body that was cloned": () => new Response("text").clone().body!,
      "text through two streams": () =>
        streamOf(latin1("text"), latin1("more"))
          .pipeThrough(new TextDecoderStream())
          .pipeThrough(new TextEncoderStream()),
    };
    for (const [name, body] of Object.entries(bodies)) {
      for (const response of [new Response(body()), new FastResponse(body())]) {
        const { first, rest } = await sent(response);
        const end = first.indexOf("\r\n\r\n") + 4;
        expect(first.slice(0, end), name).toContain(`\r\ncontent-length: ${first.length - end}\r\n`);
        expect(rest, name).toBe("");
      }
    }
  });

  it("cgiFromResponse sends the beginning of a slow body at once, without waiting for a timer", async () => {
    vi.useFakeTimers();
    try {
      const open = new OpenStream();
      open.write("data: 1\n\n");
      const response = new Response(open.stream, { headers: { "content-type": "text/event-stream" } });
      const [first] = await cgiFromResponse(response, get);
      expect(Buffer.from(bytesOf(first)).toString()).toBe(
        "Status: 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n",
      );
    } finally {
      vi.useRealTimers();
    }
  });

  it("cgiFromResponse sends a stream where the global Blob is no Blob", async () => {
    vi.stubGlobal("Blob", class {});
    try {
      const open = new OpenStream();
      open.write("early");
      const [first] = await cgiFromResponse(new Response(open.stream), get);
      expect(Buffer.from(bytesOf(first)).toString()).toMatch(/\r\n\r\nearly$/);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it("cgiFromResponse sends no Content-Length with a 204 or 205", async () => {
    const init = { headers: { "content-length": "7", "x-a": "1" } };
    expect(await headerOf(new Response(null, { ...init, status: 204 }))).toEqual(["Status: 204 No Content", "x-a: 1"]);
    expect(await headerOf(new Response(null, { ...init, status: 205 }))).toEqual([
      "Status: 205 Reset Content",
      "x-a: 1",
    ]);
    expect(await headerOf(new Response(null, { ...init, status: 304 }))).toContain("content-length: 7");
  });

  it("cgiFromResponse fails a body that is shorter or longer than Content-Length says", async () => {
    for (const [length, body] of [
      ["5", "1234"],
      ["3", "1234"],
      ["1", null],
      ["1", ""],
    ] as const) {
      const response = new Response(body, { headers: { "content-length": length } });
      await expect(cgiFromResponse(response, get), `${length} ${body}`).rejects.toMatchObject({
        code: "lengthMismatch",
        message: expect.stringMatching(/^Cannot send the response body: expected \d bytes, got /),
      });
    }
    const right = { headers: { "content-length": "4", "content-type": "a/b" } };
    expect((await sent(new Response("1234", right))).first).toBe(
      "Status: 200 OK\r\ncontent-length: 4\r\ncontent-type: a/b\r\n\r\n1234",
    );
    expect((await sent(new Response(null, { headers: { "content-length": "0" } }))).rest).toBe("");
  });

  it("cgiFromResponse fails a slow body as soon as it is longer than its Content-Length, or at its end if it is shorter", async () => {
    const long = new OpenStream();
    const init = { headers: { "content-length": "3" } };
    const [, tooLong] = (await cgiFromResponse(new Response(long.stream, init), get)) as [Uint8Array, ByteReader];
    const first = tooLong.read();
    long.write("abc");
    expect((await first).value).toEqual(latin1("abc"));
    const second = tooLong.read();
    long.write("d");
    await expect(second).rejects.toMatchObject({ code: "lengthMismatch" });

    const short = new OpenStream();
    const [, tooShort] = (await cgiFromResponse(new Response(short.stream, init), get)) as [Uint8Array, ByteReader];
    const read = tooShort.read();
    short.close();
    await expect(read).rejects.toMatchObject({ code: "lengthMismatch" });
  });

  it("cgiFromResponse says why a copy of a Response of fetch() is not as long as its header says", async () => {
    const headers = { "content-length": "3", "content-encoding": "gzip" };
    await expect(cgiFromResponse(new Response("decoded", { headers }), get)).rejects.toMatchObject({
      code: "lengthMismatch",
      message:
        "Cannot send the response body (gzip; fetch() decodes a body, so that a copy of its Response must have no " +
        "content-encoding and no content-length): expected 3 bytes, got at least 7",
    });
  });

  it("cgiFromResponse cancels a body that it can't send", async () => {
    const open = new OpenStream();
    open.write("too long");
    const response = new Response(open.stream, { headers: { "content-length": "3" } });
    await expect(cgiFromResponse(response, get)).rejects.toMatchObject({ code: "lengthMismatch" });
    await turns();
    expect(open.cancelled).toMatchObject({ code: "lengthMismatch" });
  });

  it("cgiFromResponse fails with the error of the body", async () => {
    const reason = new Error("The disk is gone");
    const failing = new OpenStream();
    failing.fail(reason);
    await expect(cgiFromResponse(new Response(failing.stream), get)).rejects.toBe(reason);
    const later = new OpenStream();
    const [, body] = (await cgiFromResponse(new Response(later.stream), get)) as [Uint8Array, ByteReader];
    later.fail(reason);
    await expect(body.read()).rejects.toBe(reason);
  });

  it("cgiFromResponse refuses a body that is not of bytes", async () => {
    const response = new Response(streamOf<unknown>("text") as ReadableStream<Uint8Array<ArrayBuffer>>);
    const message = "Cannot send the response body: expected chunks that are Uint8Arrays, got string";
    await expect(cgiFromResponse(response, get)).rejects.toThrow(message);
  });

  it("cgiFromResponse refuses a body of bytes whose buffer was transferred, because it would be cut", async () => {
    const message = "Cannot send the response body: expected bytes that are there, got those of a buffer that was";
    const pieces = streamOf(new Uint8Array(2), transferred(new Uint8Array(3)));
    await expect(cgiFromResponse(new Response(pieces), get)).rejects.toThrow(message);
    const bytes = new Uint8Array(3);
    const [sent, read] = [new FastResponse(bytes), new FastResponse(bytes)];
    transferred(bytes);
    expect(() => cgiFromResponse(sent, get)).toThrow(message);
    await expect(read.text()).rejects.toThrow(message);
  });

  it("cgiFromResponse takes pieces of another realm", async () => {
    const piece = runInNewContext("new Uint8Array([111, 107])") as Uint8Array<ArrayBuffer>;
    expect((await sent(new Response(streamOf(piece)))).first).toMatch(/\r\n\r\nok$/);
  });

  it("cgiFromResponse refuses a body that was read or is being read", async () => {
    const used = new Response("text");
    await used.text();
    const locked = new Response("text");
    locked.body!.getReader();
    for (const response of [used, locked]) {
      await expect(cgiFromResponse(response, get)).rejects.toThrow(
        new TypeError("Cannot send the response: its body was read already"),
      );
    }
  });
});
