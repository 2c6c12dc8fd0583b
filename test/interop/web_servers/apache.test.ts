import { apache, apacheFcgid } from "../../support/web_servers/servers.ts";
import { describeColumn, type Limits } from "./battery.ts";
import { observed } from "./case.ts";
import { collectsUploads, holdsHeader, joinsCookies, noticesLate, ownHeaderLimit } from "./limits.ts";

const docs = "https://httpd.apache.org";

const limits: Limits = {
  ...joinsCookies(", "),
  ...noticesLate(observed),
  ...ownHeaderLimit(400, "LimitRequestFieldSize 8190", `${docs}/docs/2.4/mod/core.html#limitrequestfieldsize`),
  "the client gets a header field of 14 KB": {
    outcome: "500",
    reason: "reads lines of at most 8 kB from an application",
    reference: observed,
  },
};

describeColumn({
  server: apache,
  example: "apache/proxy_fcgi.conf",
  measured: "2.4.71",
  limits: {
    ...limits,
    ...holdsHeader("sends the header with the first byte of the body", observed),
    "the client gets the header and no body when it is a HEAD": {
      outcome: { status: 200, length: null, body: 0 },
      reason: "drops the Content-Length of an answer to HEAD",
      reference: observed,
    },
  },
});

describeColumn({
  server: apacheFcgid,
  example: "apache/fcgid.conf",
  spawns: true,
  measured: "2.4.71",
  limits: {
    ...limits,
    ...holdsHeader("sends the header with the first byte of the body", observed),
    ...collectsUploads("collects uploads", `${docs}/mod_fcgid/mod/mod_fcgid.html#fcgidmaxrequestinmem`),
    "the client sees a broken transfer when the body fails behind 1 MiB": {
      outcome: "looks whole: 200 with 1049147 bytes",
      reason: "adds an error page of its own to what was sent, and ends the response",
      reference: observed,
    },
  },
});
