// A Hono app that has moved from HTTP to FastCGI with one changed import answers as before.

import { describe } from "vitest";
import { BROKEN_OFF, chunked, describeMoved, type Exchange, pattern, sized } from "../support/moved_application.ts";

const MiB = 1024 * 1024;

const form = "Content-Type: application/x-www-form-urlencoded\r\n";
const json = "Content-Type: application/json\r\n";

const noRawBytes = {
  reason: "Node's HTTP parser refuses raw bytes in a target; over FastCGI they are percent-encoded in request.url",
  natively: { status: 400, body: "" },
};

const exchanges: readonly Exchange[] = [
  // Routing.
  { start: "GET /" },
  { start: "HEAD /" },
  { start: "GET /api/items" },
  { start: "GET /api/items?pretty" },
  { start: "GET /api/items/2" },
  { start: "HEAD /api/items/2" },
  { start: "GET /api/items/9" },
  { start: "GET /api/items/" },
  { start: "DELETE /api/items/1" },
  { start: "PURGE /api/items" },
  { start: "PATCH /api/items" },
  { start: "GET /nowhere" },
  { start: "HEAD /nowhere" },
  { start: "GET /optional" },
  { start: "GET /optional/7" },
  { start: "GET /search?q=a+b&tag=1&tag=%C3%BC" },
  { start: "GET /mounted/inside/it?x=1" },
  { start: "POST /mounted", lines: "Content-Length: 3\r\n", body: "abc" },

  // URLs.
  { start: "GET /seen/a/b?x=1&x=2&y=%20", lines: "X-Own: gr\xc3\xbcn\r\n" },
  { start: "GET /seen/caf%C3%A9?q=%C3%BC" },
  { start: "GET /seen/%ff" },
  { start: "GET /seen/a%2Fb//c" },
  { start: "GET /seen/%2e%2E/x" },
  { start: "GET /seen/../seen/x" },
  { start: "GET /seen/a;b=c,d@e:f!$&'()*+~" },
  { start: "GET /seen/?" },
  { start: "GET /seen/x?a=1&&b=&=c&d=%zz&e=100%&g?h=[]{}|^`" },
  { start: "GET /gr%C3%BC%C3%9Fe/J%C3%BCrgen%20%26%20Ada" },
  {
    start: "GET /seen/caf\xc3\xa9?q=\xc3\xbc",
    but: { ...noRawBytes, as: { start: "GET /seen/caf%C3%A9?q=%C3%BC" } },
  },
  { start: "GET /gr\xc3\xbc\xc3\x9fe/Ada", but: { ...noRawBytes, as: { start: "GET /gr%C3%BC%C3%9Fe/Ada" } } },
  {
    start: "GET http://other.example/seen/x",
    but: {
      reason: "nginx passes on the path, and as $host, which its fastcgi_params send, the host of the target",
      natively: { status: 200 },
      overFastCgi: { body: '{"url":"http://other.example/seen/x","path":"/seen/x","queries":{},"own":null}' },
      as: { start: "GET /seen/x" },
    },
  },

  // Bodies.
  { start: "POST /api/items", ...sized(json, '{"name":"K\xc3\xa4se"}') },
  { start: "POST /api/items", which: "not JSON", ...sized(json, "{nope") },
  { start: "POST /api/items", which: "without a name", ...sized(json, "{}") },
  { start: "PUT /api/items/8", lines: `${json}Transfer-Encoding: chunked\r\n`, body: chunked('{"name":"tea"}') },
  { start: "POST /form", ...sized(form, "a=1&b=%C3%BC&b=x+y&c%5B%5D=") },
  { start: "POST /form", which: "empty", lines: "Content-Length: 0\r\n" },
  upload("a small file", "crust\r\n", "Content-Length"),
  upload("a file that is too large", "x".repeat(MiB), "Content-Length"),
  upload("a chunked file that is too large", "x".repeat(MiB), "Transfer-Encoding"),
  {
    ...upload("a small chunked file", "crust\r\n", "Transfer-Encoding"),
    but: {
      reason:
        "bodyLimit makes a Request of one of srvx, which can't be done; nginx tells it the length, so it need not",
      alsoProxied: true,
      natively: { status: 500 },
      as: upload("a small file", "crust\r\n", "Content-Length"),
    },
  },
  { start: "POST /sum", which: "of nothing", lines: "Content-Length: 0\r\n" },
  { start: "POST /sum", which: "without a body" },
  { start: "POST /sum", which: "of 5 MiB", lines: `Content-Length: ${5 * MiB}\r\n`, body: pattern(5 * MiB) },
  { start: "POST /sum", which: "of chunks", lines: "Transfer-Encoding: chunked\r\n", body: chunked(pattern(300_000)) },

  // Middleware.
  { start: "GET /api/items", which: "from its own site", lines: "Origin: http://shop.example\r\n" },
  { start: "GET /api/items", which: "from another site", lines: "Origin: http://evil.example\r\n" },
  {
    start: "OPTIONS /api/items",
    lines:
      "Origin: http://shop.example\r\nAccess-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: x-own\r\n",
  },
  { start: "GET /admin/page" },
  { start: "GET /admin/page", which: "with the password", lines: authorization("ada:lovelace") },
  { start: "GET /admin/page", which: "with a guess", lines: authorization("ada:guessed") },
  { start: "GET /cookies" },
  { start: "GET /cookies", which: "with some", lines: "Cookie: theme=light; old=1; lang=%C3%BC\r\n" },
  {
    start: "GET /cookies",
    which: "with a good signature",
    lines: "Cookie: login=ada.m4APjie7wVmTdhgl%2BZgyXAhdYIbbw37BGmaS0c5DCFM%3D\r\n",
  },
  { start: "GET /cookies", which: "with a bad signature", lines: `Cookie: login=ada.${"A".repeat(43)}%3D\r\n` },
  { start: "GET /pages/bread" },
  { start: "HEAD /pages/bread" },
  {
    start: "GET /pages/bread",
    which: "that the client has",
    lines: 'If-None-Match: "23ea87465c5fd4e2623256e574eff0118b72962b"\r\n',
  },
  {
    start: "GET /pages/bread",
    which: "that the client has another of",
    lines: 'If-None-Match: "0000"\r\n',
  },

  // Answers.
  { start: "GET /away" },
  { start: "GET /old" },
  { start: "POST /old" },
  { start: "GET /kept" },
  { start: "GET /files/letters" },
  { start: "GET /files/letters", which: "in the middle", lines: "Range: bytes=3-7\r\n" },
  { start: "GET /files/letters", which: "at the end", lines: "Range: bytes=20-\r\n" },
  { start: "GET /files/letters", which: "behind the end", lines: "Range: bytes=99-\r\n" },
  {
    start: "GET /bytes",
    but: {
      reason: "CGI wants a type with every body (RFC 3875 6.3.1)",
      natively: { status: 200, body: "\x00\x01\xfe\xff" },
      addedHeaders: ["content-type: application/octet-stream"],
    },
  },
  { start: `GET /big?bytes=${3 * MiB}` },
  { start: `GET /big?bytes=${3 * MiB}&length` },
  { start: `HEAD /big?bytes=${3 * MiB}&length` },
  { start: "GET /text" },
  { start: "GET /events" },
  { start: "GET /odd" },
  { start: "GET /reason" },
  { start: "GET /throws" },
  BROKEN_OFF,
];

function authorization(login: string): string {
  return `Authorization: Basic ${btoa(login)}\r\n`;
}

function upload(which: string, content: string, framing: "Content-Length" | "Transfer-Encoding"): Exchange {
  const part = (head: string, text: string): string =>
    `--edge\r\nContent-Disposition: form-data; ${head}\r\n\r\n${text}\r\n`;
  const type = "\r\nContent-Type: text/x-bread";
  const body = `${part('name="title"', "Brot f\xc3\xbcr alle")}${part(`name="file"; filename="the bread.txt"${type}`, content)}--edge--\r\n`;
  const length = framing === "Content-Length";
  return {
    start: "POST /upload",
    which,
    lines: `Content-Type: multipart/form-data; boundary=edge\r\n${framing}: ${length ? body.length : "chunked"}\r\n`,
    body: length ? body : chunked(body),
  };
}

describe("an unchanged Hono app", () => {
  const lines = { before: ['import { serve } from "srvx";'], after: ['import { serve } from "fetchcgi/node";'] };
  describeMoved("moving-hono", lines, exchanges);
});
