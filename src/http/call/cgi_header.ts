// The header block of a CGI response (RFC 3875 6.3), read as leniently as the web servers read it: what nginx, Apache,
// lighttpd and Caddy all accept is accepted here. What could become another field or another response is refused: lines
// without a name, names that are not tokens, bare CR and NUL in values.

import { parseLength } from "../../cgi/params.ts";
import type { IncomingResponse } from "../../codec/incoming_response.ts";
import { FastCgiError } from "../../protocol/errors.ts";
import { hasControlBytes, isHopByHop, isReasonPhrase, isToken, VARIABLE_PREFIX } from "../shared/header_rules.ts";

/** What a response asks the web server to do, besides passing it on. */
export interface CgiOrders {
  /**
   * The target of a local redirect: a path of the same site, perhaps with a query. Null unless the header block is that
   * Location and nothing else (RFC 3875 6.2.2).
   */
  localRedirect: string | null;
  /** Whether there is an X-Accel-Redirect or X-Sendfile among the fields. */
  asksForFile: boolean;
  /** Whether there are two different statuses. Such a response must not grant a right. */
  isAmbiguous: boolean;
  /** The `Variable-` fields of an Authorizer, by the name after that prefix, spelled as it came (FastCGI 6.3). */
  variables: ReadonlyMap<string, string>;
}

/** The head of a CGI response. */
export interface CgiHeader extends CgiOrders {
  status: number;
  statusText: string;
  /** Names are in lower case. */
  fields: readonly (readonly [name: string, value: string])[];
  /** The Content-Length; null if there is none or it is not a number. */
  length: number | null;
}

/** Fields with a meaning in CGI. Without a value they are ignored (RFC 3875 6.3). */
const CGI_FIELDS: ReadonlySet<string> = new Set(["content-type", "location", "status"]);

/** Fields by which an application asks its web server to send a file. */
const FILE_FIELDS: ReadonlySet<string> = new Set(["x-accel-redirect", "x-sendfile"]);

/**
 * Fields that can have only one value, and which value counts if there are several. As in nginx, that is the last
 * Content-Type and Content-Length (in Apache too), and the first of any other field. If all were passed on, each HTTP
 * client would choose for itself; joined, they would be no valid value.
 */
const SINGLE_FIELDS: ReadonlyMap<string, "first" | "last"> = new Map([
  ["content-length", "last"],
  ["content-type", "last"],
  ...[
    "age",
    "content-disposition",
    "content-location",
    "content-range",
    "date",
    "etag",
    "expires",
    "last-modified",
    "location",
    "retry-after",
    "server",
    "status",
    ...FILE_FIELDS,
  ].map((name) => [name, "first"] as const),
]);

/**
 * A local Location (RFC 3875 6.3.2). Unlike that grammar it allows bytes outside ASCII. It allows no "//", which would
 * name another host, nor what a URL parser would turn into one (a backslash, a tab). A fragment makes it a redirect for
 * the client.
 */
