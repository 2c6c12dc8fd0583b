import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GivenVariables } from "../../../src/cgi/variables.ts";
import {
  checkParams,
  type ParamsFromRequestOptions,
  PEERS,
  paramsFromRequest,
  SERVER_SOFTWARE,
  setContentLength,
} from "../../../src/http/call/request_to_params.ts";
import { partsFromParams } from "../../../src/http/serve/params_to_request.ts";
import { FastCgiError, utf8ToByteString } from "../../../src/index.ts";
import { isBun, isDeno } from "../../support/runtime.ts";

function paramsOf(
  url: string,
  init: RequestInit = {},
  options: Partial<ParamsFromRequestOptions> = {},
): Record<string, string> {
  const params = paramsFromRequest(new Request(url, init), options);
  return Object.fromEntries(params);
}

/** The variables that header fields became. */
function headerParams(headers: HeadersInit): Record<string, string> {
  const params = Object.entries(paramsOf("http://a.test/", { headers }));
  return Object.fromEntries(params.filter(([name]) => name.startsWith("HTTP_") && name !== "HTTP_HOST"));
}

function refusalOf(url: string, options: Partial<ParamsFromRequestOptions> = {}): string | null {
  try {
    paramsOf(url, {}, options);
    return null;
  } catch (error) {
    if (error instanceof FastCgiError && error.code === "malformedRequest") return error.message;
    throw error;
  }
}

