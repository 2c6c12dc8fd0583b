import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkScript } from "../../../src/http/call/script.ts";
import { decodeScriptPath, splitScriptPath } from "../../../src/http/php/script_path.ts";
import {
  type FastCgiDocumentRoot,
  FastCgiError,
  type FastCgiScript,
  scriptsIn,
  utf8ToByteString,
} from "../../../src/index.ts";

/** A folder with these scripts, and the names it was asked for. */
function rootOf(scripts: readonly string[], options: Partial<FastCgiDocumentRoot> = {}) {
  const asked: string[] = [];
  const root: FastCgiDocumentRoot = {
    documentRoot: "/srv",
    async resolve(name) {
      asked.push(name);
      return scripts.includes(name) ? `/srv${name}` : null;
    },
    ...options,
  };
  return { root, asked };
}

/** What answers a path: the script and PATH_INFO, or the status and Location of the response. */
async function answerTo(path: string, root: FastCgiDocumentRoot, init: RequestInit = {}): Promise<unknown[]> {
  const result = await scriptsIn(root)(new Request(`http://a.test${path}`, init));
  if (result instanceof Response) {
    const location = result.headers.get("location");
    return location === null ? [result.status] : [result.status, location];
  }
  const { name, pathInfo } = result as FastCgiScript;
  return pathInfo === undefined ? [name] : [name, pathInfo];
}

function refusalOf(pathname: string): string | null {
  try {
    decodeScriptPath(pathname);
    return null;
  } catch (error) {
    if (error instanceof FastCgiError && error.code === "malformedRequest") return error.message;
    throw error;
  }
}

describe("splitScriptPath", () => {
  it("splitScriptPath cuts after the first part that ends with the extension", () => {
    const table: [path: string, scriptName: string, pathInfo: string][] = [
      ["/index.php", "/index.php", ""],
      ["/index.php/", "/index.php", "/"],
      ["/index.php/a/b.php/c", "/index.php", "/a/b.php/c"],
      ["/a.phpx/b.php/c", "/a.phpx/b.php", "/c"],
      ["/a.php5/b.php", "/a.php5/b.php", ""],
      ["/a.php.php", "/a.php.php", ""],
      ["/a.php.bak/.php", "/a.php.bak/.php", ""],
      ["/upload.jpg/x.php", "/upload.jpg/x.php", ""],
      ["/a.php//b", "/a.php", "//b"],
      ["//a.php", "//a.php", ""],
      ["/\xe9.php/\xff", "/\xe9.php", "/\xff"],
    ];
    for (const [path, scriptName, pathInfo] of table) {
      expect(splitScriptPath(path), path).toEqual({ scriptName, pathInfo });
    }
  });

  it("splitScriptPath finds no script when nothing ends with exactly the extension", () => {
    const fullwidth = [
      "/a.ⓟⓗⓟ",
      "/a.ｐｈｐ",
      "/a﹒php",
      "/a．php",
      "/a.phⓟ",
      "/a.p\u0127p",
      "/a.ph\u200bp",
      "/a.php\u00ad",
    ];
    for (const path of [
      ..."/ /a /a.PHP /a.Php /a.php5 /a.phps /a.phtml /aphp /php /a.php. /a.php; /a.php%00 /a.php:x".split(" "),
      "",
      "/a.php ",
      ...fullwidth.map(utf8ToByteString),
    ]) {
      expect(splitScriptPath(path), path).toBeNull();
    }
  });

  it("splitScriptPath cuts at the right byte when letters before it change their length with their case", () => {
    for (const letters of ["ȺȺȺȺ", "İİİİ", "ﬀ", "ŉ", "K"]) {
      const path = utf8ToByteString(`/${letters}.php/info.php`);
      expect(splitScriptPath(path)).toEqual({ scriptName: utf8ToByteString(`/${letters}.php`), pathInfo: "/info.php" });
      expect(splitScriptPath(utf8ToByteString(`/${letters}.txt.php.jpg`))).toBeNull();
    }
  });

  it("splitScriptPath takes another extension", () => {
    expect(splitScriptPath("/a.php/b.cgi/c", ".cgi")).toEqual({ scriptName: "/a.php/b.cgi", pathInfo: "/c" });
  });

  it("splitScriptPath gives two parts that join to the path, the first ending with the extension, for any path", () => {
    const piece = fc.oneof(
      fc.constantFrom(".php", "/", ".PHP", "php", ".", "p", "h", "\0", "..", "%", "\x80"),
      // Bytes. The strings of all of Unicode take seconds to be listed.
      fc.uint8Array({ maxLength: 4 }).map((bytes) => String.fromCharCode(...bytes)),
    );
    const path = fc.array(piece).map((pieces) => pieces.join(""));
    fc.assert(
      fc.property(path, fc.constantFrom(".php", ".cgi", ".p"), (text, extension) => {
        const split = splitScriptPath(text, extension);
        const isPart = text.split("/").some((part) => part.endsWith(extension));
        expect(split !== null).toBe(isPart);
        if (split === null) return;
        expect(split.scriptName + split.pathInfo).toBe(text);
        expect(split.scriptName.endsWith(extension)).toBe(true);
        expect(split.pathInfo === "" || split.pathInfo.startsWith("/")).toBe(true);
        // Nothing before it was a script.
        expect(splitScriptPath(split.scriptName, extension)).toEqual({ ...split, pathInfo: "" });
      }),
      { numRuns: 200 },
    );
  });
});

