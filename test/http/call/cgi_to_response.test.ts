import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { IncomingResponse } from "../../../src/codec/incoming_response.ts";
import { ResponseDecoder } from "../../../src/codec/response_decoder.ts";
import { RESPONSE_DECODER_DEFAULTS } from "../../../src/codec/response_decoder_options.ts";
import { CgiBody } from "../../../src/http/call/cgi_body.ts";
import {
  responseFromCgi as cgiResponseFrom,
  type ResponseFromCgiOptions,
} from "../../../src/http/call/cgi_to_response.ts";
import type { FetchWatch } from "../../../src/http/call/fetch_watch.ts";
import { FastResponse, heldResponse } from "../../../src/http/serve/fast_response.ts";
import { FastCgiError, ProtocolStatus } from "../../../src/toolkit.ts";
import { chunksOf, latin1, sha256 } from "../../support/bytes.ts";
import { recordsIn } from "../../support/records.ts";
import { responseUses, resultsOf } from "../../support/response_uses.ts";
import { isDeno } from "../../support/runtime.ts";
import { drain, isSettled } from "../../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../../support/unhandled_rejections.ts";
import { loadBackends } from "../../support/vectors.ts";

failOnUnhandledRejections();

const options = { method: "GET", maxResponseHeaderBytes: 65_536, maxDrainBytes: 1000 };
const complete = { appStatus: 0, protocolStatus: ProtocolStatus.RequestComplete };

/** A response that a test feeds, why it was abandoned, and what else its connection was told. */
function fed(): { incoming: IncomingResponse; abandoned: () => unknown[]; told: () => string[] } {
  const reasons: unknown[] = [];
  const told: string[] = [];
  const incoming = new IncomingResponse(7, RESPONSE_DECODER_DEFAULTS, {
    onAbandoned: (reason) => reasons.push(reason),
    onDetached: () => told.push("detached"),
    onDistrusted: () => told.push("distrusted"),
  });
  return { incoming, abandoned: () => reasons, told: () => told };
}

async function responseFromCgi(incoming: IncomingResponse, given: ResponseFromCgiOptions): Promise<Response> {
  return (await cgiResponseFrom(incoming, given)).response;
}

/** A response with this output, in these pieces, and its end. */
function whole(...pieces: readonly (string | Uint8Array)[]): IncomingResponse {
  const { incoming } = fed();
  for (const piece of pieces) incoming.stdoutQueue.push(typeof piece === "string" ? latin1(piece) : piece);
  incoming.complete(complete);
  return incoming;
}

function latin1Text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

/** A response with this output, after which `end` says what comes. */
function ending(output: string, end: (incoming: IncomingResponse) => void): IncomingResponse {
  const { incoming } = fed();
  incoming.stdoutQueue.push(latin1(output));
  end(incoming);
  return incoming;
}

/** Everything that a program sees of a Response, whose body it clones, reads and reads again. */
async function observed(response: Response): Promise<unknown> {
  const { status, statusText, ok, redirected, type, url, bodyUsed, headers } = response;
  const hasBody = response.body !== null;
  const copy = response.clone();
  const bytes = (each: Response): Promise<unknown> =>
    each.arrayBuffer().then(
      (buffer) => latin1Text(new Uint8Array(buffer)),
      ({ code, message }) => [code, message],
    );
  const read = [await bytes(response), await bytes(copy)];
  const again = await response.text().catch(({ name }) => name);
  return [
    status,
    statusText,
    ok,
    redirected,
    type,
    url,
    bodyUsed,
    [...headers],
    hasBody,
    read,
    response.bodyUsed,
    again,
  ];
}

function read(output: string, method = "GET"): Promise<Response> {
  return responseFromCgi(whole(output), { ...options, method });
}

interface Summary {
  status: number;
  statusText: string;
  headers: [name: string, value: string][];
  body: string;
}

async function summaryOf(response: Response): Promise<Summary> {
  const { status, statusText, headers } = response;
  const body = Buffer.from(await response.arrayBuffer()).toString("latin1");
  return { status, statusText, headers: [...headers], body };
}

async function refusalOf(output: string): Promise<FastCgiError> {
  const error = await read(output).then(
    () => null,
    (reason) => reason,
  );
  if (error instanceof FastCgiError) return error;
  throw new Error(`Expected ${JSON.stringify(output)} to be refused, got ${String(error)}`);
}

