// An Express application that has moved from node:http to FastCGI answers as before.

import { describe } from "vitest";
import { BROKEN_OFF, chunked, describeMoved, type Exchange, pattern, sized } from "../support/moved_application.ts";

const MiB = 1024 * 1024;

const json = "Content-Type: application/json\r\n";
const form = "Content-Type: application/x-www-form-urlencoded\r\n";

const type = "CGI wants a type with every body (RFC 3875 6.3.1)";

const exchanges: readonly Exchange[] = [
  { start: "GET /" },
  { start: "HEAD /" },
  { start: "GET /", which: "that the client has", lines: 'If-None-Match: W/"28-bh0MQ+9eyLqDWwYKh4jAqvLy5VY"\r\n' },
  { start: "GET /nowhere" },
  { start: "HEAD /nowhere" },
  { start: "POST /" },
  { start: "OPTIONS /seen" },

  // What a handler sees.
  { start: "GET /seen" },
  { start: "GET /seen/a/b?x=1&x=2&y[z]=%20", lines: "X-Own: gr\xc3\xbcn\r\n" },
  { start: "GET /seen/caf%C3%A9?q=%C3%BC" },
  { start: "GET /seen/a%2Fb//c" },
  { start: "GET /seen/a;b=c,d@e:f!$&'()*+~" },
  { start: "GET /seen/?" },
  { start: "GET /seen/x?a=1&&b=&=c&d=%zz&e=100%&g?h=[]{}|^`" },
  { start: "DELETE /seen/1" },
  { start: "PURGE /seen/1" },
  { start: "PATCH /seen/1", ...sized(json, "{}") },
  { start: "GET /seen", which: "with a body", ...sized(json, "{}") },
  { start: "GET /seen", which: "forwarded", lines: "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n" },

  // Bodies.
  { start: "POST /json", ...sized(json, '{"name":"K\xc3\xa4se"}') },
  { start: "POST /json", which: "that is none", ...sized(json, "{nope") },
  { start: "POST /json", which: "that is too large", ...sized(json, `"${"x".repeat(200_000)}"`) },
  { start: "POST /json", which: "of chunks", lines: `${json}Transfer-Encoding: chunked\r\n`, body: chunked('{"a":1}') },
  { start: "POST /form", ...sized(form, "a=1&b=%C3%BC&b=x+y&c%5Bd%5D=") },
  { start: "POST /form", which: "of nothing", lines: `${form}Content-Length: 0\r\n` },
  { start: "POST /text", ...sized("Content-Type: text/plain\r\n", "words") },
  { start: "POST /sum", which: "of nothing", lines: "Content-Length: 0\r\n" },
  { start: "POST /sum", which: "without a body" },
  { start: "GET /sum", which: "with a body", ...sized("", "words") },
  { start: "POST /sum", which: "of 5 MiB", lines: `Content-Length: ${5 * MiB}\r\n`, body: pattern(5 * MiB) },
  { start: "POST /sum", which: "of chunks", lines: "Transfer-Encoding: chunked\r\n", body: chunked(pattern(300_000)) },
  {
    start: "POST /sum",
    which: "that is expected",
    lines: "Expect: 100-continue\r\nContent-Length: 5\r\n",
    body: "12345",
  },

  // Answers.
  { start: "GET /cookies", lines: "Cookie: theme=light; old=1\r\n" },
  { start: "GET /away" },
  { start: "GET /old" },
  { start: "GET /reason" },
  { start: "GET /nothing" },
  { start: "GET /file" },
  { start: "HEAD /file" },
  { start: "GET /file", which: "in the middle", lines: "Range: bytes=3-7\r\n" },
  { start: "GET /file", which: "at two places", lines: "Range: bytes=0-1,5-6\r\n" },
  { start: "GET /file", which: "behind the end", lines: "Range: bytes=99-\r\n" },
  { start: "GET /static/letters.txt" },
  { start: "GET /static/nothing.txt" },
  {
    start: "GET /static/%2e%2e/app.ts",
    but: {
      reason: "dot segments are resolved before the application sees the path",
      natively: { status: 404 },
      as: { start: "GET /app.ts" },
    },
  },
  { start: "GET /download" },
  { start: `GET /big?bytes=${3 * MiB}` },
  { start: `GET /big?bytes=${3 * MiB}&length` },
  { start: `HEAD /big?bytes=${3 * MiB}&length` },
  { start: "GET /events" },
  { start: "GET /compressed/text" },
  { start: "GET /compressed/text", which: "with gzip", lines: "Accept-Encoding: gzip\r\n" },
  {
    start: "GET /trailers",
    but: {
      reason: "FastCGI has no place for trailers",
      natively: { status: 200, body: "body\n" },
      removedHeaders: ["trailer: X-Sum"],
    },
  },
  {
    start: "GET /bytes",
    but: {
      reason: type,
      natively: { status: 200, body: "\x00\x01\xfe\xff" },
      addedHeaders: ["content-type: application/octet-stream"],
    },
  },
  {
    start: "GET /untyped",
    but: {
      reason: type,
      natively: { status: 200, body: "plain words\n" },
      addedHeaders: ["content-type: text/plain;charset=UTF-8"],
    },
  },

  // Failures.
  { start: "GET /throws" },
  { start: "GET /rejects" },
  BROKEN_OFF,
];

describe("an unchanged Express application", () => {
  const lines = {
    before: [
      'import { createServer } from "node:http";',
      "const server = createServer(app).listen(LISTEN.port, LISTEN.hostname);",
    ],
    after: ['import { serve } from "fetchcgi/node";', "const server = await serve({ ...LISTEN, listener: app });"],
  };
  describeMoved("moving-express", lines, exchanges);
});
