// Fetch request → CGI meta-variables, by the contract of nginx's `fastcgi_params` and php-fpm (specifications/params.md).
// The reverse of params_to_request.ts.

import { checkInteger, checkString, unexpected } from "../../base/unexpected.ts";
import type { FastCgiKnownParams, FastCgiParam } from "../../cgi/known_params.ts";
import { utf8ToByteString } from "../../protocol/byte_string.ts";
import { FastCgiError } from "../../protocol/errors.ts";
import type { NameValuePair } from "../../protocol/name_value_pairs.ts";
import { plainAddress } from "../../transport/address.ts";
import { hasControlBytes, paramFromHeader } from "../shared/header_rules.ts";
import { percentDecode } from "../shared/percent.ts";
import type { FastCgiScript } from "./script.ts";

/** The members that are used of headers: those of Headers, or of a Map with names in lower case. */
export interface HeaderFields {
  get(name: string): string | null | undefined;
  forEach(callback: (value: string, name: string) => void): void;
}

/** The head of a Request: the part that becomes variables. */
export interface HttpRequestHead {
  readonly method: string;
  readonly url: string | URL;
  readonly headers: HeaderFields;
}

/** The addresses of both ends of a request, which a Request does not know. */
export interface FastCgiHttpPeers {
  /**
   * The HTTP client's address: REMOTE_ADDR. Applications grant rights by it, so it is never guessed. It is sent in the
   * form that they compare: an IPv4 client that a dual-stack listener reports as `::ffff:192.0.2.7` is sent as
   * `192.0.2.7`, and an IPv6 address without brackets, port and zone.
   *
   * @default {"0.0.0.0"} (no client's address)
   */
  remoteAddress?: string | undefined;
  /** The HTTP client's port: REMOTE_PORT. */
  remotePort?: number | undefined;
  /** The address that the request came to: SERVER_ADDR, in the form of REMOTE_ADDR. */
  serverAddress?: string | undefined;
  /**
   * The port that the request came to: SERVER_PORT.
   *
   * @default {the port of the URL}
   */
  serverPort?: number | undefined;
  /**
   * The version of TLS that the HTTP client speaks: SSL_PROTOCOL, as Apache's mod_ssl and Caddy write it. It is what
   * `socket.getProtocol()` of Node gives: `"TLSv1.3"`.
   *
   * @default {none}
   */
  tlsProtocol?: string | undefined;
}

/**
 * Variables by name. Values are byte strings, one character per byte; `utf8ToByteString` makes them of text. A value
 * that is not a string, such as a number, is refused with a TypeError that names the variable: write `String(8080)`, or
 * use the options `serverPort` and `remotePort`.
 */
export type FastCgiHttpParams = (FastCgiKnownParams & Readonly<Record<string, string>>) | Iterable<FastCgiParam>;

/** What {@linkcode paramsFromRequest} needs besides the request. */
export interface ParamsFromRequestOptions extends FastCgiHttpPeers {
  /** The script. Without one, the whole path is SCRIPT_NAME, as with nginx's `fastcgi_params`. */
  script?: FastCgiScript | undefined;
  /** Variables that override those of the request, the weakest first. */
  overrides?: readonly (FastCgiHttpParams | undefined)[];
}

/** The name and version of this library (RFC 3875 4.1.17). A test keeps the version in step with package.json. */
export const SERVER_SOFTWARE = "fetchcgi/0.1.0";

/**
 * The variables of a request, apart from the length of its body, which {@linkcode setContentLength} sets. Only the
 * headers of a request can name variables, and only `HTTP_*`.
 *
 * @throws {FastCgiError} `malformedRequest` if the decoded path holds NUL, CR, LF or a `..` segment.
 * @throws {TypeError} If the URL is none of HTTP.
 */
export function paramsFromRequest(
  request: HttpRequestHead,
  options: ParamsFromRequestOptions = {},
): Map<string, string> {
  const { script, overrides = [] } = options;
  // Stryker disable next-line ConditionalExpression: a copy of the URL says the same
  const url = typeof request.url === "string" ? new URL(request.url) : request.url;
  checkScheme(url);
  const { pathname, search } = url;
  const params = new Map<string, string>()
    .set("GATEWAY_INTERFACE", "CGI/1.1")
    .set("SERVER_SOFTWARE", SERVER_SOFTWARE)
    .set("SERVER_PROTOCOL", "HTTP/1.1")
    .set("REQUEST_METHOD", request.method)
    .set("REQUEST_URI", pathname + search)
    .set("QUERY_STRING", search.slice(1))
    .set("CONTENT_TYPE", request.headers.get("content-type") ?? "")
    .set("CONTENT_LENGTH", "");
  addScript(params, decodePath(pathname), script);
  addUrl(params, url);
  addPeers(params, options);
  request.headers.forEach((value, name) => {
    const param = paramFromHeader(name);
    if (param !== null) params.set(param, value);
  });
  // A Request that a program made has no Host header, but its URL names the host.
  if (!params.has("HTTP_HOST")) params.set("HTTP_HOST", url.host);
  for (const override of overrides) {
    for (const [name, value] of pairsOf(override)) params.set(name, value);
  }
  return params;
}