describe("paramsFromRequest", () => {
  it("paramsFromRequest makes the whole set for a GET without a script", () => {
    expect(paramsOf("http://example.com/a/b?x=1&y", { headers: { accept: "*/*" } })).toEqual({
      GATEWAY_INTERFACE: "CGI/1.1",
      SERVER_SOFTWARE,
      SERVER_PROTOCOL: "HTTP/1.1",
      REQUEST_METHOD: "GET",
      REQUEST_URI: "/a/b?x=1&y",
      QUERY_STRING: "x=1&y",
      CONTENT_TYPE: "",
      CONTENT_LENGTH: "",
      SCRIPT_NAME: "/a/b",
      DOCUMENT_URI: "/a/b",
      REDIRECT_STATUS: "200",
      REQUEST_SCHEME: "http",
      SERVER_NAME: "example.com",
      SERVER_PORT: "80",
      REMOTE_ADDR: "0.0.0.0",
      HTTP_ACCEPT: "*/*",
      HTTP_HOST: "example.com",
    });
    // A test of the project keeps the version that of the package.
    expect(SERVER_SOFTWARE).toMatch(/^fetchcgi\/[0-9]+\.[0-9]+\.[0-9]+$/);
  });

  it("paramsFromRequest sends only the addresses that it is given", () => {
    const told = {
      remoteAddress: "192.0.2.7",
      remotePort: 5,
      serverAddress: "::1",
      serverPort: 6,
      tlsProtocol: "TLSv1.3",
    };
    expect(paramsOf("https://a.test/", {}, told)).toMatchObject({
      REMOTE_ADDR: "192.0.2.7",
      REMOTE_PORT: "5",
      SERVER_ADDR: "::1",
      SERVER_PORT: "6",
      SSL_PROTOCOL: "TLSv1.3",
    });
    const untold = paramsOf("https://a.test/", {}, { tlsProtocol: undefined });
    expect(Object.keys(untold).filter((name) => /^(REMOTE_PORT|SERVER_ADDR|SSL_PROTOCOL)$/.test(name))).toEqual([]);
  });

  it("paramsFromRequest makes no variable that specifications/params.md does not say is sent", () => {
    const document = readFileSync(new URL("../../../specifications/params.md", import.meta.url), "utf8");
    // The tables whose last column is what the client side sends.
    const sent = new Set<string>();
    for (const table of document.split(/\n\n+/)) {
      const [heading = "", , ...rows] = table.split("\n");
      if (!/\| *client side sends *\|$/.test(heading)) continue;
      for (const row of rows) {
        const cells = row.split("|").map((cell) => cell.trim());
        if (cells.at(-2) !== "`-`") for (const name of cells[1]!.split(", ")) sent.add(name);
      }
    }
    const options = {
      ...Object.fromEntries(Object.keys(PEERS).map((name) => [name, name.endsWith("Port") ? 1 : "1"])),
      script: { filename: "/srv/index.php", pathInfo: "/x" },
    };
    const made = Object.keys(paramsOf("https://a.test/", {}, options)).filter((name) => !name.startsWith("HTTP_"));
    expect(made.filter((name) => !sent.has(name))).toEqual([]);
  });

  it("paramsFromRequest makes the whole set for a POST over HTTPS with a script", () => {
    const init = { method: "POST", body: "a=1", headers: { "content-type": "a/b", host: "front.test:8443" } };
    const options = {
      script: { filename: "/srv/app/public/index.php" },
      remoteAddress: "192.0.2.7",
      remotePort: 55555,
      serverAddress: "192.0.2.1",
      serverPort: 443,
    };
    expect(paramsOf("https://example.com:8443/blog/post?id=1", init, options)).toEqual({
      GATEWAY_INTERFACE: "CGI/1.1",
      SERVER_SOFTWARE,
      SERVER_PROTOCOL: "HTTP/1.1",
      REQUEST_METHOD: "POST",
      REQUEST_URI: "/blog/post?id=1",
      QUERY_STRING: "id=1",
      CONTENT_TYPE: "a/b",
      CONTENT_LENGTH: "",
      SCRIPT_FILENAME: "/srv/app/public/index.php",
      SCRIPT_NAME: "/index.php",
      DOCUMENT_URI: "/index.php",
      DOCUMENT_ROOT: "/srv/app/public",
      REDIRECT_STATUS: "200",
      REQUEST_SCHEME: "https",
      HTTPS: "on",
      SERVER_NAME: "example.com",
      SERVER_PORT: "443",
      SERVER_ADDR: "192.0.2.1",
      REMOTE_ADDR: "192.0.2.7",
      REMOTE_PORT: "55555",
      HTTP_HOST: "front.test:8443",
    });
  });

  it("paramsFromRequest passes the method as it is", () => {
    for (const method of ["GET", "PATCH", "PROPFIND", "M-SEARCH"]) {
      expect(paramsOf("http://a.test/", { method }).REQUEST_METHOD).toBe(method);
    }
  });

  it("paramsFromRequest leaves the case of a method that Fetch does not know", ({ skip }) => {
    skip(isBun, "Bun's Request makes upper case of every method that it knows");
    expect(paramsOf("http://a.test/", { method: "propfind" }).REQUEST_METHOD).toBe("propfind");
  });

  it("paramsFromRequest passes path and query undecoded, and without the fragment", () => {
    const table: [url: string, uri: string, query: string][] = [
      ["http://a.test", "/", ""],
      ["http://a.test/?", "/", ""],
      ["http://a.test/a%2Fb%20c?q=%zz&r=%2f+#x?y", "/a%2Fb%20c?q=%zz&r=%2f+", "q=%zz&r=%2f+"],
      ["http://a.test/café?é=☃", "/caf%C3%A9?%C3%A9=%E2%98%83", "%C3%A9=%E2%98%83"],
      ["http://a.test//a//b", "//a//b", ""],
      ["http://a.test/a/../b/./c", "/b/c", ""],
    ];
    for (const [url, uri, query] of table) {
      expect(paramsOf(url), url).toMatchObject({ REQUEST_URI: uri, QUERY_STRING: query });
    }
  });

  it("paramsFromRequest decodes SCRIPT_NAME to the bytes of the path, case preserved, without a script", () => {
    const table: [url: string, name: string][] = [
      ["http://a.test/A/b%20C", "/A/b C"],
      ["http://a.test/café/%E2%98%83", "/caf\xc3\xa9/\xe2\x98\x83"],
      ["http://a.test/%80%FF", "/\x80\xff"],
      ["http://a.test/a%2Fb", "/a/b"],
      ["http://a.test/%zz%2", "/%zz%2"],
      ["http://a.test/%2525", "/%25"],
      ["http://a.test//x//", "//x//"],
      ["http://a.test/...", "/..."],
    ];
    for (const [url, name] of table) {
      const params = paramsOf(url);
      expect([params.SCRIPT_NAME, params.DOCUMENT_URI, params.PATH_INFO], url).toEqual([name, name, undefined]);
    }
  });

  it("paramsFromRequest puts nothing of the URL into file names when there is a script", () => {
    const params = paramsOf("http://a.test/upload.jpg/x.php?y", {}, { script: { filename: "/srv/index.php" } });
    expect(params).toMatchObject({
      SCRIPT_FILENAME: "/srv/index.php",
      SCRIPT_NAME: "/index.php",
      DOCUMENT_ROOT: "/srv",
      REQUEST_URI: "/upload.jpg/x.php?y",
    });
    expect(Object.keys(params)).not.toContain("PATH_INFO");
    expect(Object.keys(params)).not.toContain("PATH_TRANSLATED");
  });

  it("paramsFromRequest takes name and document root of a script as given, and text as UTF-8", () => {
    const scripts = [
      [{ filename: "/index.php" }, "/index.php", "/index.php", "/"],
      [{ filename: "index.php" }, "index.php", "/index.php", "/"],
      [{ filename: "/srv/é.php", name: "/ü.php", documentRoot: "/é" }, "/srv/é.php", "/ü.php", "/é"],
    ] as const;
    for (const [script, filename, name, root] of scripts) {
      expect(paramsOf("http://a.test/", {}, { script })).toMatchObject({
        SCRIPT_FILENAME: utf8ToByteString(filename),
        SCRIPT_NAME: utf8ToByteString(name),
        DOCUMENT_URI: utf8ToByteString(name),
        DOCUMENT_ROOT: utf8ToByteString(root),
      });
    }
  });

  it("paramsFromRequest sends what is behind the script as PATH_INFO, and nothing where that is empty", () => {
    const script = { filename: "/srv/a.php", name: "/a.php" };
    const params = paramsOf("http://a.test/a.php/x", {}, { script: { ...script, pathInfo: "/\xe9" } });
    expect(params).toMatchObject({ SCRIPT_NAME: "/a.php", PATH_INFO: "/\xe9", DOCUMENT_URI: "/a.php/\xe9" });
    expect(Object.keys(params)).not.toContain("PATH_TRANSLATED");
    const without = paramsOf("http://a.test/a.php", {}, { script: { ...script, pathInfo: "" } });
    expect(without).toMatchObject({ SCRIPT_NAME: "/a.php", DOCUMENT_URI: "/a.php" });
    expect(Object.keys(without)).not.toContain("PATH_INFO");
  });

  it("paramsFromRequest refuses control bytes in the path", () => {
    for (const path of ["/%00", "/index.php%0a", "/a%0Db", "/a%0d%0aX: y", "/a.php%00.jpg"]) {
      for (const script of [undefined, { filename: "/srv/index.php" }]) {
        expect(refusalOf(`http://a.test${path}`, { script }), path).toMatch(/holds a control byte$/);
      }
    }
    expect(refusalOf("http://a.test/a%0A")).toBe('Cannot send the request: its path "/a\\n" holds a control byte');
    // Raw ones never come here: the URL parser strips them.
    expect(paramsOf("http://a.test/a\n\r\tb").REQUEST_URI).toBe("/ab");
    expect(refusalOf("http://a.test/a\0b")).toMatch(/holds a control byte$/);
    expect(refusalOf("http://a.test/?x=%00%0a")).toBeNull();
  });

  it("paramsFromRequest refuses a path that leads upwards when it is decoded", () => {
    for (const path of ["/a%2F..%2F..%2Fetc/passwd", "/..%2fx", "/x%2f..", "/a/%2e%2e%2f%2e%2e%2f/b"]) {
      expect(refusalOf(`http://a.test${path}`), path).toMatch(/leads upwards$/);
    }
    expect(refusalOf("http://a.test/x%2f..")).toBe('Cannot send the request: its path "/x/.." leads upwards');
    for (const path of ["/a/..b/c../...", "/a%2F.%2Fb", "/?x=/../"]) {
      expect(refusalOf(`http://a.test${path}`), path).toBeNull();
    }
  });

  it.each([
    "data:text/plain,hi",
    "localhost:8080/index.php",
    "file:///etc/passwd",
    "ftp://a/",
    "blob:http://a/1",
    "httpx://a/",
    "xhttp://a/",
  ])("paramsFromRequest refuses a URL that is none of HTTP: %s", (url) => {
    const message = `Cannot send the request: expected an http: or https: URL, got ${JSON.stringify(url)}`;
    expect(() => paramsFromRequest({ method: "GET", url, headers: new Headers() })).toThrow(new TypeError(message));
  });

  it("paramsFromRequest takes what Deno says of a request that came over a Unix socket", () => {
    const params = paramsFromRequest({ method: "GET", url: "http+unix://%2Frun%2Fa.sock/b?c", headers: new Headers() });
    expect(params.get("REQUEST_URI")).toBe("/b?c");
  });

  it("paramsFromRequest sends no PATH_TRANSLATED, REMOTE_HOST, REMOTE_USER or AUTH_TYPE of its own", () => {
    const names = Object.keys(paramsOf("http://a.test/x", { headers: { authorization: "Basic dTpw" } }));
    for (const name of ["PATH_TRANSLATED", "REMOTE_HOST", "REMOTE_IDENT", "REMOTE_USER", "AUTH_TYPE", "PHP_VALUE"]) {
      expect(names).not.toContain(name);
    }
    expect(names).toContain("HTTP_AUTHORIZATION");
  });
});

