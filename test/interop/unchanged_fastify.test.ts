// A Fastify application that has moved from node:http to FastCGI answers as before.

import { describe } from "vitest";
import { describeMoved, type Exchange, sized } from "../support/moved_application.ts";

const exchanges: readonly Exchange[] = [
  { start: "GET /" },
  { start: "HEAD /" },
  { start: "GET /nowhere" },
  { start: "GET /seen?x=1&x=2", lines: "X-Own: words\r\n" },
  { start: "POST /json", ...sized("Content-Type: application/json\r\n", '{"name":"bread"}') },
  { start: "POST /json", which: "that is none", ...sized("Content-Type: application/json\r\n", "{nope") },
  // None that is too large: Fastify closes the connection without reading it, so nginx before it answers 413 or 502, by chance.
  { start: "POST /json", which: "of another type", ...sized("Content-Type: text/x-bread\r\n", "crust") },
  { start: "GET /cookies" },
  { start: "GET /away" },
  { start: "GET /stream" },
  { start: "HEAD /stream" },
  { start: "GET /item/7" },
  { start: "GET /item/seven" },
  { start: "GET /nothing" },
  { start: "GET /throws" },
];

describe("an unchanged Fastify application", () => {
  const lines = {
    before: ["await app.listen({ port: LISTEN.port, host: LISTEN.hostname });", "onStop(() => app.close());"],
    after: [
      'import { serve } from "fetchcgi/node";',
      "await app.ready();",
      "const server = await serve({ ...LISTEN, listener: app.server });",
      "onStop(async () => {",
      "  await server.close();",
      "  await app.close();",
      "});",
    ],
  };
  describeMoved("moving-fastify", lines, exchanges);
});