describe("decodeScriptPath", () => {
  it("decodeScriptPath gives the bytes of a path, case preserved, and where the first is that names no file", () => {
    const none = Number.POSITIVE_INFINITY;
    const table: [pathname: string, path: string, unsafeAt?: number][] = [
      ["/", "/"],
      ["/A/b%20C.php", "/A/b C.php"],
      ["/%41%7e%7E", "/A~~"],
      ["/caf%C3%A9/%80%ff", "/caf\xc3\xa9/\x80\xff"],
      ["/%2525", "/%25"],
      ["/%2541", "/%41"],
      ["/...", "/..."],
      ["/a..b/..c/d..", "/a..b/..c/d.."],
      ["/a%2fb%5C", "/a/b\\", 2],
      ["/%2F", "//", 1],
      ["/a.php/b%2Fc", "/a.php/b/c", 8],
      ["/a\\b", "/a\\b", 2],
      ["/a/%252F/%255c", "/a/%2F/%5c"],
    ];
    for (const [pathname, path, unsafeAt = none] of table) {
      expect(decodeScriptPath(pathname), pathname).toEqual({ path, unsafeAt });
    }
  });

  it("decodeScriptPath refuses NUL, CR and LF, and says of other control bytes where they are", () => {
    for (let code = 0; code < 0x100; code++) {
      const escaped = `/a.php%${code.toString(16).padStart(2, "0")}`;
      if ("\0\r\n".includes(String.fromCharCode(code))) {
        expect(refusalOf(escaped), escaped).toMatch(/holds a control byte$/);
        continue;
      }
      const isUnsafe = code < 0x20 || code === 0x7f || "/\\".includes(String.fromCharCode(code));
      expect(decodeScriptPath(escaped).unsafeAt, escaped).toBe(isUnsafe ? 6 : Number.POSITIVE_INFINITY);
    }
    expect(refusalOf("/a\nb")).toMatch(/holds a control byte$/);
  });

  it("decodeScriptPath refuses a way upwards", () => {
    for (const path of [
      "/..",
      "/../a",
      "/a/../b",
      "/%2e%2e/a",
      "/.%2e",
      "/..%2f",
      "/a%2F..",
      "/a%5c..%5Cb",
      "/a.php/..%2fb",
    ]) {
      expect(refusalOf(path), path).toMatch(/leads upwards$/);
    }
  });

  it("decodeScriptPath refuses a % without two hexadecimal digits", () => {
    for (const path of [
      "/%",
      "/%2",
      "/%zz",
      "/a%0",
      "/%g0",
      "/%0g",
      "/%u0041",
      "/%/a",
      "/% 1",
      "/%+1",
      "/%-1",
      "/%x1",
      "/%.1",
    ]) {
      expect(refusalOf(path), path).toMatch(/has a % without two hexadecimal digits$/);
    }
  });

  it("decodeScriptPath names the path in its message, without bytes that forge lines of a log", () => {
    expect(refusalOf("/a\r\nb")).toBe('Cannot send the request: its path "/a\\r\\nb" holds a control byte');
  });
});

