// Which HTTP headers pass between a web server and an application, and under which names. RFC 3875 4.1.18 makes the
// name of a variable by upper-casing the header's name and turning "-" into "_". That can't be undone, so a header that
// could collide with another variable, or pass for one, is left out.

import { remembered } from "../../base/remembered.ts";

/** Headers that belong to one connection and not to the message (RFC 9110 7.6.1). */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Whether a header belongs to one connection and must not be passed on. `name` is in lower case. */
export function isHopByHop(name: string): boolean {
  return HOP_BY_HOP.has(name);
}

/**
 * Headers that are never made of a variable, however it is spelled. The body's length and type have variables of their
 * own (RFC 3875 4.1.2, 4.1.3), though nginx and Caddy send HTTP_CONTENT_LENGTH and HTTP_CONTENT_TYPE as well; the
 * transfer coding is the web server's business; and HTTP_PROXY is where many programs look for an outgoing proxy
 * (CVE-2016-5385).
 */
const IMPOSTORS: ReadonlySet<string> = new Set(["content-length", "content-type", "proxy", "transfer-encoding"]);

/** The longest name for which an answer is remembered. */
export const MAX_NAME_LENGTH = 64;

/** The header that a variable was made of, in lower case; null if it was made of none. */
export const headerFromParam: (param: string) => string | null = /* @__PURE__ */ remembered(
  MAX_NAME_LENGTH,
  (param) => {
    if (!param.startsWith("HTTP_")) return null;
    const name = param.slice("HTTP_".length).replaceAll("_", "-").toLowerCase();
    return isToken(name) && !IMPOSTORS.has(name) ? name : null;
  },
);

/**
 * Headers that are never made into a variable: they have a variable of their own, belong to the connection, or would be
 * trusted by a program behind the application (`Proxy`: CVE-2016-5385; `Redirect-Status`: PHP takes it for the web
 * server's word, CVE-2024-8927).
 */
const NOT_FORWARDED: ReadonlySet<string> = new Set([
  "content-length",
  "content-type",
  "expect",
  "proxy",
  "proxy-authorization",
  "redirect-status",
]);

/**
 * The variable for a header, or null if the header must not be passed on. Names outside `[A-Za-z0-9-]` would collide:
 * PHP reads `Remote_User` and `Remote.User` as `Remote-User`.
 */
export const paramFromHeader: (name: string) => string | null = /* @__PURE__ */ remembered(MAX_NAME_LENGTH, (name) => {
  const lower = name.toLowerCase();
  if (HOP_BY_HOP.has(lower) || NOT_FORWARDED.has(lower) || !/^[a-z0-9-]+$/.test(lower)) return null;
  return `HTTP_${lower.replaceAll("-", "_").toUpperCase()}`;
});

/** The prefix of header fields by which an Authorizer sets variables (FastCGI 6.3). In lower case. */
export const VARIABLE_PREFIX = "variable-";

/** Whether `text` is a token (RFC 9110 5.6.2), as methods and header names are. */
export function isToken(text: string): boolean {
  return typeof text === "string" && /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text);
}

/** NUL, CR and LF, which would end a header value early (RFC 9110 5.5). */
export const CONTROL_BYTES = "\0\r\n";

/** Whether a header value holds one of {@linkcode CONTROL_BYTES}. */
export function hasControlBytes(value: string): boolean {
  return /[\0\r\n]/.test(value);
}

/** Whether `text` can be the reason phrase after a status (RFC 9112 4). */
export function isReasonPhrase(text: string): boolean {
  return /^[\t -~\x80-\xff]*$/.test(text);
}

/** Statuses whose responses have no body (Fetch: null body statuses). */
export function isNullBodyStatus(status: number): boolean {
  return status === 204 || status === 205 || status === 304 || status < 200;
}
