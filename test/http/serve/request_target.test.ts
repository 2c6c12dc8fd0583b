import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { paramsFromPairs } from "../../../src/cgi/params.ts";
import { targetFromParams } from "../../../src/http/serve/request_target.ts";
import { FastCgiError, type NameValuePair } from "../../../src/toolkit.ts";
import { loadFrontends } from "../../support/vectors.ts";

function targetOf(params: Record<string, string>): string {
  return targetFromParams({ variables: new Map(Object.entries(params)) });
}

function targetOfPairs(...pairs: NameValuePair[]): string {
  return targetFromParams({ variables: paramsFromPairs(pairs), paramPairs: pairs });
}

describe("targetFromParams: the path that the web server is at", () => {
  // All as nginx 1.22.1 sends them with Debian's fastcgi_params, or Caddy 2.6.2.
  it("targetFromParams takes DOCUMENT_URI and QUERY_STRING when the web server has left the client's path", () => {
    const table: [situation: string, params: Record<string, string>, target: string][] = [
      ["auth_request", { REQUEST_URI: "/private?a=1", DOCUMENT_URI: "/auth", QUERY_STRING: "" }, "/auth"],
      ["SSI", { REQUEST_URI: "/page", DOCUMENT_URI: "/part x", QUERY_STRING: "y=%20" }, "/part%20x?y=%20"],
      [
        "SSI of the page itself",
        { REQUEST_URI: "/page", DOCUMENT_URI: "/page", QUERY_STRING: "part=1" },
        "/page?part=1",
      ],
      ["SSI, dropping the query", { REQUEST_URI: "/a%2Fb?x=1", DOCUMENT_URI: "/a/b", QUERY_STRING: "" }, "/a%2Fb"],
      ["X-Accel-Redirect", { REQUEST_URI: "/down?x", DOCUMENT_URI: "/a%20?#", QUERY_STRING: "" }, "/a%2520%3F%23"],
      ["error_page", { REQUEST_URI: "/missing?k", DOCUMENT_URI: "/errors/404", QUERY_STRING: "" }, "/errors/404"],
      ["rewrite", { REQUEST_URI: "/app/a%20b?x", DOCUMENT_URI: "/a b", QUERY_STRING: "x" }, "/a%20b?x"],
      ["no QUERY_STRING", { REQUEST_URI: "/app/a?x", DOCUMENT_URI: "/a" }, "/a?x"],
      ["bytes", { REQUEST_URI: "/x", DOCUMENT_URI: "/caf\xc3\xa9\\", QUERY_STRING: "\xff" }, "/caf%C3%A9%5C?%FF"],
      ["escapes in its own path", { REQUEST_URI: "/a%20b", DOCUMENT_URI: "/a%20b", QUERY_STRING: "" }, "/a%2520b"],
      ["without a slash", { REQUEST_URI: "/x", DOCUMENT_URI: "y" }, "/y"],
      [
        "forward_auth of Caddy",
        { REQUEST_URI: "/private", DOCUMENT_URI: "", PATH_INFO: "/auth", QUERY_STRING: "z=1" },
        "/auth?z=1",
      ],
      [
        "with fastcgi_split_path_info",
        { REQUEST_URI: "/x", DOCUMENT_URI: "/app/auth", SCRIPT_NAME: "/app", PATH_INFO: "/auth", QUERY_STRING: "" },
        "/app/auth",
      ],
    ];
    for (const [situation, params, target] of table) expect(targetOf(params), situation).toBe(target);
  });

  it("targetFromParams keeps every byte of REQUEST_URI when DOCUMENT_URI is what a web server makes of it", () => {
    const table: [uri: string, documentUri: string, info?: string][] = [
      ["/", "/"],
      ["/a/b?x=1", "/a/b"],
      ["/?", "/"],
      ["/a%2Fb/%7euser", "/a/b/~user"],
      ["/a//b///c", "/a/b/c"],
      ["/a//b", "/a//b"],
      ["/a/../b//c/./d?x=1", "/b/c/d"],
      ["/%2e%2E/../x", "/x"],
      ["/a%252Fb%3Fc%23", "/a%2Fb?c#"],
      ["/caf\xc3\xa9/%E2%98%83?q=\xc3\xbc", "/caf\xc3\xa9/\xe2\x98\x83"],
      ["/a\\b", "/a\\b"],
      ["/a+b&c", "/a+b&c"],
      ["/a|b^{c}", "/a|b^{c}"],
      // Debian's snippets/fastcgi-php.conf: try_files takes PATH_INFO from the URI.
      ["/a.php/more/%20", "/a.php", "/more/ "],
      // Apache's mod_include sets it too.
      ["/page.shtml", "/page.shtml", "/info"],
      // Caddy does not normalise.
      ["/x/../a%20b", "/x/../a b"],
    ];
    for (const [uri, documentUri, info] of table) {
      const query = uri.split("?")[1] ?? "";
      const params = { REQUEST_URI: uri, DOCUMENT_URI: documentUri, QUERY_STRING: query };
      const target = targetOf(info === undefined ? params : { ...params, PATH_INFO: info });
      expect(target, uri).toBe(targetOf({ REQUEST_URI: uri }));
      if (info === undefined) expect(targetOf({ REQUEST_URI: uri, DOCUMENT_URI: documentUri }), uri).toBe(target);
    }
  });

  it("targetFromParams takes REQUEST_URI when DOCUMENT_URI is an index file or a front controller of that name", () => {
    for (const path of ["/index.php", "/app/index.php", "/index.php/blog/post", "/INDEX.fcgi", "/index.html"]) {
      const params = { REQUEST_URI: "/blog/%70ost?x=1", DOCUMENT_URI: path, QUERY_STRING: "q=/blog/post" };
      expect(targetOf(params), path).toBe("/blog/%70ost?x=1");
    }
    for (const path of ["/index", "/indexes", "/my-index.php", "/index."]) {
      expect(targetOf({ REQUEST_URI: "/blog", DOCUMENT_URI: path, QUERY_STRING: "" }), path).toBe(path);
    }
  });

  it("targetFromParams takes REQUEST_URI when it was set again, and DOCUMENT_URI when it came twice as it was", () => {
    const stock: NameValuePair[] = [
      ["REQUEST_URI", "/private?a=1"],
      ["DOCUMENT_URI", "/auth"],
      ["QUERY_STRING", ""],
    ];
    expect(targetOfPairs(...stock, ["REQUEST_URI", "/check?x=1"])).toBe("/check?x=1");
    expect(targetOfPairs(["REQUEST_URI", "/check"], ...stock)).toBe("/private?a=1");
    expect(targetOfPairs(...stock, ["REQUEST_URI", "/private?a=1"])).toBe("/auth");
    expect(targetOfPairs(...stock, ["HTTPS", ""], ["HTTPS", "on"])).toBe("/auth");
    // By code between the connection and the handler.
    const variables = new Map([...paramsFromPairs(stock), ["REQUEST_URI", "/changed"] as const]);
    expect(targetFromParams({ variables, paramPairs: stock })).toBe("/changed");
  });

  it("targetFromParams takes REQUEST_URI when DOCUMENT_URI is missing or was blanked", () => {
    expect(targetOf({ REQUEST_URI: "/a?x", QUERY_STRING: "y", SCRIPT_NAME: "/b", PATH_INFO: "/c" })).toBe("/a?x");
    expect(targetOf({ REQUEST_URI: "/a?x", QUERY_STRING: "y", DOCUMENT_URI: "" })).toBe("/a?x");
  });

  it("targetFromParams takes SCRIPT_NAME, PATH_INFO and QUERY_STRING when REQUEST_URI was blanked", () => {
    const params = { REQUEST_URI: "", DOCUMENT_URI: "/x", SCRIPT_NAME: "/auth", PATH_INFO: "/a%b", QUERY_STRING: "y" };
    expect(targetOf(params)).toBe("/auth/a%25b?y");
    expect(targetOf({ SCRIPT_NAME: "/a b" })).toBe("/a%20b");
    expect(targetOf({ PATH_INFO: "/c" })).toBe("/c");
    expect(targetOf({})).toBe("/");
  });

  it("targetFromParams takes an absolute form for a path when the web server does", () => {
    // h2o 2.2.5: rules for /admin do not hold for it.
    const uri = "http://public.test/admin";
    expect(targetOf({ REQUEST_URI: uri, SCRIPT_NAME: "", PATH_INFO: `/${uri}` })).toBe(`/${uri}`);
    expect(targetOf({ REQUEST_URI: uri, SCRIPT_NAME: "/admin" })).toBe("/admin");
    const secure = "https://public.test/admin";
    expect(targetOf({ REQUEST_URI: secure, PATH_INFO: `/${secure}` })).toBe(`/${secure}`);
    expect(targetOf({ REQUEST_URI: secure })).toBe("/admin");
    expect(targetOf({ REQUEST_URI: uri, SCRIPT_NAME: "/admin/http:" })).toBe("/admin");
    expect(targetOf({ REQUEST_URI: `page?from=${uri}` })).toBe(`/page?from=${uri}`);
  });

  it("targetFromParams keeps REQUEST_URI of every recorded request to which the web server answered by itself", () => {
    let compared = 0;
    for (const { server, name, expected } of loadFrontends()) {
      for (const { paramsList } of expected?.requests ?? []) {
        const params = paramsFromPairs(paramsList);
        if (!params.has("DOCUMENT_URI") || !params.get("REQUEST_URI")?.startsWith("/")) continue;
        const without = new Map(params);
        without.delete("DOCUMENT_URI");
        const target = targetFromParams({ variables: params, paramPairs: paramsList });
        expect(target, `${server}/${name}`).toBe(targetFromParams({ variables: without }));
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(200);
  });
});

describe("targetFromParams: dot segments", () => {
  /** What web servers make of a path: nginx's own algorithm in short. */
  function pathAtServer(target: string): string {
    const path = decodeURIComponent(target.replace(/#.*$/s, "")).replace(/\/{2,}/g, "/");
    const parts: string[] = [];
    const segments = path.slice(1).split("/");
    for (const [i, segment] of segments.entries()) {
      const isDots = segment === "." || segment === "..";
      if (segment === "..") parts.pop();
      if (!isDots) parts.push(segment);
      else if (i === segments.length - 1) parts.push("");
    }
    return `/${parts.join("/")}`;
  }

  function decoded(path: string): string {
    return decodeURIComponent(path).replace(/\/{2,}/g, "/");
  }

  /** The path that a handler finds in the URL, or null where the request is refused. */
  function pathOrRefusal(params: Record<string, string>): string | null {
    try {
      return new URL(`http://example.com${targetOf(params)}`).pathname;
    } catch (error) {
      expect(error).toBeInstanceOf(FastCgiError);
      return null;
    }
  }

  const refused: readonly (readonly [target: string, atServer: string, inUrl: string])[] = [
    ["/private//../page", "/page", "/private/page"],
    ["/private//%2e%2E/page?x=/../y", "/page", "/private/page"],
    ["/a/b//c/../../d", "/a/d", "/a/b/d"],
    ["/private//..", "/", "/private/"],
    ["/public%2Fx/../private", "/public/private", "/private"],
    ["/public#/../../private", "/public", "/private"],
    ["/private/..%2Fpage", "/page", "/private/..%2Fpage"],
    ["/private%2f%2e./page", "/page", "/private%2f%2e./page"],
    ["/private/..#x", "/", "/private/..#x"],
  ];

  it.each(refused)("targetFromParams refuses %s, which is %s to the web server", (target, atServer, inUrl) => {
    const path = target.split("?")[0]!;
    expect(pathAtServer(path)).toBe(atServer);
    expect(() => targetOf({ REQUEST_URI: target })).toThrow(
      new FastCgiError(
        "malformedRequest",
        `Cannot build a request: the path ${JSON.stringify(path)} leads to "${atServer}" or to "${inUrl}"`,
      ),
    );
    expect(() => targetOf({ REQUEST_URI: `http://a${target}` })).toThrow("leads to");
    // Caddy says what it has decoded and not where that leads.
    const decoded = decodeURIComponent(path);
    expect(() => targetOf({ REQUEST_URI: target, DOCUMENT_URI: "", PATH_INFO: decoded })).toThrow("leads to");
    // nginx says where it leads.
    expect(targetOf({ REQUEST_URI: target, DOCUMENT_URI: atServer, QUERY_STRING: "x" })).toBe(`${atServer}?x`);
  });

  it("targetFromParams takes dot segments, double and encoded slashes, and # where they do no harm", () => {
    const table: readonly (readonly [uri: string, target: string])[] = [
      ["/a/../b//c", "/b//c"],
      ["/a//b/./c", "/a//b/c"],
      ["/./a", "/a"],
      ["/../a/.", "/a/"],
      ["/a/.?x", "/a/?x"],
      ["/a/b/..?x", "/a/?x"],
      ["/a/.b#c", "/a/.b%23c"],
      ["/a/%2E%2e", "/"],
      ["/a%2Fb/./c", "/a%2Fb/c"],
      ["/a%2F..b", "/a%2F..b"],
      ["/a#b", "/a%23b"],
      ["/a//b#c//d", "/a//b%23c//d"],
      ["/a?/x//../y", "/a?/x//../y"],
      ["/a//b?/../c", "/a//b?/../c"],
      ["/.../..b", "/.../..b"],
      ["//../a", "/a"],
      // The URL parser of Node 20 leaves this one.
      ["/a/.b/../c", "/a/c"],
    ];
    for (const [uri, target] of table) expect(targetOf({ REQUEST_URI: uri }), uri).toBe(target);
  });

  it("targetFromParams leads to the path that the web server checked, or refuses the path, for any path", () => {
    const part = fc.constantFrom("/", "/", "//", ".", "..", "/../", "%2e", "%2f", "%2F", "a", "b", "#", "%23", "\\");
    fc.assert(
      fc.property(fc.array(part, { maxLength: 10 }), (parts) => {
        const uri = `/${parts.join("")}`;
        const documentUri = pathAtServer(uri);
        // nginx says where the path leads; the others leave it to REQUEST_URI, which is refused where it can be read in two ways.
        const known = pathOrRefusal({ REQUEST_URI: uri, DOCUMENT_URI: documentUri, QUERY_STRING: "" });
        if (known === null) expect(uri).toContain("#");
        else expect(decoded(known)).toBe(documentUri);
        const unknown = pathOrRefusal({ REQUEST_URI: uri });
        if (unknown === null) expect(uri).toMatch(/\.|%2e/i);
        else expect(decoded(unknown)).toBe(pathAtServer(uri.replaceAll("#", "%23")));
      }),
      { numRuns: 2000 },
    );
  });
});
