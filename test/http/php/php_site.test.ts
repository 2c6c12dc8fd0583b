import { describe, expect, it } from "vitest";
import {
  FastCgiError,
  type FastCgiFetchInit,
  type FastCgiScript,
  type FileServer,
  type PhpSiteOptions,
  phpSite,
} from "../../../src/index.ts";
import { deferred, OpenStream } from "../../support/open_stream.ts";

interface Site {
  scripts?: readonly string[];
  files?: readonly string[];
  options?: Partial<PhpSiteOptions>;
}

/** A site with these scripts and files, and the requests that its file server got. */
function siteOf({ scripts = [], files = [], options = {} }: Site) {
  const asked: string[] = [];
  const inits: FastCgiFetchInit[] = [];
  /** Runs a script as a client does, and says which. */
  const php = {
    async fetch(request: Request, init: FastCgiFetchInit): Promise<Response> {
      inits.push(init);
      const script = typeof init.script === "function" ? await init.script(request) : init.script;
      if (script instanceof Response) return script;
      const { filename, name, pathInfo } = script as FastCgiScript;
      return Response.json([filename, name, pathInfo]);
    },
  };
  const fileServer: FileServer = (request) => {
    const { pathname } = new URL(request.url);
    asked.push(pathname);
    if (files.includes(pathname)) return new Response(`file ${pathname}`);
    return new Response("The file server has none", { status: 404 });
  };
  const site = phpSite({
    documentRoot: "/srv",
    resolve: (name) => (scripts.includes(name) ? `/srv${name}` : null),
    php,
    files: fileServer,
    ...options,
  });
  /** What answers: the script, the text of the file, or the status and Location. */
  const answerTo = async (path: string, init?: RequestInit): Promise<unknown> => {
    const response = await site(new Request(`http://a.test${path}`, init));
    if (response.status !== 200)
      return [response.status, response.headers.get("location")].filter((part) => part !== null);
    return response.headers.get("content-type")?.startsWith("application/json")
      ? ((await response.json()) as unknown[])[1]
      : response.text();
  };
  return { site, answerTo, asked, inits };
}

const wordPress: Site = {
  scripts: ["/index.php", "/wp-login.php", "/wp-admin/index.php", "/.well-known/x.php"],
  files: [
    "/style.css",
    "/readme/",
    "/wp-admin/a b.png",
    "/.well-known/security.txt",
    "/wp-login.php",
    "/.env",
    "/index.html",
  ],
};