describe("paramsFromRequest: addresses", () => {
  it("paramsFromRequest names the server by the URL, IPv6 in brackets, and its port always", () => {
    const table: [url: string, name: string, port: string, host: string][] = [
      ["http://EXAMPLE.com/", "example.com", "80", "example.com"],
      ["https://example.com/", "example.com", "443", "example.com"],
      ["http://example.com:8080/", "example.com", "8080", "example.com:8080"],
      ["https://example.com:80/", "example.com", "80", "example.com:80"],
      ["http://[::1]:81/", "[::1]", "81", "[::1]:81"],
      ["http://bücher.test/", "xn--bcher-kva.test", "80", "xn--bcher-kva.test"],
    ];
    for (const [url, name, port, host] of table) {
      expect(paramsOf(url), url).toMatchObject({ SERVER_NAME: name, SERVER_PORT: port, HTTP_HOST: host });
    }
  });

  it("paramsFromRequest passes a Host header before the host of the URL", () => {
    const params = paramsOf("http://backend.test:81/", { headers: { host: "front.test" } });
    expect(params).toMatchObject({ HTTP_HOST: "front.test", SERVER_NAME: "backend.test", SERVER_PORT: "81" });
  });

  it("paramsFromRequest does not guess the address of the client", () => {
    const forwarded = { "x-forwarded-for": "127.0.0.1", forwarded: "for=127.0.0.1", "x-real-ip": "127.0.0.1" };
    const params = paramsOf("http://a.test/", { headers: forwarded });
    expect(params.REMOTE_ADDR).toBe("0.0.0.0");
    expect(Object.keys(params)).not.toContain("REMOTE_PORT");
    expect(Object.keys(params)).not.toContain("SERVER_ADDR");
  });

  it("paramsFromRequest writes the addresses of the peers as applications compare them", () => {
    const mapped = { remoteAddress: "::ffff:192.0.2.7", serverAddress: "[::ffff:192.0.2.1]:443" };
    expect(paramsOf("http://a.test/", {}, mapped)).toMatchObject({
      REMOTE_ADDR: "192.0.2.7",
      SERVER_ADDR: "192.0.2.1",
    });
    const zoned = { remoteAddress: "fe80::1%eth0", serverAddress: "::1" };
    expect(paramsOf("http://a.test/", {}, zoned)).toMatchObject({ REMOTE_ADDR: "fe80::1", SERVER_ADDR: "::1" });
    // What a program says in so many words is not touched.
    const overrides = [{ REMOTE_ADDR: "::ffff:192.0.2.7" }];
    expect(paramsOf("http://a.test/", {}, { overrides }).REMOTE_ADDR).toBe("::ffff:192.0.2.7");
  });

  it("paramsFromRequest leaves out an address that is undefined or null, and names one that is of another kind", () => {
    const absent = { remoteAddress: undefined, remotePort: null as never, tlsProtocol: undefined };
    const params = paramsOf("http://a.test/", {}, absent);
    expect(params.REMOTE_ADDR).toBe("0.0.0.0");
    for (const name of ["REMOTE_PORT", "SSL_PROTOCOL"]) expect(Object.keys(params)).not.toContain(name);
    const port = "expected remotePort to be an integer from 0 to 65535";
    expect(() => paramsOf("http://a.test/", {}, { remotePort: 65_536 })).toThrow(
      new RangeError(`Cannot set the variable REMOTE_PORT: ${port}, got 65536`),
    );
    expect(() => paramsOf("http://a.test/", {}, { remotePort: "80" as never })).toThrow(
      new TypeError(`Cannot set the variable REMOTE_PORT: ${port}, got "80"`),
    );
    expect(() => paramsOf("http://a.test/", {}, { tlsProtocol: 1 as never })).toThrow(
      new TypeError("Cannot set the variable SSL_PROTOCOL: expected tlsProtocol to be a string, got 1"),
    );
    expect(paramsOf("http://a.test/", {}, { remotePort: 0, serverPort: 65_535 })).toMatchObject({
      REMOTE_PORT: "0",
      SERVER_PORT: "65535",
    });
  });

  it("paramsFromRequest sets HTTPS for https alone", () => {
    expect(paramsOf("https://a.test/").HTTPS).toBe("on");
    expect(Object.keys(paramsOf("http://a.test/", { headers: { https: "on" } }))).not.toContain("HTTPS");
  });
});

