import { lighttpd } from "../../support/web_servers/servers.ts";
import { describeColumn, type Limits } from "./battery.ts";
import { observed } from "./case.ts";
import {
  collectsUploads,
  holdsResponse,
  noticesLate,
  ownHost,
  ownReason,
  passesUnderscores,
  takesBrokenForWhole,
} from "./limits.ts";

const docs = "https://redmine.lighttpd.net/projects/lighttpd/wiki";

const notUtf8 = {
  outcome: "refused: 400",
  reason: 'refuses paths that are not UTF-8 (server.http-parseopts, "url-invalid-utf8-reject")',
  reference: `${docs}/Server_http-parseoptsDetails`,
};

const limits: Limits = {
  "request.method is what the client sent": {
    outcome: "GET POST PUT PATCH DELETE OPTIONS PROPFIND refused: 501",
    reason: "knows the registered methods only",
    reference: observed,
  },
  "request.url is whole when it is percent-encoded and not UTF-8": notUtf8,
  "request.url is whole when it has raw bytes that are not UTF-8": notUtf8,
  ...passesUnderscores(observed),
  ...collectsUploads(
    "collects uploads (server.stream-request-body = 0; 2 passes them on, and answers 411 to chunked ones)",
    `${docs}/Server_stream-request-bodyDetails`,
  ),
  ...ownHost("refused: 400", "refuses an absolute form with another authority than Host", observed),
  ...ownReason("", observed),
};

describeColumn({
  server: lighttpd,
  example: "lighttpd/socket.conf",
  measured: "1.4.69",
  limits: {
    ...limits,
    ...noticesLate(observed),
    "the client sees a broken transfer when the body fails before its first byte": {
      outcome: "looks whole: 200 with 0 bytes",
      sometimes: true,
      reason: "takes a connection that ends together with the header for the end of the response",
      reference: observed,
    },
  },
});

const collects = "collects responses (server.stream-response-body = 0)";
const collectsReference = `${docs}/Server_stream-response-bodyDetails`;

describeColumn({
  server: lighttpd,
  name: "lighttpd, spawning",
  example: "lighttpd/spawn.conf",
  spawns: true,
  measured: "1.4.69",
  limits: {
    ...limits,
    ...holdsResponse(collects, collectsReference),
    ...takesBrokenForWhole(["atOnce", 0], ["later", 1024 * 1024]),
    "request.signal fires and the body is cancelled when the client leaves in the middle of a response": {
      outcome: "not aborted and not cancelled",
      reason: collects,
      reference: collectsReference,
    },
    "request.signal fires when the client leaves while fetch is silent": {
      outcome: "never aborted",
      reason: collects,
      reference: collectsReference,
    },
  },
});
