import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Finding } from "../../cli/check/report/rule.ts";
import { createTemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";
import { apache, caddy, h2o, haproxy, lighttpd, nginx } from "../support/web_servers/servers.ts";
import { startWebServer, type WebServer } from "../support/web_servers/web_server.ts";
import { brokenIn, fetchcgi, findingsOf, nameOf } from "./run.ts";

failOnUnhandledRejections();

const twice = "CGI-4.1.18-3 Several fields of one name become one variable";
const cookies = "CGI-4.1.18-3 Several Cookie fields become one variable, joined by a semicolon";

/** What each does otherwise (specifications/params.md). */
const known: readonly (readonly [server: WebServer, example: string, limits: readonly string[]])[] = [
  // Without a server_name in its configuration.
  [nginx, "nginx/site.conf", ["CGI-4.1.14-1 SERVER_NAME is a name or an address, without a port", twice, cookies]],
  [apache, "apache/proxy_fcgi.conf", [cookies]],
  [lighttpd, "lighttpd/socket.conf", ["CGI-4.1.18-2 Fields become HTTP_ variables, also when they are empty"]],
  [caddy, "caddy/Caddyfile", ["CGI-4.1.2-1 CONTENT_LENGTH is set if there is a body", cookies]],
  [
    haproxy,
    "haproxy/haproxy.cfg",
    [
      "CGI-4.1.7-1 QUERY_STRING is set, also when there is none",
      "CGI-4.1.14-1 SERVER_NAME is a name or an address, without a port",
      twice,
      cookies,
    ],
  ],
  [h2o, "h2o/h2o.conf", ["CGI-4.1.4-1 GATEWAY_INTERFACE names CGI and its version", twice]],
];

async function check(server: WebServer, example: string): Promise<Finding[]> {
  const folder = await createTemporaryDirectory("check-server");
  onTestFinished(() => folder.remove());
  await chmod(folder.path, 0o755); // Apache's workers run as another user.
  const socket = join(folder.path, "check.sock");
  const running = await startWebServer(server, { example, socket });
  onTestFinished(() => running.stop());
  const run = await fetchcgi([
    ...["check", "server", "--listen", `unix:${socket}`, "--mode", "666"],
    ...["--url", `${running.url}/a%20b`, "--json"],
  ]);
  return findingsOf(run);
}

/** What is said of a rule. */
function findingOf(findings: readonly Finding[], name: string): Finding {
  const found = findings.find((finding) => nameOf(finding).startsWith(name));
  if (found === undefined) throw new Error(`There is no finding "${name}"`);
  return found;
}

describe("fetchcgi check server", () => {
  it.each(known.map(([server, example, limits]) => [server.name, server, example, limits] as const))(
    "finds the known limits of %s and no other",
    async (_name, server, example, limits) => {
      const findings = await check(server, example);
      expect([...brokenIn(findings)].filter(([name]) => !limits.includes(name))).toEqual([]);
      // All of its requests came, with their bodies.
      expect(findingOf(findings, "CGI-4.1.12-1").reason).toMatch(/\(1[45] of 1[45] requests\)$/);
      expect(findingOf(findings, "CGI-4.1.2-2").verdict).toBe("kept");
      expect(findingOf(findings, "FCGI-5.4-5").verdict).toBe("kept");
      expect(findingOf(findings, "FCGI-3.3-7").verdict).toBe(server === nginx || server === caddy ? "kept" : "broken");
      expect(findingOf(findings, "FCGI-4.1-1").verdict).toBe(server === haproxy ? "kept" : "not applicable");
      expect(findingOf(findings, "FIELD-22 The field Proxy").verdict).toBe(
        server === nginx || server === caddy || server === h2o ? "broken" : "kept",
      );
    },
  );
});