describe("paramsFromRequest: headers", () => {
  it("paramsFromRequest lets a header become HTTP_* and nothing else", () => {
    expect(
      headerParams({
        "X-A": "1",
        "Remote-User": "root",
        "Php-Value": "auto_prepend_file=php://input",
        "Script-Filename": "/etc/passwd",
        Https: "on",
        Cookie: "a=1",
        Authorization: "Basic dTpw",
        Range: "bytes=0-",
      }),
    ).toEqual({
      HTTP_X_A: "1",
      HTTP_REMOTE_USER: "root",
      HTTP_PHP_VALUE: "auto_prepend_file=php://input",
      HTTP_SCRIPT_FILENAME: "/etc/passwd",
      HTTP_HTTPS: "on",
      HTTP_COOKIE: "a=1",
      HTTP_AUTHORIZATION: "Basic dTpw",
      HTTP_RANGE: "bytes=0-",
    });
  });

  it("paramsFromRequest drops headers that would collide, belong to the connection or are trusted by programs", () => {
    expect(
      headerParams([
        ["Remote_User", "forged"],
        ["Remote.User", "forged"],
        ["X_A", "1"],
        ["X.A", "2"],
        ["X~A", "3"],
        ["Proxy", "http://evil.test/"],
        ["Redirect-Status", "200"],
        ["Content-Length", "5"],
        ["Content-Type", "a/b"],
        ["Transfer-Encoding", "chunked"],
        ["TE", "trailers"],
        ["Trailer", "x"],
        ["Connection", "close, X-A"],
        ["Keep-Alive", "5"],
        ["Proxy-Connection", "close"],
        ["Upgrade", "websocket"],
        ["Expect", "100-continue"],
        ["Proxy-Authorization", "Basic dTpw"],
      ]),
    ).toEqual({});
  });

  it("paramsFromRequest joins repeated headers, and cookies with semicolons", ({ skip }) => {
    skip(isDeno, "Deno's Headers join them with commas, as Fetch says; Deno.serve gives one Cookie header");
    const params = headerParams([
      ["X-A", "1"],
      ["x-a", "2"],
      ["Cookie", "a=1"],
      ["Cookie", "b=2"],
    ]);
    expect(params).toEqual({ HTTP_X_A: "1, 2", HTTP_COOKIE: "a=1; b=2" });
  });

  it("paramsFromRequest keeps header bytes above 0x7F and empty values", () => {
    const params = headerParams({ "x-utf": utf8ToByteString("é☃"), "x-latin": "\xff", "x-empty": "" });
    expect(params).toEqual({ HTTP_X_UTF: "\xc3\xa9\xe2\x98\x83", HTTP_X_LATIN: "\xff", HTTP_X_EMPTY: "" });
  });
});

