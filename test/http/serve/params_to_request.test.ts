import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { paramsFromPairs } from "../../../src/cgi/params.ts";
import { GivenVariables } from "../../../src/cgi/variables.ts";
import { IncomingRequest } from "../../../src/codec/incoming_request.ts";
import { hasBody, nativeRequest } from "../../../src/http/serve/native_request.ts";
import { isForbiddenMethod, partsFromParams, type RequestParts } from "../../../src/http/serve/params_to_request.ts";
import { FastCgiError, type NameValuePair, type Role } from "../../../src/toolkit.ts";
import { loadFrontends } from "../../support/vectors.ts";

/** The parts of a request with these variables, over those of a plain GET. Pairs can repeat a name. */
function partsOf(params: Record<string, string> | NameValuePair[]): RequestParts {
  const paramPairs: NameValuePair[] = Array.isArray(params)
    ? params
    : Object.entries({ REQUEST_METHOD: "GET", HTTP_HOST: "example.com", REQUEST_URI: "/", ...params });
  return partsFromParams({ variables: new GivenVariables(paramsFromPairs(paramPairs)), paramPairs });
}

it("partsFromParams gives the URL that the URL parser gives when the target is any", () => {
  const part = fc.constantFrom(
    "/",
    ".",
    "..",
    "%2e",
    "%2E",
    "%2f",
    "a",
    "A b",
    "?",
    "&",
    "=",
    "'",
    '"',
    "%",
    "%zz",
    ":",
    "@",
    "~",
    "^",
    "|",
    "{",
    "é",
    "//",
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      const target = `/${parts.join("")}`;
      const escaped = target.replace(
        /[^!-~]/g,
        (one) => `%${one.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
      );
      const refusal = refusalOf({ REQUEST_URI: target });
      // Only where double or encoded slashes make dot segments ambiguous.
      if (refusal !== null) expect(target).toMatch(/\/\/|%2f/i);
      else expect(urlOf({ REQUEST_URI: target })).toBe(new URL(`http://example.com${escaped}`).href);
    }),
    { numRuns: 1000 },
  );
});

function urlOf(params: Record<string, string>): string {
  return partsOf(params).url();
}

function headersOf(params: Record<string, string> | NameValuePair[]): Record<string, string> {
  return Object.fromEntries(partsOf(params).headers());
}

/** The message with which variables are refused. Anything but a `malformedRequest` is passed on. */
function refusalOf(params: Record<string, string> | NameValuePair[]): string | null {
  try {
    partsOf(params);
    return null;
  } catch (error) {
    if (error instanceof FastCgiError && error.code === "malformedRequest") return error.message;
    throw error;
  }
}

describe("partsFromParams: method", () => {
  it("partsFromParams passes the method as it is, but for those that Fetch writes in upper case", () => {
    const methods = ["GET", "get", "pOsT", "delete", "PATCH", "patch", "PROPFIND", "M-SEARCH", "x"];
    expect(methods.map((method) => partsOf({ REQUEST_METHOD: method }).method)).toEqual([
      ...["GET", "GET", "POST", "DELETE", "PATCH", "patch", "PROPFIND", "M-SEARCH", "x"],
    ]);
  });

  it("partsFromParams refuses a method that is missing, empty or no token", () => {
    expect(refusalOf([["HTTP_HOST", "example.com"]])).toBe('Cannot build a request: REQUEST_METHOD is ""');
    for (const method of ["", "GET ", "G\nET", "G\0T", "GÉT", "GET/1"]) {
      expect(refusalOf({ REQUEST_METHOD: method }), method).toContain("REQUEST_METHOD is ");
    }
  });
});

it("isForbiddenMethod is whether Fetch has no such method, in any case", () => {
  for (const method of ["CONNECT", "TRACE", "TRACK", "trace", "Track"]) expect(isForbiddenMethod(method)).toBe(true);
  for (const method of ["GET", "XTRACE", "TRACER", ""]) expect(isForbiddenMethod(method)).toBe(false);
});

