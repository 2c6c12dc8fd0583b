// A srvx app, with its middleware and what srvx adds to a Request, that has moved from HTTP to FastCGI with one changed import
// answers as before.

import { describe } from "vitest";
import { describeMoved, type Exchange, sized } from "../support/moved_application.ts";

const form = "Content-Type: application/x-www-form-urlencoded\r\n";

const exchanges: readonly Exchange[] = [
  { start: "GET /" },
  { start: "HEAD /" },
  { start: "GET /seen?x=%C3%BC" },
  { start: "PUT /seen", lines: "Content-Length: 0\r\n" },
  { start: "GET /private/page" },
  { start: "GET /private/page", which: "with the key", lines: "X-Key: open\r\n" },
  { start: "POST /echo", ...sized("Content-Type: text/x-bread\r\n", "cr\x00\xffst") },
  { start: "POST /echo", which: "chunked", lines: "Transfer-Encoding: chunked\r\n", body: "3\r\nabc\r\n0\r\n\r\n" },
  { start: "POST /form", ...sized(form, "a=1&b=%C3%BC") },
  { start: "POST /form", which: "no form", ...sized("", "a=1") },
  { start: "GET /later?note=first" },
  { start: "GET /finished" },
  {
    start: "GET /fast",
    but: {
      reason: "only srvx itself looks into a FastResponse; everybody else gets the Response that it stands for",
      natively: { status: 200, body: "fast\n" },
      removedHeaders: ["content-type: text/plain; charset=UTF-8"],
      addedHeaders: ["content-type: text/plain;charset=UTF-8"],
    },
  },
  { start: "GET /gone" },
  { start: "GET /moved" },
  { start: "GET /throws" },
  { start: "GET /nowhere" },
];

describe("an unchanged srvx app", () => {
  const lines = { before: ['import { serve } from "srvx";'], after: ['import { serve } from "./fastcgi.ts";'] };
  describeMoved("moving-srvx", lines, exchanges);
});
