// CGI meta-variables → Fetch request: method, URL, headers (RFC 3875 4.1). The reverse of request_to_params.ts.

import { FastCgiError } from "../protocol/errors.ts";
import { type DecodedParams, type FastCgiParams, findConflict } from "../protocol/params.ts";
import { hasControlBytes, headerFromParam, isToken } from "./header_rules.ts";
import { remembered } from "./remembered.ts";

/** The parts of a Fetch request. URL and headers cost time, so they are made when asked for. */
export interface RequestParts {
  readonly method: string;
  /** The serialised URL. */
  readonly url: () => string;
  readonly headers: () => Headers;
}

/** Methods that Fetch writes in upper case whatever the client wrote; all others are case-sensitive (RFC 9110 9.1). */
const NORMALIZED: ReadonlySet<string> = new Set(["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"]);

/**
 * Reads the variables of a request. All that could fail later is checked here, so that the parts can be made lazily.
 *
 * @throws {FastCgiError} `malformedRequest` if they do not describe an HTTP request.
 */
export function partsFromParams({ params, repeatedParams }: DecodedParams): RequestParts {
  if (repeatedParams !== null) {
    const conflict = findConflict(repeatedParams);
    if (conflict !== null) throw malformed(`${conflict} came twice with different values`);
  }
  const contentLength = params.get("CONTENT_LENGTH") ?? "";
  if (!/^[0-9]{0,15}$/.test(contentLength) && contentLength !== "-1") {
    throw malformed(`CONTENT_LENGTH is ${JSON.stringify(contentLength)}`);
  }
  params.forEach(checkHeaderValue);
  const method = readMethod(params);
  const { scheme, authority, path } = readTarget(params);
  const origin = checkOrigin(`${scheme}://${authority}`);
  return {
    method,
    url: () => (isPlainPath(path) ? origin + path : new URL(origin + path).href),
    headers: () => readHeaders(params),
  };
}

function checkHeaderValue(value: string, name: string): void {
  if ((name.startsWith("HTTP_") || name === "CONTENT_TYPE") && hasControlBytes(value)) {
    throw malformed(`${name} holds a control byte`);
  }
}

/** Whether the URL parser would change nothing of a path and query: no dot segments, nothing to be escaped. */
function isPlainPath(path: string): boolean {
  return /^[A-Za-z0-9\-._~!$&()*+,;=:@/%?]*$/.test(path) && !/\/\.|%2e/i.test(path);
}

function readMethod(params: FastCgiParams): string {
  const method = params.get("REQUEST_METHOD") ?? "";
  if (NORMALIZED.has(method)) return method;
  if (!isToken(method)) throw malformed(`REQUEST_METHOD is ${JSON.stringify(method)}`);
  const upper = method.toUpperCase();
  return NORMALIZED.has(upper) ? upper : method;
}

interface Target {
  scheme: string;
  authority: string;
  /** Path and query, escaped so that the URL parser changes none of its bytes. */
  path: string;
}

/**
 * REQUEST_URI is the only variable that every web server sends unchanged; SCRIPT_NAME and PATH_INFO are decoded, normalised or
 * lost, each server in its own way (specifications/params.md).
 */
function readTarget(params: FastCgiParams): Target {
  const scheme = readScheme(params);
  const uri = params.get("REQUEST_URI") ?? "";
  const absolute = /^https?:\/\/([^/?#]*)/i.exec(uri);
  if (absolute !== null) {
    // RFC 9112 3.2.2: the authority of an absolute form counts, whatever Host says.
    const rest = uri.slice(absolute[0].length);
    return { scheme, authority: absolute[1]!, path: escapeTarget(rest.startsWith("/") ? rest : `/${rest}`) };
  }
  const authority = readAuthority(params);
  if (uri !== "") return { scheme, authority, path: escapeTarget(uri.startsWith("/") ? uri : `/${uri}`) };
  const path = escapePath(`${params.get("SCRIPT_NAME") ?? ""}${params.get("PATH_INFO") ?? ""}`);
  const query = params.get("QUERY_STRING") ?? "";
  return {
    scheme,
    authority,
    path: `${path.startsWith("/") ? path : `/${path}`}${query === "" ? "" : `?${escapeTarget(query)}`}`,
  };
}

function readScheme(params: FastCgiParams): "http" | "https" {
  const https = (params.get("HTTPS") ?? "").toLowerCase();
  if (https !== "" && https !== "off" && https !== "0") return "https";
  return params.get("REQUEST_SCHEME") === "https" ? "https" : "http";
}

/** The Host header, or where there was none what the web server calls itself. h2o sends `*` for "none". */
function readAuthority(params: FastCgiParams): string {
  const host = params.get("HTTP_HOST") ?? "";
  if (host !== "" && host !== "*") return host;
  const name = params.get("SERVER_NAME") ?? "";
  if (name === "" || name === "*" || name === "_") return "localhost";
  const port = params.get("SERVER_PORT") ?? "";
  // An IPv6 address may come without brackets.
  const isBareIpv6 = name.indexOf(":") !== name.lastIndexOf(":") && !name.startsWith("[");
  const server = isBareIpv6 ? `[${name}]` : name;
  // HAProxy puts the port into SERVER_NAME.
  return !/^[0-9]{1,5}$/.test(port) || /:[0-9]+$/.test(server.slice(-6)) ? server : `${server}:${port}`;
}

/** No host name is longer (RFC 1035 2.3.4), but for its scheme and port. */
const MAX_ORIGIN_LENGTH = 300;

/** The origin as the URL parser writes it. Sites have few, and asking the parser again costs as much as the rest together. */
const checkOrigin: (origin: string) => string = /* @__PURE__ */ remembered(MAX_ORIGIN_LENGTH, (origin) => {
  const host = origin.slice(origin.indexOf("//") + 2);
  // Bytes that end a host, or that the parser strips, would let a Host header write the path.
  if (/[^!-~]|[/\\?#@]/.test(host) || !URL.canParse(origin)) throw malformed(`the host is ${JSON.stringify(host)}`);
  return new URL(origin).origin;
});

/** Escapes what the URL parser would strip, convert or take for a fragment; it leaves the rest of a target as it is. */
function escapeTarget(target: string): string {
  return target.replace(/[^!-~]|[#\\]/g, percentEncode);
}

/** Escapes a decoded path (RFC 3986 3.3). */
function escapePath(path: string): string {
  return path.replace(/[^A-Za-z0-9\-._~!$&'()*+,;=:@/]/g, percentEncode);
}

function percentEncode(byte: string): string {
  return `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
}

function readHeaders(params: FastCgiParams): Headers {
  const headers = new Headers();
  for (const [param, value] of params) {
    const name = headerFromParam(param);
    if (name !== null) headers.append(name, value);
  }
  const type = params.get("CONTENT_TYPE") ?? "";
  if (type !== "") headers.set("content-type", type);
  const length = params.get("CONTENT_LENGTH") ?? "";
  // lighttpd, HAProxy and others say 0 where the client said nothing.
  if (/^[0-9]+$/.test(length) && length !== "0") headers.set("content-length", length);
  return headers;
}

function malformed(reason: string): FastCgiError {
  return new FastCgiError("malformedRequest", `Cannot build a request: ${reason}`);
}
