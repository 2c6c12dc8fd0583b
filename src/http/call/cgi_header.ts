// The header block of a CGI response (RFC 3875 6.3), read as leniently as the web servers read it: where nginx, Apache, lighttpd and
// Caddy all answer, so do we. What could become another field or another response is refused: lines without a name, names that are no
// tokens, bare CR and NUL in values.

import { parseLength } from "../../cgi/params.ts";
import type { IncomingResponse } from "../../codec/incoming_response.ts";
import { FastCgiError } from "../../protocol/errors.ts";
import { hasControlBytes, isHopByHop, isToken } from "../shared/header_rules.ts";
import { reasonPhrase } from "../shared/reason_phrase.ts";

/** What a response asks of the web server, beside passing it on. */
export interface CgiOrders {
  /**
   * Where a local redirect leads: a path of the same site, perhaps with a query. Null unless the header block is that Location
   * and nothing else (RFC 3875 6.2.2).
   */
  localRedirect: string | null;
  /** Whether there is an X-Accel-Redirect or X-Sendfile among the headers. */
  asksForFile: boolean;
  /** Whether there is another Status than the one that counts: no right may hang on that. */
  isAmbiguous: boolean;
  /** What the `Variable-` fields of an Authorizer say, by the name behind that prefix as it was written (FastCGI 6.3). */
  variables: ReadonlyMap<string, string>;
}

/** The head of a CGI response. */
export interface CgiHeader extends CgiOrders {
  status: number;
  statusText: string;
  /** Names are in lower case. */
  fields: readonly (readonly [name: string, value: string])[];
  /** What Content-Length says, if it says anything. */
  length: number | null;
}

/** The fields that CGI has a meaning for: one without a value says nothing (RFC 3875 6.3). */
const CGI_FIELDS: ReadonlySet<string> = new Set(["content-type", "location", "status"]);

/** Fields by which an application asks its web server for a file. */
const FILE_FIELDS: ReadonlySet<string> = new Set(["x-accel-redirect", "x-sendfile"]);

/**
 * Fields that have one value, and which of several counts: as in nginx, which takes the last Content-Type and Content-Length (Apache
 * too), and of the others the first. Passed on as they came, each client would choose for itself; joined, they are no value at all.
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
 * A local Location (RFC 3875 6.3.2), more generous than its grammar with bytes that are not ASCII. "//" would name another host, and
 * so would a backslash or a tab to a URL parser; a fragment is for the client.
 */
const LOCAL_LOCATION = /^\/(?!\/)[!-"$-[\]-~\x80-\xff]*$/;

const NO_VARIABLES: ReadonlyMap<string, string> = new Map();

/**
 * The fields of a header block, checked before anything is made of them.
 *
 * @throws {FastCgiError} `malformedResponse`.
 */
export function parseCgiHeader(block: string, response: IncomingResponse): CgiHeader {
  const fields: [name: string, value: string][] = [];
  const singles = new Map<string, [name: string, value: string]>();
  const lines = linesOf(block);
  // FastCGI 6.1 has no NPH output, but fcgiwrap lets it through.
  const statusLine = /^HTTP\/[0-9.]+ (.*)$/.exec(lines[0] ?? "")?.[1];
  let variables: Map<string, string> | null = null;
  let count = 0;
  const statuses = new Set(statusLine === undefined ? [] : [statusLine.slice(0, 3)]);
  for (const text of lines) {
    if (statusLine !== undefined && count++ === 0) continue;
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
    if (name.startsWith(VARIABLE)) {
      variables ??= new Map();
      addVariable(variables, text.slice(VARIABLE.length, name.length), value, response);
    }
  }
  const contentLength = singles.get("content-length");
  const length = parseLength(contentLength?.[1]);
  const location = singles.get("location")?.[1];
  const isLocal = count === 1 && location !== undefined && LOCAL_LOCATION.test(location);
  return {
    ...parseStatus(singles.get("status")?.[1] ?? statusLine, location !== undefined, response),
    // One that is no length says nothing, and the application's output has an end of its own.
    fields: contentLength !== undefined && length === null ? fields.filter((field) => field !== contentLength) : fields,
    length,
    asksForFile: singles.has("x-accel-redirect") || singles.has("x-sendfile"),
    localRedirect: isLocal ? location : null,
    isAmbiguous: statuses.size > 1,
    variables: variables ?? NO_VARIABLES,
  };
}

/** The lines up to the empty one, without what ends them: LF, and any CR before it. */
function linesOf(block: string): string[] {
  const lines: string[] = [];
  for (let start = 0, end = 0; start < block.length; start = end + 1) {
    end = block.indexOf("\n", start);
    let last = end;
    while (last > start && block[last - 1] === "\r") last--;
    if (last === start) break;
    lines.push(block.slice(start, last));
  }
  return lines;
}

/** Starts the name of a field that names a variable (FastCGI 6.3). */
const VARIABLE = "variable-";

/** Rights may hang on a variable, so of two values neither is taken. */
function addVariable(variables: Map<string, string>, name: string, value: string, response: IncomingResponse): void {
  const earlier = variables.get(name);
  if (earlier !== undefined && earlier !== value)
    throw malformedResponse(`it has two of the variable ${name}`, response);
  variables.set(name, value);
}

/** Name, in lower case, and value of a header line. */
function parseField(text: string, response: IncomingResponse): [name: string, value: string] {
  const colon = text.indexOf(":");
  const name = text.slice(0, colon).toLowerCase();
  if (colon === -1 || !isToken(name)) throw malformedResponse(`the header line ${quote(text)} has no name`, response);
  const value = trimBlanks(text.slice(colon + 1));
  if (hasControlBytes(value)) throw malformedResponse(`the header ${name} holds a control byte`, response);
  return [name, value];
}

/** RFC 3875 6.3.3: a status, or 302 for a redirect without one (6.2.3), or 200. */
function parseStatus(
  value: string | undefined,
  redirects: boolean,
  response: IncomingResponse,
): Pick<CgiHeader, "status" | "statusText"> {
  if (value === undefined) return redirects ? { status: 302, statusText: "Found" } : { status: 200, statusText: "OK" };
  const match = /^([0-9]{3})(?:[ \t](.*))?$/.exec(value);
  const status = Number(match?.[1]);
  if (match === null || status < 100) throw malformedResponse(`its status is ${quote(value)}`, response);
  const said = trimBlanks(match[2] ?? "");
  return {
    // A Response can't have another one, and the application's page is worth more than an error: a status that does not exist is to be
    // treated as a 5xx (RFC 9110 15).
    status: status > 599 ? 500 : status,
    // A Response takes no other control byte than a tab here.
    statusText: /^[\t -~\x80-\xff]*$/.test(said) ? said : reasonPhrase(status),
  };
}

/** Without the spaces and tabs around it. `trim()` would take the byte A0 as well, with which "à" ends in UTF-8. */
function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** The application's output is not a CGI response. What it wrote to FCGI_STDERR mostly says why. */
export function malformedResponse(reason: string, { requestId, stderrText: stderr }: IncomingResponse): FastCgiError {
  const said = stderr === "" ? "" : `; it wrote to stderr: ${quote(stderr)}`;
  return new FastCgiError("malformedResponse", `Cannot read the response: ${reason}${said}`, { requestId, stderr });
}

/** For messages: short, and without control characters, which would forge lines of a log. */
function quote(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}
