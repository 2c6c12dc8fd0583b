// What is told of traffic: the decoding, the rules and the secrets.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { safeJson, safeLine } from "../../cli/frame/style.ts";
import { safeLines, shownContent } from "../../cli/wire/content.ts";
import { TraceDecoder } from "../../cli/wire/decoder.ts";
import { ODDITY_RULES } from "../../cli/wire/oddities.ts";
import type { ConnectionReport, ExchangeReport, Report } from "../../cli/wire/report.ts";
import { maskLine, maskText, maskValue } from "../../cli/wire/secrets.ts";
import type { Party, TraceEvent } from "../../cli/wire/trace.ts";
import {
  encodeBeginRequestBody,
  encodeByteString,
  encodeEndRequestBody,
  encodeNameValuePairs,
  encodeRecords,
  type NameValuePair,
  RecordType,
} from "../../src/toolkit.ts";
import { joined } from "../support/bytes.ts";
import { loadBackends, loadFrontends } from "../support/vectors.ts";

const NOTHING = new Uint8Array(0);

function record(type: number, requestId = 1, content: Uint8Array | string = NOTHING): Uint8Array {
  const contentData = typeof content === "string" ? encodeByteString(content) : content;
  return encodeRecords([{ type, requestId, contentData }]);
}

const PAIRS: NameValuePair[] = [
  ["GATEWAY_INTERFACE", "CGI/1.1"],
  ["SERVER_SOFTWARE", "test/1"],
  ["SERVER_PROTOCOL", "HTTP/1.1"],
  ["SERVER_NAME", "localhost"],
  ["SERVER_PORT", "80"],
  ["REMOTE_ADDR", "127.0.0.1"],
  ["REQUEST_METHOD", "GET"],
  ["REQUEST_URI", "/a"],
  ["SCRIPT_NAME", "/a"],
  ["QUERY_STRING", ""],
];

function request(more: NameValuePair[] = [], { requestId = 1, stdin = "", keepConn = false } = {}): Uint8Array {
  return joined(
    record(RecordType.BeginRequest, requestId, encodeBeginRequestBody({ role: 1, keepConn })),
    record(RecordType.Params, requestId, encodeNameValuePairs([...PAIRS, ...more])),
    record(RecordType.Params, requestId),
    stdin === "" ? NOTHING : record(RecordType.Stdin, requestId, stdin),
    record(RecordType.Stdin, requestId),
  );
}

const end = (requestId = 1, protocolStatus = 0): Uint8Array =>
  record(RecordType.EndRequest, requestId, encodeEndRequestBody({ appStatus: 0, protocolStatus }));
const answer = (stdout: string, requestId = 1): Uint8Array =>
  joined(record(RecordType.Stdout, requestId, stdout), record(RecordType.Stdout, requestId), end(requestId));
/** A request, and what the application sends for it. */
const bothSides = (sent: Uint8Array, asked: Uint8Array = request()): [Party, Uint8Array][] => [
  ["web server", asked],
  ["application", sent],
];
const OK = "Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nhello";

/** The reports of what the two parties send, and how the connection ends. */
function reportsOf(
  steps: readonly (readonly [Party, Uint8Array | "end" | "broken"])[],
  { body = 100, secrets = false } = {},
): Report[] {
  const reports: Report[] = [];
  const decoder = new TraceDecoder({ body, secrets }, "both", (report) => void reports.push(report));
  let time = 0;
  const tell = (event: object): void => decoder.take({ time: time++, connection: 1, ...event } as TraceEvent);
  tell({ what: "opened" });
  for (const [from, step] of steps) {
    if (step === "end") tell({ what: "end", from });
    else if (step === "broken") tell({ what: "broken", from, reason: "ECONNRESET" });
    else tell({ what: "bytes", from, bytes: step });
  }
  tell({ what: "closed" });
  return reports;
}

const exchangesIn = (reports: readonly Report[]): ExchangeReport[] =>
  reports.filter((report): report is ExchangeReport => report.event === "exchange");