describe("responseFromCgi: header block", () => {
  it("responseFromCgi reads a header that ends with CRLF CRLF, LF LF or a mix of them", async () => {
    for (const separator of ["\r\n\r\n", "\n\n", "\n\r\n", "\r\n\n"]) {
      const summary = await summaryOf(await read(`Status: 404 Not Found\r\nX-A: 1\nX-B: 2${separator}\r\n\nbody\n\n`));
      expect(summary, JSON.stringify(separator)).toEqual({
        status: 404,
        statusText: "Not Found",
        headers: [
          ["x-a", "1"],
          ["x-b", "2"],
        ],
        body: "\r\n\nbody\n\n",
      });
    }
  });

  it("responseFromCgi reads the same however the output is cut", async () => {
    for (const separator of ["\r\n\r\n", "\n\n", "\n\r\n", "\r\n\n"]) {
      const output = latin1(`Status: 201 Made\r\nX-A: 1${separator}\nbody\r\n\r\n`);
      const expected = await summaryOf(await responseFromCgi(whole(output), options));
      expect(expected.body).toBe("\nbody\r\n\r\n");
      for (let at = 1; at < output.length; at++) {
        const response = await responseFromCgi(whole(output.subarray(0, at), output.subarray(at)), options);
        expect(await summaryOf(response), `${JSON.stringify(separator)} at ${at}`).toEqual(expected);
      }
      for (const size of [1, 2, 3, 7]) {
        const response = await responseFromCgi(whole(...chunksOf(output, size)), options);
        expect(await summaryOf(response), `pieces of ${size}`).toEqual(expected);
      }
    }
  });

  it("responseFromCgi takes an empty line at the start for a block without fields", async () => {
    for (const separator of ["\n", "\r\n"]) {
      for (const body of ["body", "body\n\nmore", "\n\n", ""]) {
        const output = latin1(separator + body);
        for (const pieces of [[output], [...chunksOf(output, 1)]]) {
          const summary = await summaryOf(await responseFromCgi(whole(...pieces), options));
          expect(summary, JSON.stringify(output)).toEqual({ status: 200, statusText: "OK", headers: [], body });
        }
      }
    }
  });

  it("responseFromCgi resolves as soon as the header is there", async () => {
    const { incoming } = fed();
    const result = responseFromCgi(incoming, options);
    incoming.stdoutQueue.push(latin1("X-A: 1\r\n\r"));
    expect(await isSettled(result)).toBe(false);
    incoming.stdoutQueue.push(latin1("\n"));
    expect((await result).headers.get("x-a")).toBe("1");
  });

  it("responseFromCgi ignores the case of names and the blanks around values", async () => {
    const summary = await summaryOf(await read("STATUS:404\r\ncontent-TYPE: \t a/b\t \r\nX-Empty:\r\n\r\n"));
    expect([summary.status, summary.headers]).toEqual([
      404,
      [
        ["content-type", "a/b"],
        ["x-empty", ""],
      ],
    ]);
  });

  it("responseFromCgi keeps header bytes above 0x7F, also at the end of a value", async () => {
    // "à" ends with A0 in UTF-8, which trim() takes for a blank.
    const summary = await summaryOf(
      await read("Status: 200 voil\xc3\xa0 \r\nX-A: voil\xc3\xa0\r\nX-B: \xa0\xff\r\n\r\n"),
    );
    expect(summary.statusText).toBe("voil\xc3\xa0");
    expect(Object.fromEntries(summary.headers)).toEqual({ "x-a": "voil\xc3\xa0", "x-b": "\xa0\xff" });
  });

  it("responseFromCgi keeps two Set-Cookie apart and joins other repeated headers", async () => {
    const response = await read("Set-Cookie: a=1, x\r\nSet-Cookie: b=2\r\nVary: a\r\nVary: b\r\n\r\n");
    expect(response.headers.getSetCookie()).toEqual(["a=1, x", "b=2"]);
    expect(response.headers.get("vary")).toBe("a, b");
  });

  it("responseFromCgi drops headers of the connection", async () => {
    const response = await read(
      "Connection: close\r\nKeep-Alive: 1\r\nTransfer-Encoding: chunked\r\nTE: x\r\nTrailer: x\r\nUpgrade: x\r\nProxy-Connection: x\r\nX-A: 1\r\n\r\n5\r\n",
    );
    expect(await summaryOf(response)).toMatchObject({ headers: [["x-a", "1"]], body: "5\r\n" });
  });

  it("responseFromCgi follows no header that a web server would follow by itself", async () => {
    const response = await read("X-Accel-Redirect: /secret\r\nX-Sendfile: /etc/passwd\r\n\r\nbody");
    expect(await summaryOf(response)).toMatchObject({ status: 200, body: "body" });
    expect(response.headers.get("x-sendfile")).toBe("/etc/passwd");
  });

  it("responseFromCgi guesses no Content-Type and changes none", async () => {
    expect((await read("X-A: 1\r\n\r\n<html>")).headers.get("content-type")).toBeNull();
    const response = await read("Content-Type: Text/HTML;  charset=x\r\n\r\n");
    expect(response.headers.get("content-type")).toBe("Text/HTML;  charset=x");
  });

  it("responseFromCgi refuses what is no header block", async () => {
    const table: [output: string, reason: string][] = [
      ["", "it is empty"],
      ["no header at all\r\n", "it has no end of header"],
      ["X-A: 1\r\n", "it has no end of header"],
      ["text\r\n\r\n", 'the header line "text" has no name'],
      ["X-A: 1\r\ntext\r\n\r\n", 'the header line "text" has no name'],
      ["X-A: 1\r\n folded\r\n\r\n", 'the header line " folded" has no name'],
      ["X-A: 1\r\n\tfolded: 2\r\n\r\n", 'the header line "\\tfolded: 2" has no name'],
      ["X A: 1\r\n\r\n", 'the header line "X A: 1" has no name'],
      ["X-A : 1\r\n\r\n", 'the header line "X-A : 1" has no name'],
      [": 1\r\n\r\n", 'the header line ": 1" has no name'],
      ["X-\xe9: 1\r\n\r\n", 'the header line "X-\xe9: 1" has no name'],
      ["X-A: 1\rX-B: 2\r\n\r\n", "the header x-a holds a control byte"],
      ["X-A: \0\r\n\r\n", "the header x-a holds a control byte"],
      ["\rX-A: 1\r\n\r\n", 'the header line "\\rX-A: 1" has no name'],
    ];
    for (const [output, reason] of table) {
      const error = await refusalOf(output);
      expect(error.code, JSON.stringify(output)).toBe("malformedResponse");
      expect(error.message, JSON.stringify(output)).toBe(`Cannot read the response: ${reason}`);
      expect(error.requestId).toBe(7);
    }
  });

  it("responseFromCgi shows little of what it refuses, and no line ends", async () => {
    const { message } = await refusalOf(`${"x".repeat(5000)}\r\n\r\n`);
    expect(message.length).toBeLessThan(300);
    expect((await refusalOf("a\x1b[31m\r\n\r\n")).message).toContain("a\\u001b[31m");
  });
});

