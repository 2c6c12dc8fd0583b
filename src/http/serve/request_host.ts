// The host of a request: HTTP_HOST, or the web server's own name if the client named no host (RFC 3875 4.1.14, 4.1.15).
//
// The web server chooses a site by the host, and may refuse other hosts, before the application gets the request. So
// the host in the URL must be exactly the one that the web server looked at. The URL parser reads more into a host than
// web servers do: it takes `admin%2etest` for `admin.test`, and `127.1` for `127.0.0.1`. Such a host is refused,
// because it would bypass the web server's rules for the site that it turns into.

import { remembered } from "../../base/remembered.ts";
import type { Variables } from "../../cgi/variables.ts";
import { FastCgiError } from "../../protocol/errors.ts";

/** The host that a request was sent to. */
export interface RequestHost {
  /** The origin of the URL, as the URL parser writes it. */
  readonly origin: string;
  /** The `host` field; null if the client sent none. */
  readonly field: string | null;
}

/**
 * Reads the host and the scheme.
 *
 * @throws {FastCgiError} `malformedRequest` if HTTP_HOST is no host, or would be another one in a URL.
 */
export function hostFromParams(variables: Pick<Variables, "get">): RequestHost {
  const scheme = readScheme(variables);
  const host = variables.get("HTTP_HOST") ?? "";
  // Stryker disable next-line StringLiteral: any text that is no host name does
  const name = variables.get("SERVER_NAME") ?? "";
  // Stryker disable next-line StringLiteral: any text that is no port does
  const port = variables.get("SERVER_PORT") ?? "";
  // If the client sent no Host, nginx sends its own name where HTTP_HOST is `$host`, and h2o sends `*`.
  const isStandIn = (host === name || (port !== "" && host === `${name}:${port}`)) && isNoHostName(name);
  if (host !== "" && host !== "*" && !isStandIn) {
    const origin = originOf(`${scheme}://${host}`);
    if (origin === null) throw refusedHost(host);
    return { origin, field: host };
  }
  const origin = isNoHostName(name) ? null : originOf(`${scheme}://${withPort(name, port)}`);
  return { origin: origin ?? `${scheme}://localhost`, field: null };
}

function readScheme(variables: Pick<Variables, "get">): "http" | "https" {
  const https = (variables.get("HTTPS") ?? "").toLowerCase();
  if (https !== "" && https !== "off" && https !== "0") return "https";
  return variables.get("REQUEST_SCHEME") === "https" ? "https" : "http";
}

/**
 * Whether a web server's name is one that no client can ask for: a pattern (nginx: `~^www\d+\.`, `*.example.com`), or a
 * name made up to match nothing (`_`, `--`, `!@#`).
 */
function isNoHostName(name: string): boolean {
  return /^~|\*|^[^A-Za-z0-9]*$|[^A-Za-z0-9\-._~%!$&'()*+,;=:[\]]/.test(name);
}

function withPort(name: string, port: string): string {
  // An IPv6 address may come without brackets.
  const isBareIpv6 = name.indexOf(":") !== name.lastIndexOf(":") && !name.startsWith("[");
  const server = isBareIpv6 ? `[${name}]` : name;
  // HAProxy puts the port into SERVER_NAME.
  // Stryker disable next-line MethodExpression: only the end is looked at, so that a long name takes no time
  return !/^[0-9]{1,5}$/.test(port) || /:[0-9]+$/.test(server.slice(-6)) ? server : `${server}:${port}`;
}

/** Room for the longest host name (255, RFC 1035 2.3.4) with its scheme and port. */
const MAX_ORIGIN_LENGTH = 300;

/**
 * The origin as the URL parser writes it; null if the host is invalid or turns into another one. Letter case and the
 * scheme's own port may change. Answers are remembered: a site has few origins, and a call of the parser costs as much
 * as all the rest.
 */
const originOf: (origin: string) => string | null = /* @__PURE__ */ remembered(MAX_ORIGIN_LENGTH, (origin) => {
  const host = origin.slice(origin.indexOf("//") + 2);
  // These bytes end a host, or the URL parser removes them: with one, a Host header could choose the path.
  if (/[^!-~]|[/\\?#@]/.test(host) || !URL.canParse(origin)) return null;
  const url = new URL(origin);
  return url.hostname === hostname(host) ? url.origin : null;
});

/** A host without its port, in lower case. */
function hostname(host: string): string {
  return host.replace(/:[0-9]*$/, "").toLowerCase();
}

function refusedHost(host: string): FastCgiError {
  const url = `http://${host}`;
  const reading = URL.canParse(url) ? `, which a URL takes for ${JSON.stringify(new URL(url).hostname)}` : "";
  return new FastCgiError("malformedRequest", `Cannot build a request: the host is ${JSON.stringify(host)}${reading}`);
}