const oddIn = (reports: readonly Report[]): string[] => [
  ...exchangesIn(reports).flatMap(({ oddities }) => oddities.map(({ rule }) => rule)),
  ...reports
    .flatMap((report) => (report.event === "connection" ? [(report as ConnectionReport).oddity?.rule ?? []] : []))
    .flat(),
];

describe("TraceDecoder", () => {
  it("puts a request and its response together, at whatever bytes they are cut", () => {
    const [asked, answered] = [request([["CONTENT_LENGTH", "3"]], { stdin: "a=b" }), answer(OK)];
    for (const size of [1, 7, 1000]) {
      const pieces = (from: Party, bytes: Uint8Array): [Party, Uint8Array][] =>
        Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => [
          from,
          bytes.subarray(index * size, (index + 1) * size),
        ]);
      const reports = reportsOf([...pieces("web server", asked), ...pieces("application", answered)]);
      const [exchange, ...more] = exchangesIn(reports);
      expect(more).toEqual([]);
      expect(exchange).toMatchObject({
        number: 1,
        requestId: 1,
        role: "RESPONDER",
        keepConn: false,
        together: 1,
        method: "GET",
        uri: "/a",
        status: 200,
        outcome: "complete",
        appStatus: 0,
        protocolStatus: "REQUEST_COMPLETE",
        params: [...PAIRS, ["CONTENT_LENGTH", "3"]],
        stdin: { bytes: 3, isEnded: true, text: "a=b" },
        header: ["Status: 200 OK", "Content-Type: text/plain"],
        body: { bytes: 5, text: "hello" },
        oddities: [],
      });
      expect(exchange!.records.map(({ type }) => type)).toEqual([
        ...["BEGIN_REQUEST", "PARAMS", "PARAMS", "STDIN", "STDIN"],
        ...["STDOUT", "STDOUT", "END_REQUEST"],
      ]);
      const { params, stdin, firstByte, end } = exchange!.times;
      expect([params, stdin, firstByte, end].every((time) => time !== null)).toBe(true);
      expect(firstByte!).toBeLessThanOrEqual(end!);
    }
  });

  it("follows requests that share a connection, and one that gets no answer", () => {
    const reports = reportsOf([
      ["web server", joined(request(), request([], { requestId: 2 }))],
      ["application", answer(OK, 2)],
      ["application", "end"],
    ]);
    expect(exchangesIn(reports)).toMatchObject([
      { number: 2, requestId: 2, together: 2, outcome: "complete" },
      {
        number: 1,
        requestId: 1,
        together: 2,
        outcome: "broken off",
        reason: "the application closed the connection",
        oddities: [{ rule: "FCGI-5.5-1" }],
      },
    ]);
  });

  it("tells an abort of the web server from a connection that the application breaks", () => {
    const abort = record(RecordType.AbortRequest);
    for (const [steps, expected] of [
      [bothSides(end(), joined(request(), abort)), { outcome: "aborted", reason: "ABORT_REQUEST" }],
      [
        [
          ["web server", request()],
          ["web server", "end"],
        ],
        { outcome: "aborted", reason: "the web server closed the connection" },
      ],
      [
        [
          ["web server", request()],
          ["application", "broken"],
        ],
        { outcome: "broken off", reason: "the application broke the connection: ECONNRESET" },
      ],
      [
        bothSides(joined(answer(OK).subarray(0, -24), new Uint8Array(8))),
        { outcome: "broken off", reason: "the application broke off, with a record header of zeros" },
      ],
      [bothSides(end(1, 2)), { outcome: "refused", protocolStatus: "OVERLOADED" }],
    ] as const) {
      expect(exchangesIn(reportsOf(steps))).toMatchObject([expected]);
    }
  });

  it.each<[rule: string, steps: [Party, Uint8Array][]]>([
    ["FCGI-3.3-2", [["web server", encodeByteString("GET / HTTP/1.1\r\n\r\n")]]],
    ["FCGI-3.3-2", bothSides(encodeByteString("HTTP/1.1 400 Bad Request\r\n\r\n"))],
    ["FCGI-3.3-8", [["web server", request().map((byte, index) => (index === 7 ? 1 : byte))]]],
    ["FCGI-3.3-10", [["web server", joined(request(), request())]]],
    ["FCGI-3.3-15", [["application", record(RecordType.GetValuesResult, 3)]]],
    ["FCGI-3.3-16", [["web server", record(RecordType.Stdin, 0, "x")]]],
    ["FCGI-4.1-1", [["web server", record(RecordType.GetValues, 0, encodeNameValuePairs([["FCGI_MAX_CONNS", "1"]]))]]],
    ["FCGI-5.1-1", [["web server", record(RecordType.Stdin, 4, "x")]]],
    [
      "FCGI-5.1-3",
      bothSides(
        end(1, 3),
        request().map((byte, index) => (index === 9 ? 9 : byte)),
      ),
    ],
    ["FCGI-6.1-2", bothSides(answer(OK), joined(request(), record(RecordType.Stdin, 1, "x")))],
    ["FIELD-5", bothSides(joined(answer(OK), record(RecordType.Stdout, 1, "more")))],
    ["FIELD-5", [["application", record(RecordType.GetValuesResult, 0)]]],
    ["FIELD-4", bothSides(end(1, 2))],
    [
      "FIELD-1",
      bothSides(
        joined(record(RecordType.Stdout, 1, "Status: 200 OK\r\n"), answer("Content-Type: text/plain\r\n\r\nx")),
      ),
    ],
    ["FIELD-43", bothSides(answer("Content-Type: text/plain\r\nContent-Length: 9\r\n\r\nx"))],
    ["FIELD-24", bothSides(answer("Status: 204 No Content\r\nContent-Type: a/b\r\n\r\nx"))],
    ["CGI-4.3.3-1", bothSides(answer(OK), request([["REQUEST_METHOD", "HEAD"]]))],
    ["CGI-4.1.2-2", bothSides(answer(OK), request([["CONTENT_LENGTH", "9"]], { stdin: "x" }))],
    ["CGI-6.1-1", bothSides(end())],
    ["CGI-6.2-2", bothSides(answer("hello"))],
    ["CGI-6.3-2", bothSides(answer("Status: 200 OK\nStatus: 201 Created\n\n"))],
    ["CGI-6.3-6", bothSides(answer("Status: 200 OK\nno field\n\n"))],
    ["CGI-6.3.1-1", bothSides(answer("Status: 200 OK\n\nx"))],
    ["CGI-7.2-3", bothSides(answer(OK), request([["X", "a\0b"]]))],
  ])("marks what breaks %s", (rule, steps) => {
    expect(oddIn(reportsOf(steps))).toContain(rule);
  });

  it("marks nothing in what nginx asks and php-fpm answers", () => {
    const asked = loadFrontends().filter(
      ({ server, name }) => server === "nginx" && /^(get-query|post-small|post-1m|head|cookies|params-50k)$/.test(name),
    );
    const reports = asked.flatMap(({ bytes, expected }) => {
      const { requestId, method } = expected!.requests[0]!;
      const stdout = method === "HEAD" ? OK.replace("hello", "") : OK;
      return reportsOf(bothSides(answer(stdout, requestId), bytes));
    });
    expect(exchangesIn(reports)).toHaveLength(6);
    // nginx sends the fields of a body as HTTP_ variables as well.
    expect(new Set(oddIn(reports))).toEqual(new Set(["CGI-4.1.18-8"]));
    const answered = loadBackends().filter(
      ({ server, name }) => server === "php-fpm" && /^(hello|head|post-echo|script-cookies|file-missing)$/.test(name),
    );
    const more = answered.flatMap(({ requestBytes, bytes }) => reportsOf(bothSides(bytes, requestBytes)));
    expect(exchangesIn(more).map(({ outcome }) => outcome)).toEqual(Array(5).fill("complete"));
    // The recording client does not pad.
    expect(new Set(oddIn(more))).toEqual(new Set(["FCGI-3.3-7"]));
  });

  it.each<[what: string, more: NameValuePair]>([
    ["a page whose path is not the script's", ["SCRIPT_NAME", "/index.php"]],
    ["a part of a page", ["SERVER_PROTOCOL", "INCLUDED"]],
  ])("marks nothing in %s", (_, more) => {
    const reports = reportsOf(bothSides(answer(OK), request([more])));
    expect(exchangesIn(reports)).toHaveLength(1);
    expect(oddIn(reports)).toEqual([]);
  });

  it("knows of requests that it does not follow, and does not blame their answers", () => {
    const reports: Report[] = [];
    const decoder = new TraceDecoder({ body: 0, secrets: false }, "both", (report) => void reports.push(report));
    const take = (from: Party, bytes: Uint8Array): void =>
      decoder.take({ time: 0, connection: 1, what: "bytes", from, bytes });
    const ids = Array.from({ length: 1025 }, (_, index) => index + 1);
    const begin = encodeBeginRequestBody({ role: 1, keepConn: true });
    for (const id of ids) take("web server", record(RecordType.BeginRequest, id, begin));
    for (const id of ids.slice(0, -1)) take("application", end(id));
    expect(decoder.isIdle(1)).toBe(false);
    take("application", end(1025));
    expect(decoder.isIdle(1)).toBe(true);
    const odd = oddIn(reports);
    expect(odd).toContain("FIELD-11");
    expect(odd).not.toContain("FIELD-5");
  });

  it("keeps little of the variables of many requests at once", () => {
    const large: NameValuePair[] = [["X", "x".repeat(60_000)]];
    const asked = Array.from({ length: 20 }, (_, index) =>
      joined(
        request(large, { requestId: index + 1 }).subarray(0, -16),
        record(RecordType.Params, index + 1, encodeNameValuePairs(large)),
        record(RecordType.Params, index + 1),
      ),
    );
    const kept = exchangesIn(reportsOf([["web server", joined(...asked)]])).map(({ params }) => params !== null);
    expect(kept.slice(0, 16)).toEqual(Array(16).fill(true));
    expect(kept.slice(16)).toEqual(Array(4).fill(false));
  });

  it("keeps a bounded part of a request that never ends", () => {
    const piece = record(RecordType.Stdin, 1, new Uint8Array(60_000).fill(120));
    const steps = Array.from({ length: 300 }, (): [Party, Uint8Array] => ["web server", piece]);
    const begun = request().subarray(0, -8);
    const [exchange] = exchangesIn(reportsOf([["web server", begun], ...steps, ["application", answer(OK)]]));
    expect(exchange!.stdin).toEqual({ bytes: 18_000_000, records: 300, isEnded: false, text: "x".repeat(100) });
    expect(exchange!.records).toHaveLength(100);
    expect(exchange!.recordsLeftOut).toBeGreaterThan(200);
    expect(JSON.stringify(exchange).length).toBeLessThan(50_000);
    // More requests at once than anything sends.
    const begins = Array.from({ length: 2000 }, (_, index) =>
      record(RecordType.BeginRequest, index + 1, encodeBeginRequestBody({ role: 1, keepConn: true })),
    );
    const reports = reportsOf([["web server", joined(...begins)]]);
    expect(exchangesIn(reports)).toHaveLength(1024);
    expect(oddIn(reports)).toContain("FIELD-11");
  });

  it("judges by no rule that specifications/conformance.md does not have", () => {
    const table = readFileSync(new URL("../../specifications/conformance.md", import.meta.url), "utf8");
    const source = readFileSync(new URL("../../cli/wire/conversation.ts", import.meta.url), "utf8");
    const used = [
      ...ODDITY_RULES,
      ...(source.match(/"(?:FCGI|CGI|FIELD)-[\d.-]+"/g) ?? []).map((id) => id.slice(1, -1)),
    ];
    const rows = [...table.matchAll(/^\| ([A-Z]+-[\w.-]+) *\|/gm)].map((match) => match[1]);
    expect(used.filter((id) => !rows.includes(id))).toEqual([]);
    expect(new Set(used).size).toBeGreaterThan(40);
  });
});

