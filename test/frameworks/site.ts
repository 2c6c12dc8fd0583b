// The requests that the app of every framework with routes answers.

import type { Exchange } from "./framework.ts";

/** The lines of a request with a body, and the body. */
export function sized(type: string, body: string, lines = ""): Pick<Exchange, "lines" | "body"> {
  return { lines: `Content-Type: ${type}\r\nContent-Length: ${body.length}\r\n${lines}`, body };
}

const UPLOAD = [
  '--edge\r\nContent-Disposition: form-data; name="title"\r\n\r\nBrot f\xc3\xbcr alle\r\n',
  '--edge\r\nContent-Disposition: form-data; name="file"; filename="bread.txt"\r\n',
  "Content-Type: text/x-bread\r\n\r\ncrust\r\n\r\n--edge--\r\n",
].join("");

/** A browser sends it with a form. Frameworks compare it with the URL, so that no other site can send forms. */
export const ORIGIN = "Origin: http://shop.example\r\n";

const FORM = "application/x-www-form-urlencoded";

/** The fields and the file of a form. */
export const upload = sized("multipart/form-data; boundary=edge", UPLOAD, ORIGIN);

/** GET /release lets the second line of GET /stream out. */
export const site: readonly Exchange[] = [
  { row: "page", start: "GET /" },
  { row: "HEAD", start: "HEAD /" },
  { row: "route", start: "GET /items/K%C3%A4se?q=a+b" },
  { row: "body", start: "POST /echo", ...sized("text/x-bread", "cr\xc3\xbcst\r\n") },
  { row: "form", start: "POST /form", ...sized(FORM, "name=K%C3%A4se&tag=a&tag=b+c", ORIGIN), isAskedSecurely: true },
  { row: "form", start: "POST /form?file", ...upload },
  { row: "redirect", start: "GET /old" },
  { row: "cookies", start: "GET /cookies", lines: "Cookie: theme=light; lang=de\r\n" },
  { row: "404", start: "GET /nowhere" },
  { row: "error", start: "GET /throws" },
  { row: "stream", start: "GET /stream", release: "GET /release" },
  { row: "asset", start: "GET /asset.txt" },
  { row: "address", start: "GET /address" },
  { row: "URL", start: "GET /url?x=1", isAskedSecurely: true },
];

/** What the app of a framework that takes (req, res) answers beside that. */
export const listenerSite: readonly Exchange[] = [
  { row: "early hints", start: "GET /hints" },
  { row: "compression", start: "GET /long", lines: "Accept-Encoding: gzip\r\n" },
  { row: "range", start: "GET /asset.txt?range", lines: "Range: bytes=2-5\r\n" },
  // An error after the header and a line.
  { row: "broken off", start: "GET /breaks", release: "GET /release" },
];

/** What the app of a framework with a `waitUntil` answers, before its work is done. A server that closes waits for that. */
export const later: readonly Exchange[] = [{ row: "waitUntil", start: "GET /later" }];