describe("responseFromCgi: status", () => {
  it("responseFromCgi reads the status from Status, and 200 without one", async () => {
    const table: [header: string, status: number, statusText: string][] = [
      ["X-A: 1", 200, "OK"],
      ["Status: 404", 404, ""],
      ["Status: 404 ", 404, ""],
      ["Status: 404 Not Found", 404, "Not Found"],
      ["Status: 200 caf\xe9\tok", 200, "caf\xe9\tok"],
      ["Status: 599 x", 599, "x"],
      ["Status:", 200, "OK"],
      ["Status: 201\r\nStatus: 201", 201, ""],
      ["Content-Type: a/b\r\nStatus: 503 Nope", 503, "Nope"],
      ["Status: 404\tNot Found", 404, "Not Found"],
      ["Status:   404   Not Found  ", 404, "Not Found"],
      // A Response takes no control byte here, and lighttpd sends its own words in any case.
      ["Status: 404 \x01", 404, ""],
      ["Status: 200 a\x7fb", 200, ""],
      ["Status: 599 a\x1bb", 599, ""],
    ];
    for (const [header, status, statusText] of table) {
      const response = await read(`${header}\r\n\r\n`);
      expect([response.status, response.statusText], header).toEqual([status, statusText]);
      expect(response.headers.has("status")).toBe(false);
    }
  });

  it("responseFromCgi refuses a status that is none", async () => {
    const values = ["abc", "99", "099", "000", "20", "0404", "2000", "-200", "+200", "200OK", "404x", "OK 200"];
    for (const value of values) {
      const error = await refusalOf(`Status: ${value}\r\n\r\n`);
      expect([error.code, error.message], value).toEqual([
        "malformedResponse",
        `Cannot read the response: its status is ${JSON.stringify(value)}`,
      ]);
    }
  });

  it("responseFromCgi makes a 500 of a status that does not exist, with all that came with it", async () => {
    // RFC 9110 15: to be treated as a 5xx. nginx, Apache, lighttpd and Caddy pass it on; a Response can't have it.
    for (const status of [600, 999]) {
      const response = await read(`Status: ${status} Odd\r\nX-A: 1\r\n\r\nbody`);
      expect(await summaryOf(response)).toEqual({
        status: 500,
        statusText: "Odd",
        headers: [["x-a", "1"]],
        body: "body",
      });
    }
  });

  it("responseFromCgi takes one of several values where a field has one, as nginx does", async () => {
    const last = ["Content-Type"];
    const first = ["Location", "ETag", "Last-Modified", "Expires", "Retry-After", "X-Accel-Redirect", "X-Sendfile"];
    for (const name of [...last, ...first]) {
      const { headers } = await read(`${name}: one\r\nX-A: 1\r\n${name.toUpperCase()}: two\r\n\r\n`);
      expect(headers.get(name), name).toBe(last.includes(name) ? "two" : "one");
      expect(headers.get("x-a")).toBe("1");
      expect((await read(`${name}: one\r\n${name}: one\r\n\r\n`)).headers.get(name)).toBe("one");
    }
    for (const [header, type] of [
      ["Content-Type:\r\nContent-Type: a/b", "a/b"],
      ["Content-Type: a/b\r\nContent-Type:", "a/b"],
      ["Content-Type: a/b; charset=x\r\nContent-Type: c/d; charset=y", "c/d; charset=y"],
    ] as const) {
      expect((await read(`${header}\r\n\r\n`)).headers.get("content-type"), header).toBe(type);
    }
  });

  it("responseFromCgi takes the first of several Status fields, as nginx does, and says that there was another", async () => {
    for (const [header, status, isAmbiguous] of [
      ["Status: 404\r\nStatus: 201", 404, true],
      ["Status: 200 OK\r\nStatus: 404", 200, true],
      ["Status:\r\nStatus: 404", 404, false],
      ["Status: 404 Not Found\r\nStatus: 404", 404, false],
      // nginx and lighttpd.
      ["HTTP/1.1 404 Not Found\r\nStatus: 201", 201, true],
      ["HTTP/1.1 201 Created\r\nStatus: 201", 201, false],
    ] as const) {
      const answer = await cgiResponseFrom(whole(`${header}\r\n\r\n`), options);
      expect([answer.response.status, answer.isAmbiguous], header).toEqual([status, isAmbiguous]);
    }
  });

  it("responseFromCgi takes several CR before an LF for the end of one line", async () => {
    const summary = await summaryOf(await read("Status: 404 NF\r\r\nX-A: 1\r\r\r\n\r\nbody"));
    expect(summary).toEqual({ status: 404, statusText: "NF", headers: [["x-a", "1"]], body: "body" });
  });

  it("responseFromCgi gives a Response its own headers only, where the global class fills some in", async () => {
    class FillingResponse extends Response {
      constructor(body?: BodyInit | null, init?: ResponseInit) {
        super(body, init);
        this.headers.set("content-type", "text/plain; charset=UTF-8");
        this.headers.set("x-powered-by", "a framework");
      }
    }
    vi.stubGlobal("Response", FillingResponse);
    const typed = await read("Content-Type: text/html\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nbody");
    const untyped = await read("X-A: 1\r\n\r\nbody");
    vi.unstubAllGlobals();
    expect(typed).toBeInstanceOf(FillingResponse);
    expect([...typed.headers]).toEqual([
      ["content-type", "text/html"],
      ["set-cookie", "a=1"],
      ["set-cookie", "b=2"],
    ]);
    expect([...untyped.headers]).toEqual([["x-a", "1"]]);
  });

  it("responseFromCgi makes a 302 of a Location without a status, and leaves one with it alone", async () => {
    const table: [header: string, status: number, location: string | null][] = [
      ["Location: https://a.test/x", 302, "https://a.test/x"],
      ["Location: /path", 302, "/path"],
      ["Status: 201\r\nLocation: /made", 201, "/made"],
      ["Location: /path\r\nStatus: 307 x", 307, "/path"],
      ["Location:", 200, null],
      ["Location:  \r\nContent-Type:", 200, null],
    ];
    for (const [header, status, location] of table) {
      const response = await read(`${header}\r\n\r\n`);
      expect([response.status, response.headers.get("location")], header).toEqual([status, location]);
      expect(response.headers.get("content-type")).toBeNull();
    }
    expect((await read("Location: /\r\n\r\n")).statusText).toBe("Found");
  });

  it("responseFromCgi reads a status line in the place of Status", async () => {
    // FastCGI 6.1 has no NPH output, but fcgiwrap lets it through.
    const response = await read("HTTP/1.1 404 Not Found\r\nX-A: 1\r\n\r\n");
    expect([response.status, response.statusText]).toEqual([404, "Not Found"]);
    expect((await refusalOf("X-A: 1\r\nHTTP/1.1 200 OK\r\n\r\n")).message).toContain("has no name");
    expect((await refusalOf("HTTP/1.1 nonsense\r\n\r\n")).message).toContain("its status is");
  });

  it("responseFromCgi skips blocks with a status of 1xx", async () => {
    const output = latin1("Status: 100 Continue\r\n\r\nStatus: 103\nLink: </a>\n\nStatus: 404\r\nX-A: 1\r\n\r\nbody");
    for (const size of [output.length, 5, 1]) {
      const summary = await summaryOf(await responseFromCgi(whole(...chunksOf(output, size)), options));
      expect(summary).toEqual({ status: 404, statusText: "", headers: [["x-a", "1"]], body: "body" });
    }
    expect((await refusalOf("Status: 103\r\n\r\n")).message).toBe("Cannot read the response: it is empty");
  });
});

