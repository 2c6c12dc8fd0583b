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
    "/fig~1.webp",
    "/a b.png",
    "/%C3%BCber/%E5%86%99%E7%9C%9F.png",
    "/100%25.png",
    "/50%25off.png",
    "/100%25a.png",
    "/90%25ubuntu.png",
    "/50%25unlimited.png",
    "/%25C3%25BC.png",
    "/fonts/a.woff2",
    "/movie.mp4",
    "/movie.3gp",
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
    "/spark.zip",
    "/spark-plugs/",
    "/yii2/guide.html",
    "/htpasswd-generator.html",
    "/htaccessible.html",
    "/package.json.html",
    "/release-1.2.tar.gz",
    "/release-1.2",
    "/2026.11.29",
    "/a.zipped",
    "/What is this？.mp4",
    "/？.png",
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
      "/a%25u002ephp",
      "/a%c0%aephp",
      "/a%e0%80%aephp",
      "/a.php%ff",
      "/a.php%80",
      "/A~1.PHP",
      "/CONFIG~1.BAC",
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
      "/a.𝚤nc",
      "/ａｒｔｉｓａｎ",
      "/artisan；a.css",
      "/artisan\u037e",
      "/artisan ：a.css",
      "/artisan？",
      "/artisan＃a",
      "/wp‐config.txt",
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
      "/wp_config.txt",
      "/wpconfig.txt",
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
      "/%20%20.git/HEAD",
      "/%E3%80%80.git/HEAD",
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
      "/a.sql.Z",
      "/a.sql.bz",
      "/a.sql.lz",
      "/a.sql.tbz",
      "/a.sql.lz4",
      "/a.sql.gpg",
      "/a.sql.gz_old",
      "/a.sql.2026-11-29",
      "/a.sql.2026-11-29_1200.gz",
      "/a.sql..gz",
      "/a.sql.7z",
      "/a.sql.20261129T1200",
      "/a.sql.(1)",
      "/a.sql.v2",
      "/a.sql.v10",
      "/a.rdb",
      "/debug.log.2026-11-29",
      "/access_log",
      "/error_log",
      "/error_log.1",
      "/error_log-20261129.gz",
      "/php_errorlog",
      "/artisan",
      "/Artisan.",
      "/artisan%20",
      "/artisan%20.",
      "/artisan.%20",
      "/spark",
      "/yii",
      "/Dockerfile",
      "/Makefile",
      "/htaccess",
      "/htpasswd",
      "/htpasswd.txt",
      "/htpasswd_old",
      "/htpasswd-2026",
      "/web.config",
      "/auth.json",
      "/auth.json.1",
      "/auth.json_old",
      "/auth.json%20-%20Copy",
      "/composer.json",
      "/Composer.JSON",
      "/composer.json.gz",
      "/package.json",
      "/package-lock.json",
      "/phpunit.xml",
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
      "/a／b.css",
      "/a＼b.css",
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

  it("isPublicPath refuses a path that is encoded more than five times", () => {
    const encoded = (times: number): string => `/a%${"25".repeat(times - 1)}20b.css`;
    expect([1, 5, 6, 7].map((times) => isPublicPath(encoded(times)))).toEqual([true, true, false, false]);
  });

  it("isPublicPath throws a TypeError when an argument is no string", () => {
    const call = isPublicPath as (...args: unknown[]) => boolean;
    const error = (name: string) => new TypeError(`Cannot check a path: expected ${name} to be a string, got 5`);
    expect(() => call(5)).toThrow(error("pathname"));
    expect(() => call("/a.css", 5)).toThrow(error("extension"));
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