describe("partsFromParams: path and query", () => {
  it("partsFromParams takes path and query from REQUEST_URI, changing no byte that a URL can hold", () => {
    const table: [uri: string, url: string][] = [
      ["/", "/"],
      ["/a/b?x=1&y=", "/a/b?x=1&y="],
      ["/?", "/?"],
      ["/a?b?c", "/a?b?c"],
      ["/a%2Fb/%7euser/%zz?q=%&r=%2f", "/a%2Fb/%7euser/%zz?q=%&r=%2f"],
      ["/a;b=c,d/(e)~f!g*h:@&=+$", "/a;b=c,d/(e)~f!g*h:@&=+$"],
      ["//a//b//", "//a//b//"],
      ["/.hidden/..x/x../a.b", "/.hidden/..x/x../a.b"],
    ];
    for (const [uri, path] of table) expect(urlOf({ REQUEST_URI: uri }), uri).toBe(`http://example.com${path}`);
  });

  it("partsFromParams percent-encodes what the URL parser would strip, convert or take for a fragment", () => {
    const table: [uri: string, url: string][] = [
      ["/caf\xc3\xa9?q=\xe2\x98\x83", "/caf%C3%A9?q=%E2%98%83"],
      ["/\x80\xff", "/%80%FF"],
      ["/a#b?c#d", "/a%23b?c%23d"],
      ["/a\\b?\\", "/a%5Cb?%5C"],
      ["/a b?c d ", "/a%20b?c%20d%20"],
      ["/\t\n\r\0\x1f\x7f", "/%09%0A%0D%00%1F%7F"],
      ["/a\\..\\b", "/a%5C..%5Cb"],
    ];
    for (const [uri, path] of table) expect(urlOf({ REQUEST_URI: uri }), uri).toBe(`http://example.com${path}`);
  });

  it("partsFromParams leaves dot segments to the URL parser, also encoded ones", () => {
    expect(urlOf({ REQUEST_URI: "/a/../b//c/./d?x=1" })).toBe("http://example.com/b//c/d?x=1");
    expect(urlOf({ REQUEST_URI: "/%2e%2E/../x" })).toBe("http://example.com/x");
    expect(urlOf({ REQUEST_URI: "/../../etc/passwd" })).toBe("http://example.com/etc/passwd");
  });

  it("partsFromParams puts a slash in front of a target that has none", () => {
    expect(urlOf({ REQUEST_METHOD: "OPTIONS", REQUEST_URI: "*" })).toBe("http://example.com/*");
    expect(urlOf({ REQUEST_URI: "index.php" })).toBe("http://example.com/index.php");
    expect(urlOf({ REQUEST_URI: "?x=1" })).toBe("http://example.com/?x=1");
    expect(urlOf({ REQUEST_URI: "@evil.test/" })).toBe("http://example.com/@evil.test/");
    expect(urlOf({ REQUEST_URI: ":80/" })).toBe("http://example.com/:80/");
  });

  it("partsFromParams takes path and query of an absolute form, and the host that the web server looked at", () => {
    // Apache 2.4.71 and HAProxy 2.6.12 pass it on, with the same authority in HTTP_HOST (RFC 9112 3.2.2).
    const table: [uri: string, url: string][] = [
      ["http://example.com/abs?x=1", "http://example.com/abs?x=1"],
      ["HTTP://OTHER.test:99/abs", "http://example.com/abs"],
      ["http://other.test", "http://example.com/"],
      ["http://other.test?x=1", "http://example.com/?x=1"],
      ["https://other.test/abs", "http://example.com/abs"],
      ["http://a@b/x", "http://example.com/x"],
      ["http://", "http://example.com/"],
      ["/http://other.test/", "http://example.com/http://other.test/"],
      ["ftp://other.test/", "http://example.com/ftp://other.test/"],
    ];
    for (const [uri, url] of table) expect(urlOf({ REQUEST_URI: uri }), uri).toBe(url);
    // HTTP/1.0 without Host: Apache has it in SERVER_NAME, HAProxy its own address.
    const absolute = { REQUEST_URI: "http://other.test/abs", HTTP_HOST: "" };
    expect(urlOf({ ...absolute, SERVER_NAME: "other.test" })).toBe("http://other.test/abs");
    expect(urlOf({ ...absolute, SERVER_NAME: "127.0.0.1" })).toBe("http://127.0.0.1/abs");
  });

  it("partsFromParams falls back on SCRIPT_NAME, PATH_INFO and QUERY_STRING, percent-encoding the decoded path", () => {
    const table: [script: string, info: string, query: string, url: string][] = [
      ["/app", "/a b", "x=1", "/app/a%20b?x=1"],
      ["", "", "", "/"],
      ["", "/a?b#c%20", "", "/a%3Fb%23c%2520"],
      ["/caf\xc3\xa9", "", "q=\xc3\xa9#", "/caf%C3%A9?q=%C3%A9%23"],
      ["", "no-slash", "", "/no-slash"],
      ["/index.php", "/a/../b", "", "/index.php/b"],
      ["//a", "", "", "//a"],
      ["/a\\b", "", "x=%zz+y", "/a%5Cb?x=%zz+y"],
    ];
    for (const [script, info, query, path] of table) {
      const url = urlOf({ REQUEST_URI: "", SCRIPT_NAME: script, PATH_INFO: info, QUERY_STRING: query });
      expect(url, path).toBe(`http://example.com${path}`);
    }
    expect(partsOf([["REQUEST_METHOD", "GET"]]).url()).toBe("http://localhost/");
  });

  it("partsFromParams builds a URL at the named host from any bytes", () => {
    const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => String.fromCharCode(...array));
    fc.assert(
      fc.property(bytes, bytes, (uri, info) => {
        fc.pre(!/^https?:\/\//i.test(uri));
        expect(new URL(urlOf({ REQUEST_URI: uri, PATH_INFO: info })).origin).toBe("http://example.com");
      }),
    );
  });
});