describe("setContentLength", () => {
  it("setContentLength sets the length that is sent, whatever a header or an override says", () => {
    const table = [
      [5, "5"],
      [0, "0"],
      [null, ""],
      ["unknown", undefined],
    ] as const;
    for (const [length, said] of table) {
      const request = new Request("http://a.test/", { headers: { "content-length": "99" } });
      const params = paramsFromRequest(request, { overrides: [{ CONTENT_LENGTH: "99" }] });
      setContentLength(params, length);
      expect(params.get("CONTENT_LENGTH"), String(length)).toBe(said);
    }
  });

  it("paramsFromRequest leaves CONTENT_LENGTH empty before setContentLength sets it", () => {
    expect(paramsOf("http://a.test/", { headers: { "content-length": "99" } }).CONTENT_LENGTH).toBe("");
  });
});

describe("paramsFromRequest: overrides", () => {
  it("paramsFromRequest lets a later override win over an earlier one and over what it made", () => {
    const overrides = [
      { SERVER_NAME: "first", X_ONE: "1", HTTP_X_A: "forced" },
      undefined,
      new Map([
        ["SERVER_NAME", "second"],
        ["PHP_VALUE", "a=1\nb=2"],
      ]),
      [["SERVER_NAME", "third"]] as [string, string][],
    ];
    expect(paramsOf("http://a.test/", { headers: { "x-a": "sent" } }, { overrides })).toMatchObject({
      SERVER_NAME: "third",
      X_ONE: "1",
      HTTP_X_A: "forced",
      PHP_VALUE: "a=1\nb=2",
    });
  });

  it("paramsFromRequest takes names like those of Object.prototype as any others", () => {
    const headers = { constructor: "1", "has-own-property": "2" };
    const overrides = [JSON.parse('{"__proto__": "a", "constructor": "b"}') as Record<string, string>];
    const params = paramsFromRequest(new Request("http://a.test/", { headers }), { overrides });
    expect(params.get("__proto__")).toBe("a");
    expect(params.get("constructor")).toBe("b");
    expect(params.get("HTTP_CONSTRUCTOR")).toBe("1");
    expect(params.get("HTTP_HAS_OWN_PROPERTY")).toBe("2");
  });
});

