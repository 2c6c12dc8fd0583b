import { describe, expect, it } from "vitest";
import { type FileServer, type PublicFilesOptions, publicFiles } from "../../../src/toolkit.ts";
import { OpenStream } from "../../support/open_stream.ts";

/** A guarded file server that has every file, and the requests it got. */
function guarded(options?: PublicFilesOptions, answer: FileServer = () => new Response("content")) {
  const asked: Request[] = [];
  const files = publicFiles((request) => {
    asked.push(request);
    return answer(request);
  }, options);
  const ask = (path: string, init?: RequestInit): Promise<Response> => files(new Request(`http://a.test${path}`, init));
  return { ask, files, asked };
}

describe("publicFiles", () => {
  it("publicFiles asks for a public file with the request itself, and gives the answer as it is", async () => {
    const answer = new Response("part", { status: 206, headers: { "content-range": "bytes 0-3/9" } });
    const { files, asked } = guarded({}, () => answer);
    const request = new Request("http://a.test/a.css?x=/b.php", { headers: { range: "bytes=0-3" } });
    expect(await files(request)).toBe(answer);
    expect(asked[0]).toBe(request);
  });

  it.each([200, 206, 301, 304, 403, 404, 416, 500])("publicFiles passes status %i on", async (status) => {
    const { ask } = guarded({}, () => new Response(null, { status }));
    expect((await ask("/a.css")).status).toBe(status);
  });

  it("publicFiles answers 404 without the file server when the path is not public", async () => {
    const { ask, asked } = guarded();
    for (const path of ["/wp-config.php", "/a%2EPHP", "/.env", "/a%2Fb.css", "//a.css", "/a.php~"]) {
      for (const method of ["GET", "HEAD"]) expect((await ask(path, { method })).status, path).toBe(404);
    }
    const range = { headers: { range: "bytes=0-9", "if-none-match": "*" } };
    expect((await ask("/wp-config.php", range)).status).toBe(404);
    expect(await (await ask("/.env")).text()).toBe("Not Found\n");
    expect((await ask("/.env", { method: "HEAD" })).body).toBeNull();
    expect(asked).toEqual([]);
  });

  it.each(["POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"])(
    "publicFiles answers 405 without the file server to %s",
    async (method) => {
      const { ask, asked } = guarded();
      const response = await ask("/a.css", { method });
      expect([response.status, response.headers.get("allow"), asked]).toEqual([405, "GET, HEAD", []]);
    },
  );

  it.each([null, undefined])("publicFiles answers 404 when the file server answers %s", async (answer) => {
    const { ask } = guarded({}, () => answer);
    expect((await ask("/a.css")).status).toBe(404);
  });

  it.each([
    "application/x-httpd-php",
    "application/x-php",
    "text/x-php",
    "text/php",
    "application/x-httpd-php-source; charset=utf-8",
    " Text/X-PHP",
  ])("publicFiles answers 404 and cancels the body when the file server sends %j", async (type) => {
    const open = new OpenStream();
    const { ask } = guarded({}, () => new Response(open.stream, { headers: { "content-type": type } }));
    expect((await ask("/folder/")).status).toBe(404);
    expect(open.cancelled).toBe("A file server sent a script");
  });

  it.each([undefined, "text/plain;type=text/php", "multipart/mixed;type=application/x-php", "x-text/php"])(
    "publicFiles passes on what is no PHP: %j",
    async (type) => {
      const { ask } = guarded(
        {},
        () => new Response(new Uint8Array(1), type ? { headers: { "content-type": type } } : {}),
      );
      expect((await ask("/folder/")).status).toBe(200);
    },
  );

  it("publicFiles gives the file server the path that it has checked", async () => {
    const { files, asked } = guarded();
    const odd = (url: string): Request =>
      Object.defineProperty(new Request("http://a.test/", { headers: { range: "bytes=0-9" } }), "url", { value: url });
    await files(odd("http://a.test/x/../a.css#/../wp-config.php"));
    await files(odd("http://a.test\\b.css?q"));
    // As requests of another class are.
    await files({ url: "http://a.test/./c.css", method: "GET", headers: new Headers() } as unknown as Request);
    expect(asked.map(({ url, headers }) => [url, headers.get("range")])).toEqual([
      ["http://a.test/a.css", "bytes=0-9"],
      ["http://a.test/b.css?q", "bytes=0-9"],
      ["http://a.test/c.css", null],
    ]);
  });

  it("publicFiles asks resolveFile where a path leads, and looks at that as well", async () => {
    const links: Record<string, string | null> = {
      "/a b.png": "/real/a b.png",
      "/100%.png": "/100%.png",
      "/link.png": "/wp-config.php",
      "/up/link.txt": "/.env",
      "/out.png": null,
      "/encoded.png": "/a%2ephp",
    };
    const seen: string[] = [];
    const { ask, asked } = guarded({
      resolveFile(path) {
        seen.push(path);
        return links[path] ?? null;
      },
    });
    expect((await ask("/a%20b.png")).status).toBe(200);
    expect((await ask("/100%25.png")).status).toBe(200);
    for (const path of ["/link.png", "/up/link.txt", "/out.png", "/encoded.png"])
      expect((await ask(path)).status, path).toBe(404);
    expect((await ask("/a.php")).status).toBe(404);
    expect(seen).toEqual(Object.keys(links));
    expect(asked).toHaveLength(2);
  });

  it("publicFiles keeps scripts of another extension", async () => {
    const { ask } = guarded({ extension: ".hack", resolveFile: (path) => (path === "/link" ? "/b.hack" : path) });
    expect((await ask("/a.hack")).status).toBe(404);
    expect((await ask("/link")).status).toBe(404);
    expect((await ask("/a.css")).status).toBe(200);
  });

  it("publicFiles rejects with what the file server or resolveFile fails with", async () => {
    const reason = new Error("EIO");
    const failing = (): never => {
      throw reason;
    };
    await expect(guarded({}, failing).ask("/a.css")).rejects.toBe(reason);
    await expect(guarded({ resolveFile: failing }).ask("/a.css")).rejects.toBe(reason);
  });

  it("publicFiles throws a TypeError when it is given no fetch handler", () => {
    expect(() => publicFiles({ fetch() {} } as unknown as FileServer)).toThrow(
      new TypeError("Cannot use files: expected a fetch handler, got Object"),
    );
  });

  it.each([
    [{ resolveFile: "/srv" }, 'resolveFile: expected a function, got "/srv"'],
    [{ extension: "php" }, 'extension: expected one such as .php, got "php"'],
    [{ extension: 5 }, "extension: expected one such as .php, got 5"],
  ])("publicFiles throws a TypeError when an option is %j", (options, expected) => {
    expect(() => publicFiles(() => null, options as unknown as PublicFilesOptions)).toThrow(
      new TypeError(`Cannot use ${expected}`),
    );
  });
});