describe("partsFromParams: scheme", () => {
  it("partsFromParams reads the scheme from HTTPS, and where that says nothing from REQUEST_SCHEME", () => {
    const table: [https: string | undefined, scheme: string | undefined, expected: string][] = [
      ["on", undefined, "https:"],
      ["ON", "http", "https:"],
      ["1", undefined, "https:"],
      ["yes", undefined, "https:"],
      ["off", undefined, "http:"],
      ["Off", "https", "https:"],
      ["0", undefined, "http:"],
      ["", "https", "https:"],
      [undefined, "https", "https:"],
      [undefined, "http", "http:"],
      [undefined, "gopher", "http:"],
      [undefined, undefined, "http:"],
    ];
    for (const [https, scheme, expected] of table) {
      const url = urlOf({
        ...(https !== undefined && { HTTPS: https }),
        ...(scheme !== undefined && { REQUEST_SCHEME: scheme }),
      });
      expect(new URL(url).protocol, `${https} ${scheme}`).toBe(expected);
    }
  });

  it("partsFromParams lets no header change the URL", () => {
    const forwarded = {
      HTTP_X_FORWARDED_PROTO: "https",
      HTTP_X_FORWARDED_HOST: "evil.test",
      HTTP_FORWARDED: "host=evil.test;proto=https",
      HTTP_HTTPS: "on",
      HTTP_X_ORIGINAL_URL: "/admin",
    };
    expect(urlOf({ REQUEST_URI: "/x", ...forwarded })).toBe("http://example.com/x");
  });
});