describe("responseFromCgi: local redirect", () => {
  const targetOf = async (header: string): Promise<string | null> =>
    (await cgiResponseFrom(whole(`${header}\r\n\r\n`), options)).localRedirect;

  it("responseFromCgi knows a local redirect by a header block that is a Location with a path and nothing else", async () => {
    // RFC 3875 6.2.2, 6.3.2.
    const table: [location: string, target: string | null][] = [
      ["/", "/"],
      ["/path", "/path"],
      ["/path?a=1&b=/x?y", "/path?a=1&b=/x?y"],
      ["  /path\t", "/path"],
      ["/a%20b/../%0d", "/a%20b/../%0d"],
      ["/caf\xc3\xa9", "/caf\xc3\xa9"],
      ["/a//b", "/a//b"],
      ["//a.test/x", null],
      ["/\\a.test/x", null],
      ["/a\\b", null],
      ["/\t/a.test", null],
      ["/a b", null],
      ["/a\x01", null],
      ["/a\x7f", null],
      ["/a#fragment", null],
      ["/a?b#fragment", null],
      ["path", null],
      ["?query", null],
      ["", null],
      ["http://a.test/", null],
      ["https:/a", null],
    ];
    for (const [location, target] of table) expect(await targetOf(`Location: ${location}`), location).toBe(target);
  });

  it("responseFromCgi takes a Location beside any other field for no local redirect", async () => {
    for (const field of [
      "Status: 302 Found",
      "Status: 200",
      "Content-Type: text/plain",
      "Content-Length: 0",
      "Connection: close",
      "Set-Cookie: a=1",
      "X-A:",
      "Location: /path",
    ]) {
      expect(await targetOf(`Location: /path\r\n${field}`), field).toBeNull();
      expect(await targetOf(`${field}\r\nLocation: /path`), field).toBeNull();
    }
    expect(await targetOf("HTTP/1.1 302 Found\r\nLocation: /path")).toBeNull();
    expect(await targetOf("Status:\r\nLocation: /path\r\nContent-Type: ")).toBe("/path");
    expect(await targetOf("Status: 103\r\n\r\nLocation: /path")).toBe("/path");
  });

  it("responseFromCgi makes a 302 of a local redirect, for callers that do not follow it", async () => {
    const { response } = await cgiResponseFrom(whole("Location: /path?a\r\n\r\n"), options);
    expect([response.status, response.headers.get("location")]).toEqual([302, "/path?a"]);
  });
});

describe("responseFromCgi: limit", () => {
  const limited = { ...options, maxResponseHeaderBytes: 100 };

  it("responseFromCgi takes a header of as many bytes as are allowed, however it is cut", async () => {
    const header = `X-A: ${"a".repeat(100 - 9)}\r\n\r\n`;
    expect(header.length).toBe(100);
    for (const size of [100, 1]) {
      const pieces = [...chunksOf(latin1(header), size), latin1("x".repeat(5000))];
      const response = await responseFromCgi(whole(...pieces), limited);
      expect((await summaryOf(response)).body.length).toBe(5000);
    }
    const inOnePiece = await responseFromCgi(whole(`${header}${"x".repeat(5000)}`), limited);
    expect((await summaryOf(inOnePiece)).body.length).toBe(5000);
    for (const size of [101, 1]) {
      const result = responseFromCgi(whole(...chunksOf(latin1(header.replace("a", "aa")), size)), limited);
      await expect(result).rejects.toMatchObject({ code: "limit", limit: "maxResponseHeaderBytes", requestId: 7 });
    }
  });

  it("responseFromCgi takes as many 1xx responses as fit the limit together with the header", async () => {
    const interim = "Status: 103\r\nLink: </a>\r\n\r\n";
    const output = `${interim.repeat(3)}X-A: ${"a".repeat(100 - 3 * interim.length - 9)}\r\n\r\n`;
    expect(output.length).toBe(100);
    for (const size of [100, 7, 1]) {
      expect((await responseFromCgi(whole(...chunksOf(latin1(output), size)), limited)).status).toBe(200);
      const longer = whole(...chunksOf(latin1(output.replace("a\r", "aa\r")), size));
      await expect(responseFromCgi(longer, limited)).rejects.toMatchObject({ limit: "maxResponseHeaderBytes" });
    }
  });

  it("responseFromCgi abandons a response of 1xx without end", async () => {
    const { incoming, abandoned } = fed();
    const result = responseFromCgi(incoming, limited).catch((reason) => reason);
    let count = 0;
    for (; abandoned().length === 0 && count < 100; count++) {
      incoming.stdoutQueue.push(latin1("Status: 100\n\n"));
      await turns(1);
    }
    expect(await result).toMatchObject({ code: "limit", limit: "maxResponseHeaderBytes" });
    expect(count).toBe(8);
  });

  it("responseFromCgi abandons a response whose header has no end", async () => {
    const { incoming, abandoned } = fed();
    incoming.stdoutQueue.push(latin1("x".repeat(101)));
    const error = await responseFromCgi(incoming, limited).catch((reason) => reason);
    expect(error.message).toBe("Cannot read the response: its header is longer than 100 bytes");
    expect(abandoned()).toEqual([error]);
  });

  it("responseFromCgi reads a header that drips in at a cost that grows with its length", async () => {
    /** Microseconds for each byte. CPU time, because other tests may run at the same time. */
    const cost = async (length: number): Promise<number> => {
      const bytes = latin1(`X-A: ${"a".repeat(length)}\r\n\r\n`);
      const response = whole(...chunksOf(bytes, 1));
      const start = process.cpuUsage();
      await responseFromCgi(response, { ...options, maxResponseHeaderBytes: 1e6 });
      return process.cpuUsage(start).user / length;
    };
    await cost(10_000);
    const [short, long] = [await cost(10_000), await cost(100_000)];
    // Where every byte copies or searches all before it, it is ten times as much.
    expect(long).toBeLessThan(4 * short + 1);
  });
});