describe("phpSite", () => {
  it("phpSite answers with a script, a file, a folder's script, or the front controller", async () => {
    const { answerTo } = siteOf(wordPress);
    const table: [path: string, answer: unknown][] = [
      ["/", "/index.php"],
      ["/wp-login.php", "/wp-login.php"],
      ["/wp-login.php/x", "/wp-login.php"],
      ["/wp-login.php?a=/style.css", "/wp-login.php"],
      ["/style.css", "file /style.css"],
      ["/readme/", "file /readme/"],
      ["/wp-admin/a%20b.png", "/index.php"],
      ["/.well-known/security.txt", "file /.well-known/security.txt"],
      ["/wp-admin/", "/wp-admin/index.php"],
      ["/wp-admin", [308, "/wp-admin/"]],
      ["/wp-admin?x=1", [308, "/wp-admin/?x=1"]],
      ["/2026/11/27/hello/", "/index.php"],
      ["/index.php/2026/hello/", "/index.php"],
      ["/wiki/AC%2FDC", "/index.php"],
      ["/missing.php", "/index.php"],
    ];
    for (const [path, answer] of table) expect(await answerTo(path), path).toEqual(answer);
  });

  it("phpSite does not ask the file server for files that are not public, and answers as if they did not exist", async () => {
    const { answerTo, asked } = siteOf(wordPress);
    const paths = [
      "/wp-login%2Ephp%20",
      "/WP-LOGIN.PHP",
      "/.env",
      "/a%2f.env",
      "//style.css",
      "/.well-known/x.php",
      "/x.sql",
    ];
    for (const path of paths) expect(await answerTo(path), path).toBe("/index.php");
    expect(asked).toEqual([]);
  });

  it("phpSite gives the front controller what is not GET or HEAD, with its body", async () => {
    const { answerTo, asked } = siteOf(wordPress);
    const body = new OpenStream();
    expect(await answerTo("/style.css", { method: "POST", body: body.stream, duplex: "half" } as RequestInit)).toBe(
      "/index.php",
    );
    expect(await answerTo("/style.css", { method: "OPTIONS" })).toBe("/index.php");
    expect([asked, body.cancelled, body.pulls]).toEqual([[], undefined, 0]);
  });

  it.each([404, 405])("phpSite goes on when the file server answers %i, and cancels that answer", async (status) => {
    const body = new OpenStream();
    const files = (): Response => new Response(body.stream, { status });
    const { answerTo } = siteOf({ scripts: ["/index.php"], options: { files } });
    expect(await answerTo("/x")).toBe("/index.php");
    expect(body.cancelled).toBe("Another answer takes the place of the file server's");
  });

  it.each([301, 304, 403, 416, 500])("phpSite passes a %i of the file server on", async (status) => {
    const files = (): Response => new Response(null, { status });
    const { answerTo } = siteOf({ scripts: ["/index.php"], options: { files } });
    expect(await answerTo("/x")).toEqual([status]);
  });

  it("phpSite answers with the file server's 404 when there is no front controller", async () => {
    for (const frontController of [null, undefined]) {
      const { site } = siteOf({ options: { frontController: frontController as null } });
      const response = await site(new Request("http://a.test/x"));
      expect([response.status, await response.text()]).toEqual([404, "The file server has none"]);
      expect((await site(new Request("http://a.test/x.php"))).status).toBe(404);
    }
    const { answerTo } = siteOf({ ...wordPress, options: { frontController: null } });
    expect(await answerTo("/x")).toEqual([404]);
    expect(await answerTo("/")).toBe("/index.php");
  });

  it("phpSite takes index and extension for the names of scripts, and for what is never a file", async () => {
    const { answerTo, asked } = siteOf({
      scripts: ["/main.hack", "/a/main.hack"],
      files: ["/b.hack", "/c.css"],
      options: { index: "main.hack", extension: ".hack" },
    });
    expect(await answerTo("/")).toBe("/main.hack");
    expect(await answerTo("/a")).toEqual([308, "/a/"]);
    expect(await answerTo("/b.hack")).toBe("/main.hack");
    expect(await answerTo("/c.css")).toBe("file /c.css");
    expect(asked).toEqual(["/a", "/c.css"]);
  });

  it.each(["/%00", "/a%0ab", "/..%2fwp-config.php", "/a%", "/index.php/..%5c..%5cx"])(
    "phpSite answers 400 to %s",
    async (path) => {
      const { site, answerTo, asked } = siteOf(wordPress);
      expect(await answerTo(path)).toEqual([400]);
      expect((await site(new Request(`http://a.test${path}`, { method: "HEAD" }))).body).toBeNull();
      expect(asked).toEqual([]);
    },
  );

  it("phpSite rejects with what php, the file server and the hooks fail with", async () => {
    const reason = new FastCgiError("connectFailed", "Cannot connect");
    const failing = (): never => {
      throw reason;
    };
    for (const options of [
      { php: { fetch: failing } },
      { files: failing },
      { resolve: failing },
      { resolveFile: failing },
      { init: failing },
    ]) {
      await expect(siteOf({ options }).answerTo("/x/"), JSON.stringify(Object.keys(options))).rejects.toBe(reason);
    }
  });

  describe("when the client leaves", () => {
    /** A site whose PHP answers once it is told to, and the signals that PHP was given. */
    function waitingSite() {
      const answer = deferred<Response>();
      const asked = deferred<AbortSignal>();
      const php = {
        fetch(request: Request, init: FastCgiFetchInit): Promise<Response> {
          asked.resolve(init.signal ?? request.signal);
          return answer.promise;
        },
      };
      const client = new AbortController();
      const { site } = siteOf({ options: { php } });
      const begin = (method: string) => site(new Request("http://a.test/", { method, signal: client.signal }));
      return { begin, client, asked: asked.promise, answer };
    }
    const gone = new Error("The client has left");

    it.each(["POST", "PUT", "DELETE"])(
      "phpSite asks PHP all the same, and lets it work on, for a %s",
      async (method) => {
        for (const isGoneBefore of [true, false]) {
          const { begin, client, asked, answer } = waitingSite();
          if (isGoneBefore) client.abort(gone);
          const response = begin(method);
          const signal = await asked;
          client.abort(gone);
          expect(signal.aborted).toBe(false);
          answer.resolve(new Response("late"));
          await expect(response).rejects.toBe(gone);
          expect(signal.reason).toBe(gone);
        }
      },
    );

    it("phpSite stops PHP when the client of a POST leaves in the middle of the body", async () => {
      const { begin, client, asked, answer } = waitingSite();
      answer.resolve(new Response("begun"));
      await begin("POST");
      const signal = await asked;
      expect(signal.aborted).toBe(false);
      client.abort(gone);
      expect(signal.reason).toBe(gone);
    });

    it("phpSite asks PHP for a POST whose Request has no signal, as those of other libraries", async () => {
      const { site } = siteOf(wordPress);
      const request = new Request("http://a.test/", { method: "POST" });
      Object.defineProperty(request, "signal", { value: undefined });
      expect((await site(request)).status).toBe(200);
    });

    it.each(["GET", "HEAD"])("phpSite stops PHP at once for a %s", async (method) => {
      const { begin, client, asked, answer } = waitingSite();
      const response = begin(method);
      const signal = await asked;
      client.abort(gone);
      expect(signal.reason).toBe(gone);
      answer.resolve(new Response("late"));
      await response;
    });
  });

  it("phpSite calls init with all arguments of the handler, and passes its options to PHP", async () => {
    const { inits } = siteOf({});
    const php = siteOf({ scripts: ["/index.php"] });
    const seen: unknown[] = [];
    const site = phpSite({
      documentRoot: "/srv",
      resolve: () => null,
      php: {
        async fetch(_, init) {
          inits.push(init);
          return new Response();
        },
      },
      files: () => null,
      init(request, server: { address: string }) {
        seen.push(request);
        return { remoteAddress: server.address, params: { A: "b" } };
      },
    });
    const request = new Request("http://a.test/");
    await site(request, { address: "192.0.2.1" });
    expect(seen).toEqual([request]);
    expect(inits).toEqual([{ remoteAddress: "192.0.2.1", params: { A: "b" }, script: expect.any(Function) }]);
    // Nothing is taken from a second argument by itself: every server gives another one.
    await (php.site as (request: Request, ...rest: unknown[]) => Promise<Response>)(request, { params: { A: "b" } });
    expect(Object.keys(php.inits[0]!)).toEqual(["script"]);
  });

  it.each([
    [{ php: undefined }, "php: expected a client, which has fetch(), got undefined"],
    [{ php: {} }, "php: expected a client, which has fetch(), got Object"],
    [{ php: null }, "php: expected a client, which has fetch(), got null"],
    [{ files: undefined }, "files: expected a fetch handler, got undefined"],
    [{ files: { fetch() {} } }, "files: expected a fetch handler, got Object"],
    [{ resolveFile: "/srv" }, 'resolveFile: expected a function, got "/srv"'],
    [{ init: { remoteAddress: "::1" } }, "init: expected a function, got Object"],
  ])("phpSite throws a TypeError when it is given %j", (options, expected) => {
    expect(() => siteOf({ options: options as unknown as Partial<PhpSiteOptions> })).toThrow(
      new TypeError(`Cannot use ${expected}`),
    );
  });

  it("phpSite throws a TypeError when it is given no options", () => {
    expect(() => phpSite(5 as unknown as PhpSiteOptions)).toThrow(
      new TypeError("Cannot serve a site: expected options to be an object, got 5"),
    );
  });

  it("phpSite throws the TypeError of scriptsIn when an option of the folder is wrong", () => {
    expect(() => siteOf({ options: { frontController: "index.php" } })).toThrow(
      new TypeError('Cannot use scripts: expected a frontController such as /index.php, got "index.php"'),
    );
    expect(() => siteOf({ options: { resolve: undefined as never } })).toThrow(TypeError);
  });
});