describe("partsFromParams: host", () => {
  it("partsFromParams takes host and port from HTTP_HOST", () => {
    const table: [host: string, expected: string][] = [
      ["example.com", "example.com"],
      ["EXAMPLE.Test:8080", "example.test:8080"],
      ["example.com:80", "example.com"],
      ["127.0.0.1:81", "127.0.0.1:81"],
      ["[::1]", "[::1]"],
      ["[2001:db8::1]:8080", "[2001:db8::1]:8080"],
      ["xn--caf-dma.test", "xn--caf-dma.test"],
      ["a_b.test", "a_b.test"],
    ];
    for (const [host, expected] of table) expect(new URL(urlOf({ HTTP_HOST: host })).host, host).toBe(expected);
  });

  it("partsFromParams takes SERVER_NAME and SERVER_PORT where HTTP_HOST is missing, empty or `*`", () => {
    const table: [host: string, name: string, port: string, expected: string][] = [
      ["", "example.com", "8080", "example.com:8080"],
      ["*", "example.com", "80", "example.com"],
      ["", "example.com", "", "example.com"],
      ["", "example.com", "http", "example.com"],
      // HAProxy puts the whole Host header into SERVER_NAME.
      ["", "example.com:99", "8080", "example.com:99"],
      ["", "::1", "8080", "[::1]:8080"],
      ["", "2001:db8::1", "", "[2001:db8::1]"],
      ["", "[::1]:99", "8080", "[::1]:99"],
      ["", "[::1]", "8080", "[::1]:8080"],
      ["", "_", "8080", "localhost"],
      ["", "*", "8080", "localhost"],
      ["", "", "8080", "localhost"],
    ];
    for (const [host, name, port, expected] of table) {
      const url = urlOf({ HTTP_HOST: host, SERVER_NAME: name, SERVER_PORT: port });
      expect(new URL(url).host, `${name} ${port}`).toBe(expected);
    }
  });

  it("partsFromParams refuses a host that could write another part of the URL, or is none", () => {
    const hosts = [
      ...["a/b", "a?b", "a#", "a\\b", "user@a", "a b", " ", "a\tb", "a\nb", "a\0", "caf\xe9", "a%2fb"],
      ...["999.999.999.999", "[", "[::1", "]", ":", ":80", "a:b", "a:99999", "a:80:90", "example.com:80/@b"],
    ];
    for (const host of hosts) {
      expect(refusalOf({ HTTP_HOST: host }), host).toMatch(/the host is|holds a control byte/);
    }
  });

  it("partsFromParams goes on checking hosts when it has seen very many", () => {
    for (let number = 0; number < 600; number++) {
      expect(urlOf({ HTTP_HOST: `h${number}.test` })).toBe(`http://h${number}.test/`);
      expect(refusalOf({ HTTP_HOST: `h${number}%2etest` })).not.toBeNull();
      expect(refusalOf({ HTTP_HOST: `h${number}/test` })).not.toBeNull();
    }
  });
});

