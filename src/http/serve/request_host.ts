// The host of a request: HTTP_HOST, or what the web server calls itself where the client named none (RFC 3875 4.1.14, 4.1.15).
//
// The web server has chosen a site by the host before the application hears of the request, and may have refused others. So the
// host in the URL is the one that the web server looked at, letter by letter. The URL parser reads more into a host than web
// servers do: `admin%2etest` is `admin.test` to it, `127.1` is `127.0.0.1`. Such a host is refused, because it would lead past the
// rules of the site that it becomes.

import { remembered } from "../../base/remembered.ts";
import type { FastCgiParams } from "../../cgi/params.ts";
import { FastCgiError } from "../../protocol/errors.ts";

/** Where a request was sent to. */
export interface RequestHost {
  /** The origin of the URL, as the URL parser writes it. */
  readonly origin: string;
  /** The `host` field, or null where the client sent none. */
  readonly field: string | null;
}

/**
 * Reads the host and the scheme.
 *
 * @throws {FastCgiError} `malformedRequest` if HTTP_HOST is no host, or another one in a URL.
 */
export function hostFromParams(params: FastCgiParams): RequestHost {
  const scheme = readScheme(params);
  const host = params.get("HTTP_HOST") ?? "";
  const name = params.get("SERVER_NAME") ?? "";
  const port = params.get("SERVER_PORT") ?? "";
  // nginx puts its own name where the client sent no Host, if HTTP_HOST is `$host`; h2o puts `*` there.
  const isStandIn = (host === name || (port !== "" && host === `${name}:${port}`)) && isNoHostName(name);
  if (host !== "" && host !== "*" && !isStandIn) {
    const origin = originOf(`${scheme}://${host}`);
    if (origin === null) throw refusedHost(host);
    return { origin, field: host };
  }
  const origin = isNoHostName(name) ? null : originOf(`${scheme}://${withPort(name, port)}`);
  return { origin: origin ?? `${scheme}://localhost`, field: null };
}

function readScheme(params: FastCgiParams): "http" | "https" {
  const https = (params.get("HTTPS") ?? "").toLowerCase();
  if (https !== "" && https !== "off" && https !== "0") return "https";
  return params.get("REQUEST_SCHEME") === "https" ? "https" : "http";
}

/**
 * Whether a web server's name is none that a client could ask for: a pattern (nginx: `~^www\d+\.`, `*.example.com`), or one that
 * was made up to match nothing (`_`, `--`, `!@#`).
 */
function isNoHostName(name: string): boolean {
  return /^~|\*|^[^A-Za-z0-9]*$|[^A-Za-z0-9\-._~%!$&'()*+,;=:[\]]/.test(name);
}

function withPort(name: string, port: string): string {
  // An IPv6 address may come without brackets.
  const isBareIpv6 = name.indexOf(":") !== name.lastIndexOf(":") && !name.startsWith("[");
  const server = isBareIpv6 ? `[${name}]` : name;
  // HAProxy puts the port into SERVER_NAME.
  return !/^[0-9]{1,5}$/.test(port) || /:[0-9]+$/.test(server.slice(-6)) ? server : `${server}:${port}`;
}

/** No host name is longer (RFC 1035 2.3.4), but for its scheme and port. */
const MAX_ORIGIN_LENGTH = 300;

/**
 * The origin as the URL parser writes it, or null where the host is none or becomes another one. Case and the scheme's own port may
 * change. Sites have few origins, and asking the parser again costs as much as the rest together.
 */
const originOf: (origin: string) => string | null = /* @__PURE__ */ remembered(MAX_ORIGIN_LENGTH, (origin) => {
  const host = origin.slice(origin.indexOf("//") + 2);
  // These bytes end a host, or the parser strips them: a Host header could write the path.
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