describe("Secrets", () => {
  it.each([
    ["HTTP_AUTHORIZATION", "Bearer abc", "Bearer (masked, 3 bytes)"],
    ["HTTP_AUTHORIZATION", "abc", "(masked, 3 bytes)"],
    ["REDIRECT_HTTP_AUTHORIZATION", "Basic YQ==", "Basic (masked, 4 bytes)"],
    ["HTTP_PROXY_AUTHORIZATION", "Basic YQ==", "Basic (masked, 4 bytes)"],
    ["HTTP_X_AMZN_OIDC_DATA", "eyJh", "(masked, 4 bytes)"],
    ["X-Client-Key", "abcd", "(masked, 4 bytes)"],
    ["HTTP_COOKIE", "sid=1; theme=dark", "sid=(masked); theme=(masked)"],
    ["HTTP_COOKIE", "raw", "(masked, 3 bytes)"],
    ["PHP_AUTH_PW", "x", "(masked, 1 byte)"],
    ["PHP_VALUE", "a = b", "(masked, 5 bytes)"],
    ["PHP_ADMIN_VALUE", "a = b", "(masked, 5 bytes)"],
    ["HTTP_X_API_KEY", "k", "(masked, 1 byte)"],
    ["DB_PASSWORD", "p", "(masked, 1 byte)"],
    ["HTTP_X_CSRF_TOKEN", "t", "(masked, 1 byte)"],
    ["DB_PASS", "p", "(masked, 1 byte)"],
    ["MYSQL_PWD", "p", "(masked, 1 byte)"],
    ["HTTP_X_HUB_SIGNATURE_256", "s", "(masked, 1 byte)"],
    ["PASSENGER_APP_ENV", "production", "production"],
    ["REQUEST_URI", "/?PHPSESSID=x&SAMLResponse=y&sid=z", "/?PHPSESSID=(masked)&SAMLResponse=(masked)&sid=(masked)"],
    ["HTTP_REFERER", "https://a/#sid=x&b=1", "https://a/#sid=(masked)&b=1"],
    ["PHP_VALUE", "", ""],
    ["REQUEST_URI", "/a?b=1&access_token=x&c=2#d", "/a?b=1&access_token=(masked)&c=2#d"],
    ["QUERY_STRING", "pass%77ord=x&q=1", "pass%77ord=(masked)&q=1"],
    ["HTTP_REFERER", "https://me:secret@example.com/?sid=1", "https://me:(masked)@example.com/?sid=(masked)"],
    ["HTTP_ACCEPT", "text/html;q=0.9,*/*;q=0.8", "text/html;q=0.9,*/*;q=0.8"],
    ["SCRIPT_FILENAME", "/srv/token/index.php", "/srv/token/index.php"],
  ])("masks %s=%s as %s", (name, value, shown) => {
    expect(maskValue(name, value)).toBe(shown);
  });

  it("masks fields of a header, forms and JSON, and nothing beside them", () => {
    expect(maskLine("Set-Cookie: sid=1; Path=/; HttpOnly")).toBe("Set-Cookie: sid=(masked); Path=/; HttpOnly");
    expect(maskLine("Location: /next?token=1")).toBe("Location: /next?token=(masked)");
    expect(maskLine("Variable-AUTH_TOKEN: 1")).toBe("Variable-AUTH_TOKEN: (masked, 1 byte)");
    expect(maskText("user=a&password=b&c=d")).toBe("user=a&password=(masked)&c=d");
    expect(maskText("pass1=a&pass%5Bpass2%5D=b&user_pass=c")).toBe(
      "pass1=(masked)&pass%5Bpass2%5D=(masked)&user_pass=(masked)",
    );
    expect(maskText('Cookie: a=1; sid=2; token="3 4"')).toBe('Cookie: a=1; sid=(masked); token="(masked)"');
    expect(maskText('<a href="/?token=1&b=2">')).toBe('<a href="/?token=(masked)&b=2">');
    expect(maskText('{"tokens":["a]","b"],"pin":-1.5,"c":[1]}')).toBe('{"tokens":"(masked)","pin":"(masked)","c":[1]}');
    expect(maskText('{"tokens":["a","b')).toBe('{"tokens":"(masked)"');
    // Longer than what a regular expression can go back over.
    const long = "x".repeat(20_000_000);
    expect(maskText(`{"password":"${long}\\""}`)).toBe('{"password":"(masked)"}');
    expect(maskText(`{"a":"${long}"}`)).toHaveLength(long.length + 8);
    expect(maskText('{"user":"a","password": "b\\"c","token":5}')).toBe(
      '{"user":"a","password": "(masked)","token":"(masked)"}',
    );
    const form = (value: string): string =>
      `--x\r\nContent-Disposition: form-data; name="password"\r\n\r\n${value}\r\n--x--`;
    expect(maskText(form("two\r\nlines"))).toBe(form("(masked)"));
  });

  it.each([
    // A parameter within a parameter.
    ["next=%2Fa%3Ftoken%3DHIDDEN%26b%3D2", "next=%2Fa%3Ftoken%3D(masked)%26b%3D2"],
    ["next=%252Fa%253Ftoken%253DHIDDEN", "next=%252Fa%253Ftoken%253D(masked)"],
    ["next=%2F%FC%3Fpassword%3DHIDDEN&c=d", "next=%2F%FC%3Fpassword%3D(masked)&c=d"],
    ["json=%7B%22password%22%3A%22HIDDEN%22%7D&a=1", "json=%7B%22password%22%3A%22(masked)%22%7D&a=1"],
    ["next=%2Fa%3Fb%3D1", "next=%2Fa%3Fb%3D1"],
    // A form in HTML.
    ['<input type="hidden" name="_token" value="HIDDEN"> x', '<input type="hidden" name="_token" value="(masked)"> x'],
    ["<input value='HIDDEN' name=password>", '<input value="(masked)" name=password>'],
    ['<meta name="csrf-token" content="HIDDEN', '<meta name="csrf-token" content="(masked)"'],
    ['<input name="q" value="shown" data-name="token">', '<input name="q" value="shown" data-name="token">'],
    // Objects, and JSON within JSON.
    ['{"token":{"a":["HIDDEN"]},"b":1}', '{"token":"(masked)","b":1}'],
    ['{"token":{"a":"HIDDEN', '{"token":"(masked)"'],
    [
      String.raw`{"body":"{\"password\":\"HID\\\"DEN\",\"b\":1}"}`,
      String.raw`{"body":"{\"password\":\"(masked)\",\"b\":1}"}`,
    ],
  ])("masks %s", (text, shown) => {
    expect(maskText(text)).toBe(shown);
  });

  it("masks a header that has no end, and lines that go on with the one before", () => {
    const header = "Content-Type: text/plain\r\nSet-Cookie: a=HIDDEN; Path=/\r\nAuthorization: Bearer HIDDEN";
    const [cut] = exchangesIn(reportsOf([...bothSides(record(RecordType.Stdout, 1, header)), ["application", "end"]]));
    expect(cut!.header).toBeNull();
    expect(cut!.body.text).toBe(
      "Content-Type: text/plain\nSet-Cookie: a=(masked); Path=/\nAuthorization: Bearer (masked, 6 bytes)",
    );
    const folded = "Content-Type: text/plain\r\nSet-Cookie: a=1;\r\n b=HIDDEN\r\nAuthorization:\r\n\tHIDDEN\r\n\r\nok";
    expect(JSON.stringify(exchangesIn(reportsOf(bothSides(answer(folded)))))).not.toContain("HIDDEN");
  });

  it("takes no time that grows faster than the text", () => {
    for (const text of [
      "=".repeat(200_000),
      "=%3D".repeat(50_000),
      "=%25".repeat(50_000),
      `=${"%25".repeat(60_000)}3D`,
      '<input name="'.repeat(15_000),
      "<input ".repeat(30_000),
      '\\"token\\":\\"'.repeat(20_000),
      'name="'.repeat(40_000),
      "a".repeat(200_000),
      "//a:".repeat(50_000),
      '"a" '.repeat(50_000),
      "?".repeat(200_000),
      '"token":['.repeat(50_000),
      '"token":"\\'.repeat(50_000),
      'token="'.repeat(50_000),
    ]) {
      const began = performance.now();
      maskText(text);
      expect(performance.now() - began).toBeLessThan(5_000);
    }
  });

  it("are in no report unless they are asked for", () => {
    const pairs: NameValuePair[] = [
      ["HTTP_AUTHORIZATION", "Basic HIDDEN"],
      ["HTTP_COOKIE", "sid=HIDDEN"],
      ["PHP_VALUE", "HIDDEN"],
      ["REQUEST_URI", "/?token=HIDDEN"],
      ["QUERY_STRING", "a b&token=HIDDEN"],
      ["CONTENT_LENGTH", "15"],
    ];
    const stdout = "Set-Cookie: sid=HIDDEN\nSet Cookie: sid=HIDDEN\nContent-Type: text/plain\n\n";
    const steps = bothSides(answer(stdout), request(pairs, { stdin: "password=HIDDEN" }));
    expect(JSON.stringify(reportsOf(steps))).not.toContain("HIDDEN");
    expect(JSON.stringify(reportsOf(steps, { secrets: true })).match(/HIDDEN/g)!.length).toBeGreaterThan(7);
  });
});