const LOCAL_LOCATION = /^\/(?!\/)[!-"$-[\]-~\x80-\xff]*$/;

const NO_VARIABLES: ReadonlyMap<string, string> = new Map();

/**
 * Parses a header block and checks its fields.
 *
 * @throws {FastCgiError} `malformedResponse`.
 */
export function parseCgiHeader(block: string, response: IncomingResponse): CgiHeader {
  const fields: [name: string, value: string][] = [];
  const singles = new Map<string, [name: string, value: string]>();
  const lines = linesOf(block);
  // FastCGI 6.1 excludes a status line of HTTP (NPH output), but fcgiwrap passes it on.
  const statusLine = lines[0]?.match(/^HTTP\/[0-9.]+ (.*)$/)?.[1];
  let variables: Map<string, string> | null = null;
  /** The number of fields that are not ignored. */
  let count = 0;
  const statuses = new Set(statusLine === undefined ? [] : [statusLine.slice(0, 3)]);
  for (const text of statusLine === undefined ? lines : lines.slice(1)) {
    const field = parseField(text, response);
    const [name, value] = field;
    if (value === "" && CGI_FIELDS.has(name)) continue;
    count++;
    if (name === "status") statuses.add(value.slice(0, 3));
    const rule = SINGLE_FIELDS.get(name);
    if (rule !== undefined) {
      const earlier = singles.get(name);
      if (earlier === undefined) singles.set(name, field);
      else if (rule === "last") earlier[1] = value;
      if (earlier !== undefined || name === "status") continue;
    }
    if (isHopByHop(name)) continue;
    fields.push(field);
    if (name.startsWith(VARIABLE_PREFIX)) {
      variables ??= new Map();
      addVariable(variables, text.slice(VARIABLE_PREFIX.length, name.length), value, response);
    }
  }
  const contentLength = singles.get("content-length");
  const length = parseLength(contentLength?.[1]);
  const location = singles.get("location")?.[1];
  const target = count === 1 && statusLine === undefined ? location?.match(LOCAL_LOCATION)?.[0] : undefined;
  return {
    ...parseStatus(singles.get("status")?.[1] ?? statusLine, location !== undefined, response),
    // A Content-Length that is not a number is dropped. The application's output has an end of its own.
    fields: length === null ? fields.filter((field) => field !== contentLength) : fields,
    length,
    asksForFile: singles.has("x-accel-redirect") || singles.has("x-sendfile"),
    localRedirect: target ?? null,
    isAmbiguous: statuses.size > 1,
    variables: variables ?? NO_VARIABLES,
  };
}

/** The lines before the empty one, each without its end: LF, and any CR before it. */
function linesOf(block: string): string[] {
  const lines: string[] = [];
  for (let start = 0; ; ) {
    const feed = block.indexOf("\n", start);
    const end = feed === -1 ? block.length : feed;
    let last = end;
    while (block[last - 1] === "\r") last--;
    // Empty, or behind the end of a block whose last line has none.
    if (last <= start) return lines;
    lines.push(block.slice(start, last));
    start = end + 1;
  }
}

/** Adds a variable. A variable may grant rights, so two different values are refused. */
function addVariable(variables: Map<string, string>, name: string, value: string, response: IncomingResponse): void {
  const earlier = variables.get(name);
  if (earlier !== undefined && earlier !== value)
    throw malformedResponse(`it has two of the variable ${name}`, response);
  variables.set(name, value);
}

/** The name, in lower case, and the value of a header line. */
function parseField(text: string, response: IncomingResponse): [name: string, value: string] {
  const colon = text.indexOf(":");
  const name = text.slice(0, colon).toLowerCase();
  if (colon === -1 || !isToken(name)) throw malformedResponse(`the header line ${quote(text)} has no name`, response);
  const value = trimBlanks(text.slice(colon + 1));
  if (hasControlBytes(value)) throw malformedResponse(`the header ${name} holds a control byte`, response);
  return [name, value];
}

/** The status that is given (RFC 3875 6.3.3); else 302 for a redirect (6.2.3), or 200. */
function parseStatus(
  value: string | undefined,
  isRedirect: boolean,
  response: IncomingResponse,
): Pick<CgiHeader, "status" | "statusText"> {
  if (value === undefined) return isRedirect ? { status: 302, statusText: "Found" } : { status: 200, statusText: "OK" };
  const match = /^([0-9]{3})(?:[ \t](.*))?$/.exec(value);
  const status = Number(match?.[1]);
  if (match === null || status < 100) throw malformedResponse(`its status is ${quote(value)}`, response);
  const said = trimBlanks(match[2] ?? "");
  return {
    // A Response can't have a higher status. RFC 9110 15 treats a status that does not exist as a 5xx, and the
    // application's page is worth more than an error.
    status: status > 599 ? 500 : status,
    // A Response refuses all control bytes but a tab here. Without a phrase nothing is lost: it has no meaning.
    statusText: isReasonPhrase(said) ? said : "",
  };
}

/** `text` without spaces and tabs at its ends. `trim()` would also remove the byte A0, with which "à" ends in UTF-8. */
function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  // Both stop at the ends of the text, because NaN, the code beyond them, is no blank.
  while (isBlank(text.charCodeAt(start))) start++;
  while (isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/**
 * Makes the error for output that is not a CGI response. It quotes FCGI_STDERR, where an application mostly says why.
 */
export function malformedResponse(reason: string, { requestId, stderrText: stderr }: IncomingResponse): FastCgiError {
  const said = stderr === "" ? "" : `; it wrote to stderr: ${quote(stderr)}`;
  return new FastCgiError("malformedResponse", `Cannot read the response: ${reason}${said}`, { requestId, stderr });
}

/** Quotes a text for a message: shortened, and with control characters escaped, which could forge lines of a log. */
function quote(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}
