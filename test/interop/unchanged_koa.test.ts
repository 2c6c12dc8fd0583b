// A Koa application that has moved from node:http to FastCGI answers as before.

import { describe } from "vitest";
import { BROKEN_OFF, describeMoved, type Exchange } from "../support/moved_application.ts";

const exchanges: readonly Exchange[] = [
  { start: "GET /" },
  { start: "HEAD /" },
  { start: "GET /nowhere" },
  { start: "HEAD /nowhere" },
  { start: "GET /seen?x=1&x=2", lines: "X-Own: words\r\n" },
  { start: "DELETE /seen" },
  { start: "POST /sum", lines: "Content-Length: 5\r\n", body: "12345" },
  { start: "POST /sum", which: "of nothing" },
  { start: "GET /cookies", lines: "Cookie: theme=light\r\n" },
  { start: "GET /stream" },
  { start: "HEAD /stream" },
  { start: "GET /away" },
  { start: "GET /fresh" },
  { start: "GET /fresh", which: "that the client has", lines: 'If-None-Match: "1"\r\n' },
  { start: "GET /nothing" },
  { start: "GET /refuses" },
  { start: "GET /throws" },
  BROKEN_OFF,
];

describe("an unchanged Koa application", () => {
  const lines = {
    before: [
      'import { createServer } from "node:http";',
      "const server = createServer(app.callback()).listen(LISTEN.port, LISTEN.hostname);",
    ],
    after: [
      'import { serve } from "fetchcgi/node";',
      "const server = await serve({ ...LISTEN, listener: app.callback() });",
    ],
  };
  describeMoved("moving-koa", lines, exchanges);
});