describe("responseFromCgi: body", () => {
  const WITHOUT_BODY = [
    [204, "GET"],
    [205, "GET"],
    [304, "GET"],
    [200, "HEAD"],
    [404, "HEAD"],
  ] as const;

  it("responseFromCgi tells its watch the status, the bytes of all headers, and how many the body is to have", async () => {
    const interim = "Status: 103\r\n\r\n";
    const header = "Status: 404\r\nContent-Length: 4\r\n\r\n";
    for (const [output, method, expected] of [
      [`${header}body`, "GET", [404, header.length, 4]],
      [`${interim}${header}body`, "GET", [404, interim.length + header.length, 4]],
      [header, "HEAD", [404, header.length, 0]],
      ["Status: 304\r\nContent-Length: 4\r\n\r\n", "GET", [304, header.length, 0]],
      ["Content-Length: 0\r\n\r\n", "GET", [200, 21, 0]],
      ["X-A: 1\r\n\r\nbody", "GET", [200, 10, Number.NaN]],
    ] as const) {
      const incoming = whole(...chunksOf(latin1(output), 7));
      const watch = { noteSent: vi.fn(), noteHeader: vi.fn() };
      await responseFromCgi(incoming, { ...options, method, watch: watch as unknown as FetchWatch });
      expect([watch.noteSent.mock.calls, watch.noteHeader.mock.calls], output).toEqual([[[incoming]], [expected]]);
    }
  });

  it("responseFromCgi streams the body as it comes", async () => {
    const { incoming } = fed();
    incoming.stdoutQueue.push(latin1("X-A: 1\r\n\r\nwith the header"));
    const reader = (await responseFromCgi(incoming, options)).body!.getReader();
    expect((await reader.read()).value).toEqual(latin1("with the header"));
    const next = reader.read();
    expect(await isSettled(next)).toBe(false);
    incoming.stdoutQueue.push(latin1("later"));
    expect((await next).value).toEqual(latin1("later"));
    incoming.complete(complete);
    expect((await reader.read()).done).toBe(true);
  });

  it("responseFromCgi makes a Response of bytes of a response that is complete with its header, and of no other", async () => {
    const bodies: unknown[] = [];
    class SeeingResponse extends Response {
      constructor(body?: BodyInit | null, init?: ResponseInit) {
        super(body, init);
        bodies.push(body instanceof Uint8Array ? latin1Text(body) : body === null ? null : "a stream");
      }
    }
    const cut = [...chunksOf(latin1("X-A: 1\r\n\r\nbody"), 3)];
    const refused = { ...complete, protocolStatus: ProtocolStatus.Overloaded };
    const table: [incoming: IncomingResponse, method: string, expected: string | null][] = [
      [whole("X-A: 1\r\n\r\nbody"), "GET", "body"],
      [whole(...cut), "POST", "body"],
      [whole("Content-Length: 4\r\n\r\nbo", "dy"), "GET", "body"],
      [whole("X-A: 1\r\n\r\n"), "GET", ""],
      [whole("X-A: 1\r\n\r\nbody"), "HEAD", null],
      [whole("Status: 304\r\n\r\n"), "GET", null],
      // Too long or too short.
      [whole("Content-Length: 3\r\n\r\nbody"), "GET", "a stream"],
      [whole("Content-Length: 5\r\n\r\nbody"), "GET", "a stream"],
      // Not complete, refused, broken.
      [ending("X-A: 1\r\n\r\nbody", () => {}), "GET", "a stream"],
      [ending("Content-Length: 4\r\n\r\nbody", () => {}), "GET", "a stream"],
      [ending("X-A: 1\r\n\r\nbody", (incoming) => incoming.complete(refused)), "GET", "a stream"],
      [ending("X-A: 1\r\n\r\nbody", (incoming) => incoming.fail(new Error("gone"))), "GET", "a stream"],
    ];
    vi.stubGlobal("Response", SeeingResponse);
    for (const [incoming, method] of table) await responseFromCgi(incoming, { ...options, method });
    vi.unstubAllGlobals();
    expect(bodies).toEqual(table.map(([, , expected]) => expected));
  });

  it("responseFromCgi gives the same Response whether its end came with the header or later", async () => {
    const text = fc.string({ unit: fc.constantFrom("a", "\xff", "\n", "\0"), maxLength: 40 });
    const output = fc.record({
      status: fc.constantFrom(200, 204, 302, 404),
      length: fc.option(fc.nat(40)),
      body: text,
    });
    await fc.assert(
      fc.asyncProperty(output, fc.constantFrom("GET", "HEAD", "POST"), async ({ status, length, body }, method) => {
        const header = `Status: ${status}\r\n${length === null ? "" : `Content-Length: ${length}\r\n`}\r\n`;
        const early = await responseFromCgi(whole(header, body), { ...options, method });
        const { incoming } = fed();
        incoming.stdoutQueue.push(latin1(header));
        const late = await responseFromCgi(incoming, { ...options, method });
        if (body !== "") incoming.stdoutQueue.push(latin1(body));
        incoming.complete(complete);
        const [first, second] = await Promise.all([early, late].map(observed));
        expect(first).toEqual(second);
      }),
      { numRuns: 60 },
    );
  });

  it("responseFromCgi makes a FastResponse as its responseClass that behaves as the native one, whatever a program does with it", async () => {
    const value = fc.constantFrom("1", "", "a, b", "\xe9", "text/html;charset=x");
    const name = fc.constantFrom("X-A", "x-a", "Set-Cookie", "Content-Type", "Location", "1", "__proto__");
    const lines = fc.array(
      fc.tuple(name, value).map(([left, right]) => `${left}: ${right}\r\n`),
      { maxLength: 4 },
    );
    const status = fc.constantFrom("200 OK", "204", "304 Not", "404 Was\xe9 here", "701");
    const body = fc.constantFrom("", "text", "\xef\xbb\xbf{}", '{"a":1}', "\xff\0");
    const method = fc.constantFrom("GET", "HEAD");
    await fc.assert(
      fc.asyncProperty(status, lines, body, method, responseUses, async (said, header, content, asked, uses) => {
        const output = `Status: ${said}\r\n${header.join("")}\r\n${content}`;
        const native = await responseFromCgi(whole(output), { ...options, method: asked });
        const lazy = await responseFromCgi(whole(output), { ...options, method: asked, responseClass: FastResponse });
        // Empty bytes go to the native class, because those of a transferred buffer look the same.
        expect(heldResponse(lazy) === null).toBe(content === "" && native.body !== null);
        expect(heldResponse(native)).toBeNull();
        // On Deno an empty body may be cloned after another Response has read it, or not, as it happens.
        const compared = isDeno && content === "" ? uses.filter((use) => use !== "wrap") : uses;
        expect(await resultsOf(lazy, compared)).toEqual(await resultsOf(native, compared));
      }),
      { numRuns: 200 },
    );
  });

  it.for<[how: string, ask: (incoming: IncomingResponse) => Promise<Response>]>([
    ["responseClass", (incoming) => responseFromCgi(incoming, { ...options, responseClass: FastResponse })],
    [
      "the global class",
      async (incoming) => {
        vi.stubGlobal("Response", FastResponse);
        return responseFromCgi(incoming, options).finally(() => vi.unstubAllGlobals());
      },
    ],
  ])("responseFromCgi keeps no large buffer in memory for a small body with FastResponse as %s", async ([, ask]) => {
    const { incoming } = fed();
    const response = ask(incoming);
    await turns();
    const chunk = new Uint8Array(65_536);
    chunk.set(latin1("X-A: 1\r\n\r\nbody"));
    incoming.stdoutQueue.push(chunk.subarray(0, "X-A: 1\r\n\r\nbody".length));
    incoming.complete(complete);
    const { body } = heldResponse(await response)!;
    expect(body).toEqual(latin1("body"));
    expect((body as Uint8Array).buffer.byteLength).toBe(4);
  });

  it("responseFromCgi makes a native Response with any responseClass as long as the body streams or is not as announced", async () => {
    const { incoming } = fed();
    incoming.stdoutQueue.push(latin1("X-A: 1\r\n\r\nbody"));
    const lazy = { ...options, responseClass: FastResponse };
    for (const streamed of [incoming, whole("Content-Length: 5\r\n\r\nbody")]) {
      expect(heldResponse(await responseFromCgi(streamed, lazy))).toBeNull();
    }
    const broken = await responseFromCgi(whole("Content-Length: 5\r\n\r\nbody"), lazy);
    await expect(broken.text()).rejects.toMatchObject({ code: "lengthMismatch" });
  });

  it("responseFromCgi takes nothing from the queue before the body is read", async () => {
    const { incoming } = fed();
    incoming.stdoutQueue.push(latin1("X-A: 1\r\n\r\n"));
    const response = await responseFromCgi(incoming, options);
    incoming.stdoutQueue.push(latin1("x".repeat(1000)));
    await turns();
    expect(incoming.stdoutQueue.cost).toBe(1000);
    incoming.complete(complete);
    expect((await response.text()).length).toBe(1000);
  });

  it("responseFromCgi gives no body for 204, 205, 304 and HEAD, and drops one that comes anyway", async () => {
    for (const [status, method] of WITHOUT_BODY) {
      const { incoming, abandoned } = fed();
      incoming.stdoutQueue.push(latin1(`Status: ${status}\r\nContent-Length: 5\r\n\r\nbody`));
      const response = await responseFromCgi(incoming, { ...options, method });
      expect([response.status, response.body, response.headers.get("content-length")]).toEqual([status, null, "5"]);
      incoming.stdoutQueue.push(latin1("x".repeat(options.maxDrainBytes - "body".length)));
      await turns();
      expect(incoming.stdoutQueue.cost).toBe(0);
      incoming.complete(complete);
      expect(abandoned()).toEqual([]);
    }
  });

  it("responseFromCgi abandons a response without a body when more than maxDrainBytes come", async () => {
    for (const [status, method] of WITHOUT_BODY) {
      const { incoming, abandoned } = fed();
      incoming.stdoutQueue.push(latin1(`Status: ${status}\r\n\r\nbody`));
      const response = await responseFromCgi(incoming, { ...options, method });
      incoming.stdoutQueue.push(latin1("x".repeat(options.maxDrainBytes - "bod".length)));
      await turns();
      expect(abandoned()).toMatchObject([{ code: "limit", limit: "maxDrainBytes" }]);
      expect([response.status, response.body]).toEqual([status, null]);
    }
  });

  it("responseFromCgi fails a body that is shorter than Content-Length says", async () => {
    const header = "Content-Length: 4\r\n\r\n";
    expect(await (await read(`${header}body`)).text()).toBe("body");
    for (const body of ["bod", ""]) {
      const { bytes, error } = await drain((await read(header + body)).body!);
      expect(error, body).toMatchObject({
        code: "lengthMismatch",
        // The application is at fault, not the request.
        gatewayStatus: 502,
        message: `Cannot read the response body: expected 4 bytes, got ${body.length}`,
      });
      expect(bytes).toEqual(latin1(body));
    }
  });

  it("responseFromCgi gives exactly as many bytes as Content-Length says, however the output is cut", async () => {
    const output = latin1("Content-Length: 4\r\n\r\nbody and more\n");
    for (let at = 1; at < output.length; at++) {
      const response = await responseFromCgi(whole(output.subarray(0, at), output.subarray(at)), options);
      expect(await summaryOf(response), `at ${at}`).toMatchObject({
        headers: [["content-length", "4"]],
        body: "body",
      });
    }
    const bytewise = await responseFromCgi(whole(...chunksOf(output, 1)), options);
    expect(await bytewise.text()).toBe("body");
    expect(await (await read("Content-Length: 0\r\n\r\n\n")).text()).toBe("");
  });

  it("responseFromCgi ends a body with its last announced byte, while the application goes on", async () => {
    for (const [length, body] of [
      [4, "body"],
      [0, ""],
    ] as const) {
      const { incoming, abandoned, told } = fed();
      incoming.stdoutQueue.push(latin1(`Content-Length: ${length}\r\n\r\n${body}`));
      const response = await responseFromCgi(incoming, options);
      expect(await response.text()).toBe(body);
      expect(told()).toEqual(["detached"]);
      incoming.stdoutQueue.push(latin1("more"));
      await turns();
      expect(told()).toEqual(["detached", "distrusted"]);
      expect(incoming.stdoutQueue.cost).toBe(0);
      incoming.complete(complete);
      await turns();
      expect(abandoned()).toEqual([]);
    }
  });

  it("responseFromCgi streams a body of announced length as it comes, and drops nothing before its last byte", async () => {
    const { incoming, told } = fed();
    incoming.stdoutQueue.push(latin1("Content-Length: 6\r\n\r\n"));
    const text = (await responseFromCgi(incoming, options)).text();
    for (const piece of ["ab", "cd", "ef"]) {
      await turns(2);
      expect(told()).toEqual([]);
      incoming.stdoutQueue.push(latin1(piece));
    }
    expect(await text).toBe("abcdef");
    expect(told()).toEqual(["detached"]);
  });

  it("CgiBody ends its stream with the last piece, without another read", async () => {
    for (const [length, isAnnounced] of [
      [4, true],
      [null, false],
      [5, false],
    ] as const) {
      for (const isComplete of [true, false]) {
        const { incoming } = fed();
        incoming.stdoutQueue.push(latin1("body"));
        const reader = new CgiBody(incoming, length, options.maxDrainBytes).stream.getReader();
        if (isComplete) incoming.complete(complete);
        reader.closed.catch(() => {});
        expect((await reader.read()).value).toEqual(latin1("body"));
        const isOver = isAnnounced || (isComplete && length === null);
        expect(await isSettled(reader.closed), `${length} ${isComplete}`).toBe(isOver);
      }
    }
  });

  it("responseFromCgi keeps the connection of an application that sends exactly the announced bytes", async () => {
    const { incoming, told } = fed();
    incoming.stdoutQueue.push(latin1("Content-Length: 4\r\n\r\nbody"));
    incoming.complete(complete);
    expect(await (await responseFromCgi(incoming, options)).text()).toBe("body");
    expect(told()).not.toContain("distrusted");
    const later = fed();
    later.incoming.stdoutQueue.push(latin1("Content-Length: 4\r\n\r\nbody"));
    expect(await (await responseFromCgi(later.incoming, options)).text()).toBe("body");
    // The application ends the response when its reader has it already.
    later.incoming.complete(complete);
    await turns();
    expect(later.told()).toEqual(["detached"]);
  });

  it("CgiBody distrusts a connection on which more than the announced bytes waits, before the reader has the last of them", () => {
    const { incoming, told } = fed();
    const body = new CgiBody(incoming, 4, options.maxDrainBytes);
    for (const piece of ["body", "more"]) incoming.stdoutQueue.push(latin1(piece));
    expect(body.read()).toEqual({ done: false, value: latin1("body") });
    expect(told()).toEqual(["distrusted", "detached"]);
  });

  it("responseFromCgi drops the rest of an empty body without a read", async () => {
    const { incoming } = fed();
    incoming.stdoutQueue.push(latin1("Content-Length: 0\r\n\r\n"));
    await responseFromCgi(incoming, options);
    incoming.stdoutQueue.push(latin1("x".repeat(500)));
    await turns();
    expect(incoming.stdoutQueue.cost).toBe(0);
  });

  it("responseFromCgi abandons a response with more than maxDrainBytes behind its body, which is whole all the same", async () => {
    const { incoming, abandoned } = fed();
    incoming.stdoutQueue.push(latin1("Content-Length: 1\r\n\r\nab"));
    const response = await responseFromCgi(incoming, options);
    const text = response.text();
    await turns();
    incoming.stdoutQueue.push(latin1("x".repeat(options.maxDrainBytes + 1)));
    await turns();
    expect(await text).toBe("a");
    expect(abandoned()).toMatchObject([{ code: "limit", limit: "maxDrainBytes" }]);
  });

  it("responseFromCgi takes the last of several lengths, as nginx does, and one that is none for no length", async () => {
    for (const value of ["", "-1", "5x", "+5", "5.0", "5, 5", "0x5", "9999999999999999"]) {
      const { headers, body } = await summaryOf(await read(`Content-Length: ${value}\r\nX-A: 1\r\n\r\nbody\n`));
      expect([headers, body], value).toEqual([[["x-a", "1"]], "body\n"]);
    }
    for (const [first, second, length, body] of [
      ["5", "5", "5", "body\n"],
      ["9", "5", "5", "body\n"],
      ["5", "4", "4", "body"],
      ["-1", "5", "5", "body\n"],
      ["", "5", "5", "body\n"],
      ["3", "-1", null, "body\n"],
    ] as const) {
      const response = await read(`Content-Length: ${first}\r\nContent-Length: ${second}\r\n\r\nbody\n`);
      expect([response.headers.get("content-length"), await response.text()], `${first}, ${second}`).toEqual([
        length,
        body,
      ]);
    }
  });

  it("responseFromCgi fails the body with what ends the response early", async () => {
    const { incoming } = fed();
    incoming.stdoutQueue.push(latin1("X-A: 1\r\n\r\npart"));
    const response = await responseFromCgi(incoming, options);
    const reason = new FastCgiError("connectionClosed", "Gone");
    incoming.fail(reason);
    expect(await drain(response.body!)).toEqual({ bytes: latin1("part"), error: reason });
  });

  it("responseFromCgi rejects with what ends the response before its header", async () => {
    const reason = new FastCgiError("connectionClosed", "Gone");
    for (const output of ["", "X-A: 1\r\n"]) {
      const { incoming } = fed();
      if (output !== "") incoming.stdoutQueue.push(latin1(output));
      incoming.fail(reason);
      await expect(responseFromCgi(incoming, options)).rejects.toBe(reason);
    }
  });

  it("responseFromCgi abandons a response that its reader cancels", async () => {
    const { incoming, abandoned } = fed();
    incoming.stdoutQueue.push(latin1("X-A: 1\r\n\r\n"));
    const response = await responseFromCgi(incoming, options);
    const reason = new Error("Enough");
    await response.body!.cancel(reason);
    expect(abandoned()).toEqual([reason]);
  });

  it("responseFromCgi says in its errors what the application wrote to stderr", async () => {
    for (const [output, limit] of [
      ["", 100],
      ["text\n\n", 100],
      ["X-A: 1\r\n\r\n", 5],
    ] as const) {
      const { incoming } = fed();
      incoming.pushStderr(new TextEncoder().encode("PHP Fatal error: é\nline 2"));
      if (output !== "") incoming.stdoutQueue.push(latin1(output));
      incoming.complete(complete);
      const limits = { ...options, maxResponseHeaderBytes: limit };
      const error = await responseFromCgi(incoming, limits).catch((reason) => reason);
      expect(error.stderr).toBe("PHP Fatal error: é\nline 2");
      if (limit === 100) expect(error.message).toMatch(/; it wrote to stderr: "PHP Fatal error: é\\nline 2"$/);
    }
  });
});

