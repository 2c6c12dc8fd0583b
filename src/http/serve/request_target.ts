// The path and query of a request.
//
// REQUEST_URI has them as the client sent them, byte by byte, and every web server sends it. SCRIPT_NAME and PATH_INFO are decoded,
// normalised or lost, each web server in its own way (specifications/params.md 2). But what the client sent is not always what the
// web server asks for. In a sub-request (nginx: auth_request, SSI; Caddy: forward_auth) and behind an internal redirect (nginx:
// X-Accel-Redirect, error_page, rewrite) REQUEST_URI is still the client's: an application that goes by it answers `auth_request
// /auth` for /private with the page of /private, and its 200 lets every client in. DOCUMENT_URI has the path that the web server is
// at. So the rule is that of nginx's proxy_pass: the target as the client sent it while the path is still the client's, otherwise
// the path and query that the web server is at.

import type { FastCgiParams } from "../../cgi/params.ts";
import type { FastCgiRequest } from "../../codec/incoming_request.ts";
import { FastCgiError } from "../../protocol/errors.ts";

/** What a Request is made of. The pairs are those that came; code between the connection and here may have changed the variables. */
export type ParamsSource = Pick<FastCgiRequest, "params"> & Partial<Pick<FastCgiRequest, "paramPairs">>;

/**
 * Reads path and query, without dot segments, and escaped so that the URL parser changes none of their bytes.
 *
 * @throws {FastCgiError} `malformedRequest` if a URL would have another path than the web server has looked at.
 */
export function targetFromParams(source: ParamsSource): string {
  const target = readTarget(source);
  if (!DOT_SEGMENT.test(target)) return escapeTarget(target);
  const { path, query } = split(target);
  return escapeTarget(`${resolveDotSegments(path)}${query}`);
}

function readTarget(source: ParamsSource): string {
  const { params } = source;
  const uri = params.get("REQUEST_URI") ?? "";
  const serverQuery = params.get("QUERY_STRING");
  // nginx users blank REQUEST_URI to have the variables of RFC 3875 count.
  if (uri === "") return join(escapePath(withSlash(scriptPath(params))), serverQuery);
  const target = originForm(uri, params);
  const documentUri = params.get("DOCUMENT_URI");
  if (documentUri === undefined) return target;
  // Caddy has only the script in DOCUMENT_URI and the rest in PATH_INFO, and so has nginx behind `try_files $fastcgi_script_name`.
  const info = params.get("PATH_INFO") ?? "";
  const documentPath = documentUri.endsWith(info) ? documentUri : documentUri + info;
  if (documentPath === "") return target;
  const { path, query } = split(target);
  // Apache's mod_include sets DOCUMENT_URI too, and no part of it is in PATH_INFO.
  const isClientsPath = isSamePath(path, documentPath) || isSamePath(path, documentUri);
  const isClientsQuery = serverQuery === undefined || serverQuery === query.slice(1);
  if ((isClientsPath && isClientsQuery) || isSetAgain("REQUEST_URI", source)) return target;
  if (isClientsPath) return join(path, serverQuery);
  return isIndex(documentPath) ? target : join(escapePath(withSlash(documentPath)), serverQuery ?? query.slice(1));
}

/** REQUEST_URI without the authority of an absolute form (RFC 9112 3.2). */
function originForm(uri: string, params: FastCgiParams): string {
  if (uri.startsWith("/")) return uri;
  const absolute = /^https?:\/\/[^/?#]*/i.exec(uri);
  // Apache and HAProxy pass an absolute form on, with its authority in HTTP_HOST. h2o takes the whole of it for a path.
  const isPath = absolute === null || /^\/https?:/i.test(scriptPath(params));
  return withSlash(isPath ? uri : uri.slice(absolute[0].length));
}

function scriptPath(params: FastCgiParams): string {
  return `${params.get("SCRIPT_NAME") ?? ""}${params.get("PATH_INFO") ?? ""}`;
}

/** The query begins with its question mark. */
function split(target: string): { path: string; query: string } {
  const mark = target.indexOf("?");
  return mark < 0 ? { path: target, query: "" } : { path: target.slice(0, mark), query: target.slice(mark) };
}

function join(path: string, query = ""): string {
  return query === "" ? path : `${path}?${query}`;
}

/** Whether a variable has another value than before. Configuration that sets REQUEST_URI behind `include fastcgi_params;` means it. */
function isSetAgain(name: string, { params, paramPairs }: ParamsSource): boolean {
  return paramPairs?.some(([other, value]) => other === name && value !== params.get(name)) ?? false;
}

/**
 * Whether a path is the file for a folder or a front controller: `try_files $uri /index.php` and `index` lead there, and mean that
 * it answers the client's target.
 */
function isIndex(path: string): boolean {
  return /\/index\.[^/]+(?:\/|$)/i.test(path);
}

/** Whether the web server is at the client's path: nginx decodes it and removes dot segments, Caddy only decodes it. */
function isSamePath(path: string, documentPath: string): boolean {
  if (path === documentPath && !path.includes("%")) return true;
  const wanted = withoutEmptySegments(withSlash(documentPath));
  return [path, withoutDotSegments(path)].some((one) => withoutEmptySegments(decode(one)) === wanted);
}

function decode(path: string): string {
  return path.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

function withoutEmptySegments(path: string): string {
  return path.replace(/\/{2,}/g, "/");
}

/** `/./` and `/../`, also encoded, and with all that a web server takes for a slash or for the end of the path. */
const DOT_SEGMENT = /(?:\/|%2f)(?:\.|%2e){1,2}(?:\/|%2f|[?#]|$)/i;

/**
 * Removes dot segments as the URL parser does, which does not do it always (Node 20: `/a/.b/../c`).
 *
 * A path is refused if it leads to one place in a URL and to another one at the web server. In front of `..` most web servers have
 * made one slash of several and decoded `%2F`, and nginx and lighttpd end the path at a `#`: `/private//../page` is `/page` to them,
 * so that their rules for /private do not hold, and `/private/page` in a URL.
 */
function resolveDotSegments(path: string): string {
  const inUrl = withoutDotSegments(path);
  const readings = [path, path.replace(/#.*$/s, "")].map((one) => withoutDotSegments(withPlainSlashes(one)));
  const other = readings.find((reading) => reading !== withPlainSlashes(inUrl));
  if (other === undefined) return inUrl;
  const reason = `the path ${JSON.stringify(path)} leads to ${JSON.stringify(other)} or to ${JSON.stringify(inUrl)}`;
  throw new FastCgiError("malformedRequest", `Cannot build a request: ${reason}`);
}

function withPlainSlashes(path: string): string {
  return withoutEmptySegments(path.replace(/%2f/gi, "/"));
}

/** The path without dot segments (RFC 3986 5.2.4, URL Standard 4.4). */
function withoutDotSegments(path: string): string {
  const segments = path.split("/").slice(1);
  const kept: string[] = [];
  for (const [index, segment] of segments.entries()) {
    const dots = /^(?:\.|%2e){1,2}$/i.test(segment) ? segment.replace(/%2e/gi, ".") : "";
    if (dots === "..") kept.pop();
    if (dots === "") kept.push(segment);
    else if (index === segments.length - 1) kept.push("");
  }
  return `/${kept.join("/")}`;
}

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

function withSlash(path: string): string {
  return path.startsWith("/") ? path : `/${path}`;
}
