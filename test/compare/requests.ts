/** A request as it is sent. */
export interface ComparedRequest {
  /** The method and the target. */
  readonly line: string;
  /** Further lines of the header, each with its end. */
  readonly lines: string;
  readonly body: string;
}

const SCRIPTS = [
  "/",
  "/index.php",
  "/rest.php",
  "/rest.php/a/b",
  "/rest.php/a%20b?x=%2F&y[]=1",
  "/sub/",
  "/sub/index.php",
  "/nothing",
];

const FILES = [
  "/style.css",
  "/script.js",
  "/page.html",
  "/logo@2x.png",
  "/logo%402x.png",
  "/%C3%BC%20b%2Bc.txt",
  "/%C3%BC%20b+c.txt",
  "/data.json",
  "/font.woff2",
  "/movie.mp4",
  "/upload.jpg",
  "/docs/",
  "/.well-known/acme-challenge/token",
  "/style.css?v=1",
  "/%73tyle.css",
  "/sub/../style.css",
  "/./style.css",
];

const OTHERS = [
  "/sub",
  "/docs",
  "/docs?x=1",
  "/empty",
  "/empty/",
  "/a/b/c?x=1",
  "/wiki/AC%2FDC",
  "/%E2%82%AC",
  "/a%ffb",
  "/nothing.php",
  "/nothing.php/a",
  "/sub/nothing.php",
  "/upload.jpg/x.php",
  "/style.css/x.php",
  "/style.css/",
  "/STYLE.CSS",
  "/index.PHP",
  "/index.php5",
  "/index%2ephp",
  "/index.php%20",
  "/index.php%00.jpg",
  "/index.php%0a",
  "/index.php/",
  "/index.php//",
  "//index.php",
  "//style.css",
  "/sub//index.php",
  "/sub/..%2findex.php",
  "/..%2f..%2fetc/passwd",
  "/%2e%2e/style.css",
  "/a%zz",
  "/status.php?code=201",
  "/status.php?code=204",
  "/status.php?code=304",
  "/status.php?code=404",
  "/status.php?code=418",
  "/status.php?code=500",
  "/redirect.php",
  "/cookies.php",
  "/.env",
  "/.git/config",
  "/%2egit/config",
  "/sub/.hidden",
  "/config.inc",
  "/composer.json",
  "/backup.sql",
  "/config.php~",
  "/template.twig",
  "/?",
  "/?a=b&a=c&d[e]=f",
  "/index.php?a%20b",
  "/a?b?c",
  "/a;b",
  "/a:b",
  "/%7Euser",
  "/a+b",
];

const FORM = "name=value&list%5B%5D=1";
const FORM_LINES = `Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${FORM.length}\r\n`;

function request(line: string, lines = "", body = ""): ComparedRequest {
  return { line, lines, body };
}

/** The requests: every path by GET and HEAD, scripts by other methods, files with the fields that browsers send. */
export const requests: readonly ComparedRequest[] = [
  ...[...SCRIPTS, ...FILES, ...OTHERS].flatMap((path) => [request(`GET ${path}`), request(`HEAD ${path}`)]),
  ...SCRIPTS.flatMap((path) => [
    request(`POST ${path}`, FORM_LINES, FORM),
    request(`PUT ${path}`, "Content-Length: 4\r\n", "body"),
    request(`DELETE ${path}`),
    request(`POST ${path}`, "Transfer-Encoding: chunked\r\n", "4\r\nbody\r\n0\r\n\r\n"),
  ]),
  ...["/rest.php", "/nothing"].flatMap((path) => [
    request(`GET ${path}`, "Cookie: a=1; b=2\r\n"),
    request(`GET ${path}`, "X-A: 1\r\nX-A: 2\r\n"),
    request(`GET ${path}`, "Authorization: Basic YTpi\r\n"),
    request(`GET ${path}`, "X_A: 1\r\n"),
    request(`GET ${path}`, "Proxy: http://evil/\r\n"),
    request(`OPTIONS ${path}`),
    request(`PATCH ${path}`, "Content-Length: 0\r\n"),
  ]),
  ...["/style.css", "/movie.mp4"].flatMap((path) => [
    request(`GET ${path}`, "Range: bytes=1-3\r\n"),
    request(`GET ${path}`, "Range: bytes=-2\r\n"),
    request(`GET ${path}`, "Range: bytes=5-\r\n"),
    request(`GET ${path}`, "Range: bytes=99999-\r\n"),
    request(`GET ${path}`, "Range: bytes=0-1,3-4\r\n"),
    request(`GET ${path}`, "Range: lines=1-2\r\n"),
    request(`GET ${path}`, "If-Modified-Since: Sun, 01 Jan 2090 00:00:00 GMT\r\n"),
    request(`GET ${path}`, "If-Modified-Since: Sun, 01 Jan 2006 00:00:00 GMT\r\n"),
    request(`GET ${path}`, "If-None-Match: *\r\n"),
    request(`GET ${path}`, 'If-None-Match: "other"\r\n'),
    request(`GET ${path}`, "Accept-Encoding: gzip, br\r\n"),
    request(`POST ${path}`, FORM_LINES, FORM),
    request(`DELETE ${path}`),
  ]),
];