describe("Content", () => {
  it("shows text as text, also where its last character is cut, and the rest in hexadecimal", () => {
    const bytes = new TextEncoder().encode("größe");
    expect(shownContent(bytes, true)).toEqual({ text: "größe" });
    expect(shownContent(bytes.subarray(0, 3), true)).toEqual({ text: "gr" });
    expect(shownContent(Uint8Array.of(0, 1, 2, 255), true)).toEqual({ hex: "000102ff" });
    expect(shownContent(NOTHING, true)).toEqual({});
  });

  it("masks the secrets of a form that is no text", () => {
    const form = encodeByteString(
      '--x\r\nContent-Disposition: form-data; name="password"\r\n\r\nHIDDEN\r\n--x\r\n\r\n\x89PNG\xff\0\0\0\0',
    );
    const shown = (secrets: boolean): string =>
      Buffer.from(shownContent(form, secrets).hex ?? "", "hex").toString("latin1");
    expect(shown(false)).not.toContain("HIDDEN");
    expect(shown(false)).toContain("\x89PNG\xff");
    expect(shown(true)).toContain("HIDDEN");
  });

  it("lets through no character that a terminal obeys, also in JSON, which stays the same", () => {
    const value = { text: 'a\u001b[2J"\u007f\u009b\u202e\u2028\ud800\u{f0000}ü\n' };
    const json = safeJson(value);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(json).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e\u2028]/);
    expect(json).toContain("ü");
    expect(JSON.parse(json)).toEqual(value);
  });

  it("lets through no character that a terminal obeys, and none that changes how others are read", () => {
    expect(safeLine("a\u001b[2Jb\u0007\u009b\u202e\u2028c\n")).toBe("a·[2Jb····c·");
    expect(safeLines("a\r\nb\u001b\tc\n")).toEqual(["a", "b·  c"]);
  });
});