describe("responseFromCgi: recorded applications", () => {
  /** The answers of one recorded connection, as the library reads them. */
  function incomingOf(bytes: Uint8Array): IncomingResponse[] {
    const incoming: IncomingResponse[] = [];
    const decoder = new ResponseDecoder({}, { maxQueuedBytes: Number.POSITIVE_INFINITY });
    const controller = { enqueue: (response: unknown): void => void incoming.push(response as IncomingResponse) };
    for (const piece of recordsIn(bytes)) void decoder.transform(piece, controller);
    decoder.flush();
    return incoming;
  }

  /** The fields of a recorded head, lower-cased, those of the connection and Status left out. */
  function fieldsOf(head: string): [name: string, value: string][] {
    return head
      .split(/\r?\n/)
      .filter((line) => !/^(Status:|HTTP\/|Connection:)/i.test(line))
      .map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]);
  }

  it("responseFromCgi yields status, headers and body of every recorded answer, or a typed error", async () => {
    const counts = { read: 0, refused: 0, empty: 0 };
    for (const { server, name, bytes, expected } of loadBackends()) {
      const incoming = incomingOf(bytes);
      expect(incoming.length, `${server}/${name}`).toBe(expected.responses.length);
      for (const [index, answer] of expected.responses.entries()) {
        const label = `${server}/${name} #${index}`;
        const result = await responseFromCgi(incoming[index]!, options).catch((error: FastCgiError) => error);
        const head = answer.head;
        if (result instanceof FastCgiError) {
          const refusals = { CANT_MPX_CONN: "cantMultiplex", UNKNOWN_ROLE: "unknownRole", OVERLOADED: "overloaded" };
          const refusal = refusals[answer.protocolStatusName as keyof typeof refusals];
          expect(result.code, label).toBe(refusal ?? "malformedResponse");
          // What has a head is refused for one reason only: a status that is followed by no other.
          if (head !== null) expect(head, label).toMatch(/^Status: 1\d\d /);
          counts.refused++;
          continue;
        }
        expect(result, label).toBeInstanceOf(Response);
        expect(head, label).not.toBeNull();
        const fields = fieldsOf(head!);
        const status = /^(?:Status:|HTTP\/\S+) *(\d+)/im.exec(head!)?.[1];
        const redirects = fields.some(([field]) => field === "location");
        expect(result.status, label).toBe(Number(status ?? (redirects ? 302 : 200)));
        expect([...result.headers], label).toEqual([...new Headers(fields)]);
        if (result.body === null) {
          expect([204, 304], label).toContain(result.status);
          counts.empty++;
          continue;
        }
        const { bytes: body, error } = await drain(result.body);
        const announced = result.headers.get("content-length");
        if (!answer.ended) expect(error, label).toMatchObject({ code: "connectionClosed" });
        else if (announced !== null && Number(announced) !== answer.bodyBytes) {
          // Recorded answers to HEAD: a length, and no body.
          expect([error, answer.bodyBytes], label).toMatchObject([{ code: "lengthMismatch" }, 0]);
        } else expect(error, label).toBeNull();
        expect(sha256(body), label).toBe(answer.bodySha256);
        counts.read++;
      }
    }
    expect(counts).toEqual({ read: 557, refused: 33, empty: 3 });
  });
});
