import { caddy } from "../../support/web_servers/servers.ts";
import { describeColumn } from "./battery.ts";
import { observed } from "./case.ts";
import { joinsCookies, noticesLate, ownReason, passesUnderscores, takesBrokenForWhole } from "./limits.ts";

const collects = "collects 64 KB of an upload before it sends them on";

describeColumn({
  server: caddy,
  example: "caddy/Caddyfile",
  measured: "2.6.2",
  limits: {
    ...joinsCookies(", "),
    ...passesUnderscores("https://github.com/caddyserver/caddy/security/advisories/GHSA-f59h-q822-g45g"),
    ...ownReason("I'm a teapot", observed),
    ...takesBrokenForWhole(["atOnce", 0], ["later", 1024 * 1024]),
    ...noticesLate(observed),
    "request.url leads to no path that the web server has not looked at": {
      outcome: "at /echo by /x#/../../echo",
      reason: "takes # for a part of the path, and has looked at /echo",
      reference: observed,
    },
    "request.body has each piece before the client sends the next": {
      outcome: "waits for the end",
      reason: collects,
      reference: observed,
    },
    "request.body fails when the client leaves in the middle of its upload": {
      outcome: "the application waits",
      reason: collects,
      reference: observed,
    },
  },
});