describe("scriptsIn", () => {
  it("scriptsIn finds scripts, and the index of folders", async () => {
    const { root } = rootOf(["/a.php", "/index.php", "/blog/index.php", "/é ü.php", "/x.y/z.php"]);
    const table: [path: string, ...answer: string[]][] = [
      ["/a.php", "/a.php", ""],
      ["/a.php?x=/b.php", "/a.php", ""],
      ["/a.php/", "/a.php", "/"],
      ["/a.php/b/c.php", "/a.php", "/b/c.php"],
      ["/a%2Ephp/b", "/a.php", "/b"],
      ["/", "/index.php", ""],
      ["/blog/", "/blog/index.php", ""],
      ["/blog/index.php/2026", "/blog/index.php", "/2026"],
      ["/blog/../a.php", "/a.php", ""],
      ["/%C3%A9%20%C3%BC.php/%E9", "/é ü.php", "/\xe9"],
      ["/x.y/z.php", "/x.y/z.php", ""],
    ];
    for (const [path, ...answer] of table) expect(await answerTo(path, root), path).toEqual(answer);
  });

  it("scriptsIn decodes slashes, backslashes and control bytes behind the script when they are encoded, as nginx does", async () => {
    const { root, asked } = rootOf(["/rest.php", "/blog/index.php", "/a/index.php"]);
    const table: [path: string, ...answer: unknown[]][] = [
      ["/rest.php/v1/page/A%2FB", "/rest.php", "/v1/page/A/B"],
      ["/rest.php/v1/page/A%2FB.php", "/rest.php", "/v1/page/A/B.php"],
      ["/rest.php/%2F", "/rest.php", "//"],
      ["/rest.php/App%5CModels%5CUser", "/rest.php", "/App\\Models\\User"],
      ["/rest.php/a%09%7f%1b", "/rest.php", "/a\t\x7f\x1b"],
      ["/rest.php/A%252FB%255c", "/rest.php", "/A%2FB%5c"],
    ];
    for (const [path, ...answer] of table) expect(await answerTo(path, root), path).toEqual(answer);
    expect(new Set(asked)).toEqual(new Set(["/rest.php"]));
  });

  it("scriptsIn names no file by a path with an encoded slash, a backslash or a control byte in the name", async () => {
    const { root, asked } = rootOf([], { frontController: "/index.php", resolve: undefined as never });
    root.resolve = (name) => {
      asked.push(name);
      return `/srv${name}`;
    };
    const paths = ["/a%2Fb.php", "/rest.php%2Fv1", "/rest.php%2F", "/x%2Fy.php/rest.php", "/a%2fb/c.php", "/a%5cb.php"];
    const folders = ["/a%2F", "/a%2fb/", "/a%5Cb/", "/%09/", "/a%2Fb", "/a%5cb", "/AC%2FDC"];
    const controls = ["/a%09.php", "/a.php%7f", "/%1b/a.php", "/a%5c.php", "/a.php%5c"];
    for (const path of [...paths, ...folders, ...controls]) {
      expect(await answerTo(path, root), path).toEqual(["/index.php"]);
    }
    expect(new Set(asked)).toEqual(new Set(["/index.php"]));
  });

  it("scriptsIn asks for the first script of a path only", async () => {
    const { root, asked } = rootOf(["/b.php/c.php"]);
    expect(await answerTo("/b.php/c.php", root)).toEqual([404]);
    expect(await answerTo("/upload.jpg/x.php", root)).toEqual([404]);
    expect(asked).toEqual(["/b.php", "/upload.jpg/x.php"]);
  });

  it("scriptsIn answers 404 when there is no script, and does not ask resolve for names that rules may not cover", async () => {
    const { root, asked } = rootOf([]);
    const paths = [
      "/.php",
      "/.git/x.php",
      "/.well-known/a.php",
      "/a/.b.php/c",
      "//a.php",
      "/a//b.php",
      "//",
      "/.a/",
      "/%ff.php",
    ];
    for (const path of [...paths, "/%EF%BF%BD.php", "//evil.test", "/.git"]) {
      expect(await answerTo(path, root), path).toEqual([404]);
    }
    expect(asked).toEqual([]);
    for (const path of ["/a.php", "/a.PHP", "/a.php5", "/style.css", "/blog/"]) {
      expect(await answerTo(path, root), path).toEqual([404]);
    }
    expect(asked).toEqual([
      "/a.php",
      "/a.PHP/index.php",
      "/a.php5/index.php",
      "/style.css/index.php",
      "/blog/index.php",
    ]);
  });

  it("scriptsIn gives everything without a script to frontController, without PATH_INFO", async () => {
    const { root } = rootOf(["/index.php", "/app.php", "/admin/index.php"], { frontController: "/app.php" });
    for (const path of [
      "/products/5",
      "/missing.php/x",
      "/.git/x.php",
      "//a.php",
      "/upload.jpg/x.php",
      "/a.PHP",
      "/x/",
    ]) {
      expect(await answerTo(path, root), path).toEqual(["/app.php"]);
    }
    expect(await answerTo("/", root)).toEqual(["/index.php", ""]);
    expect(await answerTo("/admin/", root)).toEqual(["/admin/index.php", ""]);
    for (const path of ["/a%0Ab", "/..%2fb", "/b%"]) {
      await expect(answerTo(path, root)).rejects.toMatchObject({ code: "malformedRequest", gatewayStatus: 400 });
    }
    const { root: without } = rootOf([], { frontController: "/app.php" });
    expect(await answerTo("/x", without)).toEqual([404]);
  });

  it("scriptsIn redirects to a folder's own URL when it has an index", async () => {
    const { root } = rootOf(["/blog/index.php", "/a b/index.php", "/index.php"], { frontController: "/index.php" });
    expect(await answerTo("/blog", root)).toEqual([308, "/blog/"]);
    expect(await answerTo("/blog?x=1&y", root, { method: "POST" })).toEqual([308, "/blog/?x=1&y"]);
    expect(await answerTo("/a%20b", root)).toEqual([308, "/a%20b/"]);
    // Never to another host.
    for (const path of ["//blog", "//evil.test/blog", "/.//blog", "/%5cevil.test/blog", "/%2fevil.test/blog"]) {
      expect(await answerTo(path, root), path).toEqual(["/index.php"]);
    }
  });

  it("scriptsIn uses index and extension as given", async () => {
    const { root, asked } = rootOf(["/main.cgi", "/a.cgi"], { index: "main.cgi", extension: ".cgi" });
    expect(await answerTo("/", root)).toEqual(["/main.cgi", ""]);
    expect(await answerTo("/a.cgi/b", root)).toEqual(["/a.cgi", "/b"]);
    expect(await answerTo("/a.php", root)).toEqual([404]);
    expect(asked).toEqual(["/main.cgi", "/a.cgi", "/a.php/main.cgi"]);
  });

  it("scriptsIn gives the application the file that resolve names", async () => {
    const { root } = rootOf(["/a.php"]);
    expect(await scriptsIn(root)(new Request("http://a.test/a.php/b"))).toEqual({
      documentRoot: "/srv",
      filename: "/srv/a.php",
      name: "/a.php",
      pathInfo: "/b",
    });
  });

  it("scriptsIn takes more than the file from resolve", async () => {
    const location = { filename: "/releases/7/a.php", documentRoot: "/releases/7" };
    const { root } = rootOf([], { resolve: () => location });
    expect(await scriptsIn(root)(new Request("http://a.test/a.php/b"))).toEqual({
      ...location,
      name: "/a.php",
      pathInfo: "/b",
    });
  });

  it("scriptsIn takes undefined and an empty path of resolve for none", async () => {
    for (const location of [undefined, ""]) {
      const { root } = rootOf([], { resolve: () => location as string, frontController: "/index.php" });
      expect(await answerTo("/a.php", root)).toEqual([404]);
    }
  });

  it("scriptsIn answers 404 with text, and with none to HEAD", async () => {
    const { root } = rootOf([]);
    const response = (await scriptsIn(root)(new Request("http://a.test/x"))) as Response;
    expect(response.headers.get("content-type")).toBe("text/plain;charset=UTF-8");
    expect(await response.text()).toBe("Not Found\n");
    const head = (await scriptsIn(root)(new Request("http://a.test/x", { method: "HEAD" }))) as Response;
    expect([head.status, head.body]).toEqual([404, null]);
  });

  it("scriptsIn rejects with what resolve fails with", async () => {
    const reason = new Error("EIO: i/o error");
    const { root } = rootOf([], { resolve: () => Promise.reject(reason) });
    await expect(answerTo("/a.php", root)).rejects.toBe(reason);
  });
});