describe("partsFromParams: headers", () => {
  it("partsFromParams makes headers of HTTP_ variables alone", () => {
    const headers = headersOf({
      HTTP_ACCEPT: "*/*",
      HTTP_X_UNDER_SCORE: "u",
      HTTP_EMPTY: "",
      HTTPS: "on",
      REMOTE_USER: "somebody",
      AUTH_TYPE: "Basic",
      PHP_VALUE: "x",
      SCRIPT_FILENAME: "/x",
    });
    expect(headers).toEqual({ accept: "*/*", empty: "", host: "example.com", "x-under-score": "u" });
  });

  it("partsFromParams gives no host header where the web server only stood in for the client's host", () => {
    expect(headersOf({ HTTP_HOST: "_", SERVER_NAME: "_", HTTP_ACCEPT: "*/*" })).toEqual({ accept: "*/*" });
  });

  it("partsFromParams joins repeated headers, and cookies with semicolons", () => {
    const headers = headersOf([
      ["REQUEST_METHOD", "GET"],
      ["HTTP_X_DUP", "a"],
      ["HTTP_COOKIE", "a=1"],
      ["HTTP_X_DUP", "b"],
      ["HTTP_COOKIE", "b=2"],
    ]);
    expect(headers).toEqual({ cookie: "a=1; b=2", "x-dup": "a, b" });
  });

  it("partsFromParams joins headers whose variables differ only in spelling", () => {
    expect(headersOf({ HTTP_X_A: "1", "HTTP_X-A": "2" })).toMatchObject({ "x-a": "1, 2" });
  });

  it("partsFromParams ignores impostors", () => {
    const headers = headersOf({
      HTTP_CONTENT_LENGTH: "5",
      HTTP_CONTENT_TYPE: "x/y",
      HTTP_TRANSFER_ENCODING: "chunked",
      HTTP_PROXY: "http://evil.test/",
      "HTTP_CONTENT-LENGTH": "6",
    });
    expect(headers).toEqual({ host: "example.com" });
  });

  it("partsFromParams takes type and length from CONTENT_TYPE and CONTENT_LENGTH", () => {
    const table: [type: string, length: string, expected: Record<string, string>][] = [
      ["text/plain", "5", { "content-type": "text/plain", "content-length": "5" }],
      ["", "", {}],
      ["", "0", {}],
      ["text/plain", "-1", { "content-type": "text/plain" }],
      ["", "999999999999999", { "content-length": "999999999999999" }],
    ];
    for (const [type, length, expected] of table) {
      const headers = headersOf({ CONTENT_TYPE: type, CONTENT_LENGTH: length });
      expect(headers, `${type} ${length}`).toEqual({ host: "example.com", ...expected });
    }
  });

  it("partsFromParams refuses a CONTENT_LENGTH that is no length", () => {
    for (const length of ["5x", "+5", " 5", "5 ", "-2", "0x5", "1e3", "5,5", "9999999999999999", "\n"]) {
      expect(refusalOf({ CONTENT_LENGTH: length }), length).toContain("CONTENT_LENGTH is ");
    }
  });

  it("partsFromParams keeps bytes above 0x7F and blanks inside a value", () => {
    expect(headersOf({ HTTP_X_LATIN: "caf\xe9 \xff", HTTP_X_UTF: "\xc3\xa9", HTTP_X_TAB: " \ta\tb " })).toMatchObject({
      "x-latin": "caf\xe9 \xff",
      "x-utf": "\xc3\xa9",
      "x-tab": "a\tb",
    });
  });

  it("partsFromParams refuses NUL, CR and LF in what becomes a header", () => {
    for (const byte of ["\0", "\r", "\n", "\r\nX: y"]) {
      expect(refusalOf({ HTTP_X: `a${byte}` }), byte).toBe("Cannot build a request: HTTP_X holds a control byte");
      expect(refusalOf({ CONTENT_TYPE: `a/b${byte}c` }), byte).toContain("CONTENT_TYPE holds a control byte");
      // Other variables are made of no header.
      expect(refusalOf({ SCRIPT_FILENAME: `a${byte}` }), byte).toBeNull();
    }
  });

  it("partsFromParams skips names that are no tokens", () => {
    expect(headersOf({ "HTTP_A B": "1", "HTTP_A:": "2", HTTP_: "3", "HTTP_\xe9": "4" })).toEqual({
      host: "example.com",
    });
  });

  it("partsFromParams makes headers of any bytes that it does not refuse", () => {
    const bytes = fc.uint8Array({ maxLength: 20 }).map((array) => String.fromCharCode(...array));
    fc.assert(
      fc.property(bytes, bytes, bytes, (name, value, type) => {
        const params = { [`HTTP_${name}`]: value, CONTENT_TYPE: type, HTTP_HOST: "example.com" };
        if (refusalOf(params) === null) partsOf(params).headers();
      }),
    );
  });
});

describe("partsFromParams: variables that come again", () => {
  it("partsFromParams takes the later value of a variable that nginx users set behind fastcgi_params", () => {
    const parts = partsOf([
      ["QUERY_STRING", "a=1"],
      ["REQUEST_METHOD", "POST"],
      ["CONTENT_TYPE", "text/plain"],
      ["CONTENT_LENGTH", "5"],
      ["SCRIPT_NAME", "/auth"],
      ["REQUEST_URI", "/private?a=1"],
      ["DOCUMENT_URI", "/auth"],
      ["SERVER_PROTOCOL", "HTTP/1.1"],
      ["HTTP_HOST", "example.com"],
      ["HTTP_HOST", "Example.com:8080"],
      ["REQUEST_METHOD", "GET"],
      ["REQUEST_URI", "/check?x=1"],
      ["QUERY_STRING", "x=1"],
      ["CONTENT_LENGTH", ""],
      ["CONTENT_TYPE", ""],
      ["SERVER_PROTOCOL", "HTTP/1.0"],
      ["HTTPS", "off"],
      ["HTTPS", "on"],
    ]);
    expect([parts.method, parts.url()]).toEqual(["GET", "https://example.com:8080/check?x=1"]);
    expect(Object.fromEntries(parts.headers())).toEqual({ host: "Example.com:8080" });
  });

  it("partsFromParams takes repeats of the same value for one", () => {
    const parts = partsOf([
      ["REQUEST_METHOD", "GET"],
      ["CONTENT_LENGTH", "5"],
      ["CONTENT_LENGTH", "5"],
      ["HTTP_HOST", "example.com"],
      ["HTTP_HOST", "example.com"],
      ["REQUEST_URI", ""],
      ["REQUEST_URI", "/x"],
    ]);
    expect(parts.url()).toBe("http://example.com/x");
    expect(parts.headers().get("content-length")).toBe("5");
  });
});

