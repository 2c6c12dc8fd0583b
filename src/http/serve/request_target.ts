// The path and query of a request.
//
// REQUEST_URI has them byte by byte as the client sent them, and every web server sends it. SCRIPT_NAME and PATH_INFO
// are decoded, normalised or lost, by each web server in its own way (specifications/params.md 2).
//
// But a web server does not always ask for what the client sent. In a sub-request (nginx: auth_request, SSI; Caddy:
// forward_auth) and after an internal redirect (nginx: X-Accel-Redirect, error_page, rewrite) REQUEST_URI is still the
// client's. An application that used it would answer `auth_request /auth` for /private with its page for /private, and
// that 200 lets every client in. DOCUMENT_URI has the path that the web server now asks for. So the rule is that of
// nginx's proxy_pass: as long as the web server asks for the client's path, the target is what the client sent;
// otherwise it is the web server's own path and query.

import type { Variables } from "../../cgi/variables.ts";
import type { FastCgiRequest } from "../../codec/incoming_request.ts";
import { FastCgiError } from "../../protocol/errors.ts";
import { percentDecode, percentEncode } from "../shared/percent.ts";

/**
 * The variables that a target is read from. `paramPairs` are those that came; the program may have changed `variables`
 * since.
 */
export interface TargetSource extends Partial<Pick<FastCgiRequest, "paramPairs">> {
  readonly variables: Pick<Variables, "get">;
}

/**
 * Reads the path and query, without dot segments, and escaped so that the URL parser changes none of their bytes.
 *
 * @throws {FastCgiError} `malformedRequest` if the URL would have another path than the one the web server checked.
 */
export function targetFromParams(source: TargetSource): string {
  const target = readTarget(source);
  if (!DOT_SEGMENT.test(target)) return escapeTarget(target);
  const { path, query } = split(target);
  return escapeTarget(`${resolveDotSegments(path)}${query}`);
}

function readTarget(source: TargetSource): string {
  const { variables } = source;
  const uri = variables.get("REQUEST_URI") ?? "";
  const serverQuery = variables.get("QUERY_STRING");
  // nginx users set REQUEST_URI to nothing to make the variables of RFC 3875 count.
  if (uri === "") return join(escapePath(withSlash(scriptPath(variables))), serverQuery);
  const target = originForm(uri, variables);
  const documentUri = variables.get("DOCUMENT_URI");
  if (documentUri === undefined) return target;
  // Caddy puts only the script into DOCUMENT_URI and the rest into PATH_INFO; nginx does so after
  // `try_files $fastcgi_script_name`.
  const info = variables.get("PATH_INFO") ?? "";
  const documentPath = documentUri.endsWith(info) ? documentUri : documentUri + info;
  if (documentPath === "") return target;
  const { path, query } = split(target);
  // Apache's mod_include sets DOCUMENT_URI too: there it is the whole path, whatever PATH_INFO holds.
  const isClientsPath = isSamePath(path, documentPath) || isSamePath(path, documentUri);
  const isClientsQuery = serverQuery === undefined || serverQuery === query.slice(1);
  if ((isClientsPath && isClientsQuery) || isSetAgain("REQUEST_URI", source)) return target;
  if (isClientsPath) return join(path, serverQuery);
  return isIndex(documentPath) ? target : join(escapePath(withSlash(documentPath)), serverQuery ?? query.slice(1));
}

/** REQUEST_URI without the authority of an absolute form (RFC 9112 3.2). */
function originForm(uri: string, variables: TargetSource["variables"]): string {
  if (uri.startsWith("/")) return uri;
  const absolute = /^https?:\/\/[^/?#]*/i.exec(uri);
  // Apache and HAProxy pass on an absolute form, with its authority in HTTP_HOST. h2o takes the whole form for a path.
  const isPath = absolute === null || /^\/https?:/i.test(scriptPath(variables));
  return withSlash(isPath ? uri : uri.slice(absolute[0].length));
}

function scriptPath(variables: TargetSource["variables"]): string {
  return `${variables.get("SCRIPT_NAME") ?? ""}${variables.get("PATH_INFO") ?? ""}`;
}

/** Cuts a target into path and query. The query keeps its question mark. */
function split(target: string): { path: string; query: string } {
  const mark = target.indexOf("?");
  return mark === -1 ? { path: target, query: "" } : { path: target.slice(0, mark), query: target.slice(mark) };
}

function join(path: string, query = ""): string {
  return query === "" ? path : `${path}?${query}`;
}

/**
 * Whether a variable was set again, by configuration after `include fastcgi_params;` or by the program: then its value
 * is meant.
 */
function isSetAgain(name: string, { variables, paramPairs }: TargetSource): boolean {
  return paramPairs?.some(([other, value]) => other === name && value !== variables.get(name)) ?? false;
}

/**
 * Whether a path is an index file or a front controller. nginx's `index` and `try_files $uri /index.php` lead to such a
 * file, which is meant to answer the client's target.
 */
function isIndex(path: string): boolean {
  return /\/index\.[^/]/i.test(path);
}

/**
 * Whether the web server still asks for the client's path: nginx decodes it and removes dot segments, Caddy only
 * decodes it.
 */
function isSamePath(path: string, documentPath: string): boolean {
  // Stryker disable next-line ConditionalExpression,StringLiteral: a shortcut, for such paths are the same below
  if (path === documentPath && !path.includes("%")) return true;
  const wanted = withoutEmptySegments(withSlash(documentPath));
  return [path, withoutDotSegments(path)].some((one) => withoutEmptySegments(percentDecode(one)) === wanted);
}

function withoutEmptySegments(path: string): string {
  return path.replace(/\/{2,}/g, "/");
}

/**
 * `/./` and `/../`, also percent-encoded, and followed by anything that a web server takes for a slash or for the end
 * of the path.
 */
const DOT_SEGMENT = /(?:\/|%2f)(?:\.|%2e){1,2}(?:\/|%2f|[?#]|$)/i;

/**
 * Removes dot segments as the URL parser does. The parser is not used, because that of Node 20 leaves some:
 * `/a/.b/../c`.
 *
 * A path is refused if it leads to one place in a URL and to another at the web server. Before they apply `..`, most
 * web servers merge slashes and decode `%2F`, and nginx and lighttpd end the path at a `#`: they take
 * `/private//../page` for `/page`, so that their rules for /private do not apply, but in a URL it is `/private/page`.
 */
function resolveDotSegments(path: string): string {
  const inUrl = withoutDotSegments(path);
  const readings = [path, path.replace(/#.*/s, "")].map((one) => withoutDotSegments(withPlainSlashes(one)));
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

/**
 * Escapes what the URL parser would remove, convert or take for a fragment. All other bytes of a target stay as they
 * are.
 */
function escapeTarget(target: string): string {
  return target.replace(/[^!-~]|[#\\]/g, percentEncode);
}

/** Escapes a decoded path (RFC 3986 3.3). */
function escapePath(path: string): string {
  return path.replace(/[^A-Za-z0-9\-._~!$&'()*+,;=:@/]/g, percentEncode);
}

function withSlash(path: string): string {
  return path.startsWith("/") ? path : `/${path}`;
}