describe("checkScript", () => {
  const documentRoot = "/srv";
  const resolve = () => null;

  it("checkScript takes a script, a function, or nothing", () => {
    for (const script of [undefined, { filename: "/srv/index.php" }, scriptsIn({ documentRoot, resolve })]) {
      expect(() => checkScript(script)).not.toThrow();
    }
  });

  it("checkScript throws a TypeError when there is no filename, and says how a folder is given", () => {
    for (const [script, got] of [
      [{ filename: "" }, '""'],
      [{ documentRoot, resolve }, "undefined"],
    ] as const) {
      expect(() => checkScript(script as FastCgiScript)).toThrow(
        new TypeError(`Cannot use script: expected a filename, got ${got}; for a folder use scriptsIn()`),
      );
    }
  });

  it("checkScript throws a TypeError that names what is of another kind", () => {
    expect(() => checkScript(5 as never)).toThrow(
      new TypeError("Cannot use script: expected an object with a filename, got 5"),
    );
    for (const member of ["name", "documentRoot", "pathInfo"]) {
      const script = { filename: "/srv/index.php", [member]: 5 };
      expect(() => checkScript(script)).toThrow(
        new TypeError(`Cannot use script: expected ${member} to be a string, got 5`),
      );
    }
  });

  it("scriptsIn takes every option", () => {
    const options = { index: "main.cgi", extension: ".cgi", frontController: "/app/main.cgi" };
    expect(scriptsIn({ documentRoot, resolve, ...options })).toBeTypeOf("function");
    expect(scriptsIn({ documentRoot, resolve, frontController: null })).toBeTypeOf("function");
  });

  it.each([
    [{ documentRoot }, "a function to resolve script names, got undefined"],
    [{ resolve }, "a documentRoot, got undefined"],
    [{ documentRoot: "", resolve }, 'a documentRoot, got ""'],
    [{ documentRoot, resolve, extension: "php" }, 'an extension such as .php, got "php"'],
    [{ documentRoot, resolve, extension: ".ⓟ" }, 'an extension such as .php, got ".ⓟ"'],
    [{ documentRoot, resolve, extension: "" }, 'an extension such as .php, got ""'],
    [{ documentRoot, resolve, extension: "x.php" }, 'an extension such as .php, got "x.php"'],
    [{ documentRoot, resolve, extension: ".php " }, 'an extension such as .php, got ".php "'],
    [{ documentRoot, resolve, extension: [".php"] }, "an extension such as .php, got Array"],
    [{ documentRoot, resolve, index: 5 }, "an index such as index.php, got 5"],
    [{ documentRoot, resolve, frontController: 5 }, "a frontController such as /index.php, got 5"],
    [5, "root to be an object, got 5"],
    [{ documentRoot, resolve, extension: "./p" }, 'an extension such as .php, got "./p"'],
    [{ documentRoot, resolve, index: "index.html" }, 'an index such as index.php, got "index.html"'],
    [{ documentRoot, resolve, index: "a/index.php" }, 'an index such as index.php, got "a/index.php"'],
    [{ documentRoot, resolve, frontController: "index.php" }, 'a frontController such as /index.php, got "index.php"'],
    [{ documentRoot, resolve, frontController: "/index" }, 'a frontController such as /index.php, got "/index"'],
  ])("scriptsIn throws a TypeError when it is %j", (root, expected) => {
    expect(() => scriptsIn(root as unknown as FastCgiDocumentRoot)).toThrow(
      new TypeError(`Cannot use scripts: expected ${expected}`),
    );
  });
});
