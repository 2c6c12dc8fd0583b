import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isPublicPath } from "../../../src/index.ts";

/** The path as a URL has it. */
const inUrl = (path: string): string => new URL(`http://a.test${path}`).pathname;

describe("isPublicPath", () => {
  it.each([
    "/",
    "/style.css",
    "/js/jquery-3.6.1.min.js",
    "/app.mjs.map",
    "/Foo.Bar.JS",
    "/uploads/2026/11/Picture-1024x768.jpg",
    "/IMG_20260101_120000~2.jpg",
    "/a b.png",
    "/%C3%BCber/%E5%86%99%E7%9C%9F.png",
    "/100%25.png",
    "/50%25off.png",
    "/fonts/a.woff2",
    "/movie.mp4",
    "/playlist.m3u8",
    "/segment.ts",
    "/feed.xml",
    "/data.json",
    "/robots.txt",
    "/favicon.ico",
    "/readme.html",
    "/README.md",
    "/manual.pdf",
    "/theme.zip",
    "/release-1.2.tar.gz",
    "/sheet.xlsx",
    "/talk.key",
    "/file",
    "/php",
    "/phpinfo.html",
    "/graph.css",
    "/a.photo.jpg",
    "/log/",
    "/inc/a.css",
    "/theme/style.css",
    "/vendor/b.module.css",
    "/about/",
    "/.well-known/acme-challenge/6rnVj_x-9",
    "/.well-known/security.txt",
    "/user@example.test/a,b+c=d!$&'().svg",
  ])("isPublicPath allows %j", (path) => {
    expect(isPublicPath(inUrl(path))).toBe(true);
  });

  const refused: Record<string, readonly string[]> = {
    scripts: [
      "/a.php",
      "/a.PHP",
      "/a.pHp",
      "/a.php/",
      "/a.php/b.css",
      "/a.php5",
      "/a.php7",
      "/a.phps",
      "/a.phtml",
      "/a.pht",
      "/a.phar",
    ],
    "scripts in another spelling": [
      "/a%2ephp",
      "/a%2Ephp",
      "/a.%70hp",
      "/a.ph%50",
      "/a.php%20",
      "/a.php%20%20",
      "/a.php.",
      "/a.php...",
      "/a.php.%20.",
      "/a.php%2e",
      "/a.php::$DATA",
      "/a.php:x.css",
      "/a.php;.css",
      "/a.php;a=b",
      "/a%3b.css",
      "/a.php%23.css",
      "/a.php%3F.css",
      "/a.php%2520",
      "/a%252ephp",
      "/a%25252ephp",
      "/a%2525252525252ephp",
      "/a%%32%65php",
      "/a.%2570hp",
      "/a%u002ephp",
      "/a%c0%aephp",
      "/a%e0%80%aephp",
      "/a.php%ff",
      "/a.php%80",
      "/A~1.PHP",
      "/WP-CON~1",
      "/HTACCE~1",
      "/GIT~1/config",
      "/INDEX~12.P",
    ],
    "scripts in other letters": [
      "/a．php",
      "/a.ｐｈｐ",
      "/a.ⓟⓗⓟ",
      "/a﹒php",
      "/a․php",
      "/a｡php",
      "/a。php",
      "/a.ph\u200bp",
      "/a.p\u00adhp",
      "/a.php\u2060",
      "/a.php\u3000",
      "/a.php\u00a0",
      "/a.ſql",
      "/a.ınc",
      "/a.İnc",
    ],
    "what scripts leave behind": [
      "/a.php~",
      "/a.php.bak",
      "/a.php.1",
      "/a.php.txt",
      "/a.php_old",
      "/a.php-2026",
      "/a.php.swp",
      "/a.php.zip",
      "/a.bak",
      "/a.BAK",
      "/a.bak2",
      "/a.old",
      "/a.orig",
      "/a.save",
      "/a.swo",
      "/a.bkp",
      "/a.tmp",
      "/a.css~",
      "/wp-config.txt",
      "/WP-Config",
      "/wp-config-sample.php",
    ],
    "dot files": [
      "/.htaccess",
      "/.user.ini",
      "/.env",
      "/.env.local",
      "/.git/config",
      "/.git/",
      "/.git",
      "/a/.svn/entries",
      "/a/.b.css",
      "/%2eenv",
      "/%252eenv",
      "/%20.env",
      "/.%20env",
      "/...",
      "/%E2%80%8B.env",
      "/．env",
      "/a/.well-known/x.txt",
      "/.well-known/.env",
      "/.well-known./x.txt",
      "/.well-known%20/x.txt",
      "/.WELL-KNOWN/x.txt",
      "/.well-known/a.php",
    ],
    "sources and data": [
      "/a.inc",
      "/a.inc.old",
      "/a.inc_",
      "/a.INC",
      "/a.inc.txt",
      "/a.module",
      "/a.twig",
      "/a.tpl",
      "/a.sql",
      "/a.sql.gz",
      "/a.sql.tar.bz2",
      "/a.sqlite3",
      "/a.db",
      "/a.log",
      "/a.log.1",
      "/a.log.1.gz",
      "/a.ini",
      "/a.conf",
      "/a.yml",
      "/a.yaml",
      "/a.sh",
      "/a.cgi",
      "/a.py",
      "/a.dist",
      "/error_log",
      "/artisan",
      "/Artisan.",
      "/web.config",
      "/composer.json",
      "/Composer.JSON",
      "/CVS/Entries",
      "/a.inc/b.css",
      "/site.old/b.css",
    ],
    "paths that are not plain": [
      "//a.css",
      "/a//b.css",
      "/a.css//",
      "/%2Fa.css",
      "/a%2Fb.css",
      "/a%252Fb.css",
      "/a%5Cb.css",
      "/a%255cb.css",
      "/..%2Fa.css",
      "/..%5Ca.css",
      "/a/..;/b.css",
      "/%2e%2e;/b.css",
      "/%252e%252e/b.css",
      "/a%00.css",
      "/a%0a.css",
      "/a%7f.css",
      "/a%2500.css",
      "/a*.css",
      "/a%3C.css",
      "/a%22.css",
      "/a|b.css",
      "/C:/a.css",
      "/%20/a.css",
      "/a%.css",
      "/a%zz.css",
      "/a%e9.css",
      "/%ef%bf%bd.css",
      "/a∕b.css".replace("∕", "／"),
    ],
  };
  for (const [kind, paths] of Object.entries(refused)) {
    it.each(paths)(`isPublicPath refuses ${kind}: %j`, (path) => {
      expect(isPublicPath(inUrl(path))).toBe(false);
    });
  }

  it("isPublicPath refuses what is no path", () => {
    for (const path of ["", "a.css", "a/b.css", "\\a.css", "/../a.css", "/a/./b.css", "/a\0.css", "/\ud800.css"]) {
      expect(isPublicPath(path), JSON.stringify(path)).toBe(false);
    }
  });

  it("isPublicPath knows the names of other scripts by extension", () => {
    expect(isPublicPath("/a.hack/x")).toBe(true);
    for (const path of ["/a.hack", "/a.HACK/x", "/a.hack.css", "/a%2Ehack"]) {
      expect(isPublicPath(path, ".hack"), path).toBe(false);
    }
    expect(isPublicPath("/a.php", ".hack")).toBe(false);
  });

  it("isPublicPath allows no spelling that decodes, in any number of steps, to a refused name", () => {
    const names = ["a.php", "A.PhP", ".env", "a.php~", "a.sql.gz", ".git/config", "wp-config.php.bak"];
    const encode = (text: string, flags: readonly boolean[]): string =>
      [...text]
        .map((letter, at) => {
          const code = letter.charCodeAt(0).toString(16).padStart(2, "0");
          return flags[at % flags.length] && letter !== "/" ? `%${at % 2 ? code : code.toUpperCase()}` : letter;
        })
        .join("");
    const flags = fc.array(fc.boolean(), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.array(flags, { maxLength: 5 }), (name, rounds) => {
        expect(isPublicPath(`/${rounds.reduce(encode, name)}`)).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  it("isPublicPath takes a time that grows with the length of the path, whatever is in it", () => {
    const length = 60_000;
    for (const piece of [".", ".1", " .", "%20", "%2520", "~", ".a", "/a", "%", "\u200b", "\ufdfa", ".tar"]) {
      const path = `/${piece.repeat(length / piece.length)}x`;
      const start = performance.now();
      isPublicPath(path);
      // Milliseconds where it is linear; minutes where it is not.
      expect(performance.now() - start, piece).toBeLessThan(5000);
    }
  });
});