/** The targets that a recorded client asked for, from its command line or the bytes it sent. */
function targetsOf(client: Readonly<Record<string, unknown>>): string[] {
  const words = [client.curl, client.rawClient].flat(2).map((word) => {
    const text = typeof word === "object" && word !== null && "head" in word ? word.head : word;
    // One character is one byte.
    return Buffer.from(String(text), "latin1").toString("utf8");
  });
  return words.flatMap((word) => [
    ...(word.startsWith("http") ? [word] : []),
    ...[...word.matchAll(/[A-Z]+ (\S+) HTTP\/1\.[01]\r\n/g)].map(([, target]) => target!),
  ]);
}

/** Path and query as a URL has them; `%2f` and `%2F` mean the same. */
function pathOf(target: string): string {
  const { pathname, search } = new URL(target, "http://localhost/");
  return (pathname + search).replace(/%[0-9a-f]{2}/gi, (escaped) => escaped.toUpperCase());
}

describe("partsFromParams: recorded web servers", () => {
  const recorded = loadFrontends().flatMap(({ server, name, client, expected }) =>
    (expected?.requests ?? []).map((request) => ({ label: `${server}/${name}`, client, request })),
  );

  /** The native Request of a recorded one, or the FastCgiError that refuses it. */
  function replay({ requestId, keepConn, roleNumber, paramsList }: (typeof recorded)[number]["request"]) {
    const limits = { maxStdinBytes: 1, maxDataBytes: 1, maxQueuedBytes: 1 };
    const params = new GivenVariables(paramsFromPairs(paramsList), paramsList);
    const source = new IncomingRequest(requestId, roleNumber as Role, keepConn, params, limits);
    try {
      const parts = partsFromParams(source);
      return nativeRequest(parts, source, hasBody(parts, source));
    } catch (error) {
      if (error instanceof FastCgiError) return error;
      throw error;
    }
  }

  it("partsFromParams yields a Request for every recorded request, but for those without a method", () => {
    expect(recorded.length).toBeGreaterThan(700);
    const refused = recorded.flatMap(({ label, request }) => {
      const result = replay(request);
      return result instanceof FastCgiError ? [[label, result.code, request.method]] : [];
    });
    expect(refused).toEqual([
      ["cgi-fcgi/env-minimal", "malformedRequest", null],
      ["cgi-fcgi/env-none", "malformedRequest", null],
    ]);
  });

  it("partsFromParams yields the URL and the method that the recorded client asked for", () => {
    let compared = 0;
    for (const { label, client, request } of recorded) {
      const result = replay(request);
      if (result instanceof FastCgiError) continue;
      expect(result.method, label).toBe(request.method);
      const targets = targetsOf(client);
      if (targets.length === 0) continue;
      const patterns = targets.map((target) => {
        // "{n}" stands for the number of one client out of several.
        const escaped = pathOf(target).replace(/[.*+?^$()|[\]\\]/g, "\\$&");
        return new RegExp(`^${escaped.replace(/(?:%7B|\{)[^}]+?(?:%7D|\})/g, "\\d+")}$`);
      });
      expect(
        patterns.some((pattern) => pattern.test(pathOf(result.url))),
        `${label}: ${result.url}`,
      ).toBe(true);
      compared++;
    }
    expect(compared).toBeGreaterThan(700);
  });

  it("partsFromParams yields the header values that were recorded", () => {
    for (const { label, request } of recorded) {
      const result = replay(request);
      if (result instanceof FastCgiError) continue;
      const { HTTP_USER_AGENT: agent, HTTP_ACCEPT: accept } = request.params;
      expect(result.headers.get("user-agent") ?? undefined, label).toBe(agent);
      expect(result.headers.get("accept") ?? undefined, label).toBe(accept);
      expect(result.headers.get("proxy"), label).toBeNull();
      expect(result.headers.get("transfer-encoding"), label).toBeNull();
    }
  });
});