it.each([
  ["a number", 7, ", got 7"],
  ["text", "A=b", ', got "A=b"'],
  ["null", null, ", got null"],
  ["something else in it", [["A", "b"], "CD"], ", got something else in it"],
])("checkParams refuses params that are %s", (_, params, got) => {
  expect(() => checkParams(params as never)).toThrow(
    new TypeError(`Cannot use params: expected an object of variables, pairs [name, value] or a Map${got}`),
  );
});

it("checkParams takes what paramsFromRequest can read", () => {
  for (const params of [{ A: "b" }, [["A", "b"]] as [string, string][], new Map([["A", "b"]])]) {
    checkParams(params);
    expect(paramsOf("http://a.test/", {}, { overrides: [params] }).A).toBe("b");
  }
  for (const params of [undefined, {}, []]) {
    checkParams(params);
    expect(paramsOf("http://a.test/", {}, { overrides: [params] })).toEqual(paramsOf("http://a.test/"));
  }
});

describe("paramsFromRequest and partsFromParams", () => {
  it("paramsFromRequest makes variables that partsFromParams reads as the same request", () => {
    const segment = fc.constantFrom(
      "a",
      "B",
      "%20",
      "%C3%A9",
      "%2F",
      "+",
      ";",
      "%zz",
      "'",
      "é",
      "//",
      ".",
      "..",
      "?",
      "&=",
    );
    const header = fc.stringMatching(/^x-[a-z0-9-]{1,8}$/);
    const value = fc.stringMatching(/^[!-~\x80-\xff]{0,8}$/);
    fc.assert(
      fc.property(fc.array(segment), fc.dictionary(header, value), fc.constantFrom("GET", "PATCH", "x"), (...given) => {
        const [segments, headers, method] = given;
        const request = new Request(`https://example.com:8443/${segments.join("")}`, { method, headers });
        if (refusalOf(request.url) !== null) return;
        // Web servers and URLs read these in two ways, so that an application refuses them.
        if (/(?:\/|%2F)\.{1,2}(?:\/|%2F|$)/.test(new URL(request.url).pathname)) return;
        const params = paramsFromRequest(request);
        const parts = partsFromParams({ variables: new GivenVariables(new Map(params)) });
        // An empty query is no query to CGI.
        expect(parts.url().replace(/\?$/, "")).toBe(request.url.replace(/\?$/, ""));
        expect(parts.method).toBe(request.method);
        expect([...parts.headers()]).toEqual([...new Headers({ ...headers, host: "example.com:8443" })]);
      }),
    );
  });
});