/** Deno names what came over a Unix socket `http+unix:`. `localhost:80/` is a URL as well: its scheme is `localhost:`. */
function checkScheme({ protocol, href }: URL): void {
  if (!/^https?[:+]/.test(protocol)) throw unexpected("Cannot send the request: expected an http: or https: URL", href);
}

/**
 * Sets CONTENT_LENGTH to the number of bytes that are sent, whatever it was before: php-fpm loses or cuts a body, or
 * waits for ever, if the number is wrong.
 *
 * @param length null for a request without a body, `"unknown"` for a body that is sent without a length.
 */
export function setContentLength(params: Map<string, string>, length: number | null | "unknown"): void {
  if (length === "unknown") params.delete("CONTENT_LENGTH");
  else params.set("CONTENT_LENGTH", length === null ? "" : String(length));
}

function addScript(params: Map<string, string>, path: string, script: FastCgiScript | undefined): void {
  // Without it, PHP built with --enable-force-cgi-redirect runs no script.
  params.set("REDIRECT_STATUS", "200");
  if (script === undefined) {
    params.set("SCRIPT_NAME", path).set("DOCUMENT_URI", path);
    return;
  }
  const { filename, pathInfo = "" } = script;
  const name = utf8ToByteString(script.name ?? `/${filename.slice(filename.lastIndexOf("/") + 1)}`);
  // An empty PATH_INFO is not sent: rules that split paths for PHP have misread it (CVE-2019-11043).
  if (pathInfo !== "") params.set("PATH_INFO", pathInfo);
  params
    .set("SCRIPT_FILENAME", utf8ToByteString(filename))
    .set("SCRIPT_NAME", name)
    .set("DOCUMENT_URI", name + pathInfo)
    .set("DOCUMENT_ROOT", utf8ToByteString(script.documentRoot ?? folderOf(filename)));
}

function folderOf(filename: string): string {
  return filename.slice(0, Math.max(filename.lastIndexOf("/"), 0)) || "/";
}

function addUrl(params: Map<string, string>, url: URL): void {
  const https = url.protocol === "https:";
  params
    .set("REQUEST_SCHEME", https ? "https" : "http")
    .set("SERVER_NAME", url.hostname)
    .set("SERVER_PORT", url.port || (https ? "443" : "80"));
  if (https) params.set("HTTPS", "on");
}

/** The variable of each option, and what it holds if that is not any text. */
export const PEERS: {
  readonly [Name in keyof Required<FastCgiHttpPeers>]: readonly [string, "address" | "port" | null];
} = {
  remoteAddress: ["REMOTE_ADDR", "address"],
  remotePort: ["REMOTE_PORT", "port"],
  serverAddress: ["SERVER_ADDR", "address"],
  serverPort: ["SERVER_PORT", "port"],
  tlsProtocol: ["SSL_PROTOCOL", null],
};
const PEER_NAMES = Object.keys(PEERS) as (keyof FastCgiHttpPeers)[];

function addPeers(params: Map<string, string>, peers: FastCgiHttpPeers): void {
  params.set("REMOTE_ADDR", "0.0.0.0");
  for (const name of PEER_NAMES) {
    const [variable, kind] = PEERS[name];
    const value: unknown = peers[name];
    if (value === undefined || value === null) continue;
    const task = `Cannot set the variable ${variable}`;
    if (kind === "port") checkInteger(value, task, name, 0, 65_535);
    else checkString(value, task, name);
    params.set(variable, kind === "address" ? plainAddress(value as string) : String(value));
  }
}

/** The decoded path (RFC 3875 4.1.5), as a byte string. */
function decodePath(pathname: string): string {
  // A parsed URL has control bytes only as %XX.
  // Stryker disable next-line ConditionalExpression,BooleanLiteral,StringLiteral: a shortcut, to decode nothing in most paths
  if (!pathname.includes("%") && !pathname.includes("..")) return pathname;
  const path = percentDecode(pathname);
  // CVE-2019-11043 began with a %0a, and a NUL ends a name in C.
  if (hasControlBytes(path)) throw refusedPath(path, "holds a control byte");
  // The URL parser has resolved plain ".." segments. One between encoded slashes would lead a script out of its folder.
  if (path.split("/").includes("..")) throw refusedPath(path, "leads upwards");
  return path;
}

function refusedPath(path: string, reason: string): FastCgiError {
  const message = `Cannot send the request: its path ${JSON.stringify(path)} ${reason}`;
  return new FastCgiError("malformedRequest", message);
}

/**
 * Checks the variables that a program gives. Their values are checked when they are sent, with the name of each.
 *
 * @throws {TypeError} If they are not variables.
 */
export function checkParams(params: FastCgiHttpParams | undefined): void {
  if (params === undefined) return;
  const message = "Cannot use params: expected an object of variables, pairs [name, value] or a Map";
  if (typeof params !== "object" || params === null) throw unexpected(message, params);
  if (Array.isArray(params) && !params.every(Array.isArray))
    throw new TypeError(`${message}, got something else in it`);
}

function pairsOf(params: FastCgiHttpParams | undefined): Iterable<NameValuePair> {
  if (params === undefined) return [];
  checkParams(params);
  return Symbol.iterator in params ? (params as Iterable<NameValuePair>) : Object.entries(params);
}
