// Which HTTP headers cross between a web server and an application, and under what name. RFC 3875 4.1.18 maps a header to a
// variable by upper-casing and turning "-" into "_", and that can't be undone: what could collide or pretend is kept out.

import { remembered } from "../../base/remembered.ts";

/** Headers of one connection, not of the message (RFC 9110 7.6.1). */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Whether a header belongs to a connection and must not be passed on. `name` is in lower case. */
export function isHopByHop(name: string): boolean {
  return HOP_BY_HOP.has(name);
}

/**
 * Headers that no variable may make, in whatever spelling. The body's length and type have variables of their own (RFC 3875
 * 4.1.2, 4.1.3), and nginx and Caddy send both; the transfer coding is the web server's business; and HTTP_PROXY is
 * where many programs look for an outgoing proxy (CVE-2016-5385).
 */
const IMPOSTORS: ReadonlySet<string> = new Set(["content-length", "content-type", "proxy", "transfer-encoding"]);

const MAX_NAME_LENGTH = 64;

/** The header behind a variable, in lower case, or null if there is none to be had. */
export const headerFromParam: (param: string) => string | null = /* @__PURE__ */ remembered(
  MAX_NAME_LENGTH,
  (param) => {
    if (!param.startsWith("HTTP_")) return null;
    const name = param.slice("HTTP_".length).replaceAll("_", "-").toLowerCase();
    return isToken(name) && !IMPOSTORS.has(name) ? name : null;
  },
);

/**
 * Headers that never become a variable: they have one of their own, belong to the connection, or are believed by somebody
 * behind (`Proxy`: CVE-2016-5385; `Redirect-Status`: PHP takes it for the web server's word, CVE-2024-8927).
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
 * The variable for a header, or null for one that must not cross. Names outside `[A-Za-z0-9-]` would collide: `Remote_User` and
 * `Remote.User` are `Remote-User` to PHP.
 */
export const paramFromHeader: (name: string) => string | null = /* @__PURE__ */ remembered(MAX_NAME_LENGTH, (name) => {
  const lower = name.toLowerCase();
  if (HOP_BY_HOP.has(lower) || NOT_FORWARDED.has(lower) || !/^[a-z0-9-]+$/.test(lower)) return null;
  return `HTTP_${lower.replaceAll("-", "_").toUpperCase()}`;
});

/** Whether `text` is a token (RFC 9110 5.6.2), as methods and header names are. */
export function isToken(text: string): boolean {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text);
}

/** Whether a header value holds what would end it early (RFC 9110 5.5). */
export function hasControlBytes(value: string): boolean {
  return /[\0\r\n]/.test(value);
}

/** Whether `text` can stand behind a status (RFC 9112 4). */
export function isReasonPhrase(text: string): boolean {
  return /^[\t -~\x80-\xff]*$/.test(text);
}

/** Statuses whose responses have no body (Fetch: null body statuses). */
export function isNullBodyStatus(status: number): boolean {
  return status === 204 || status === 205 || status === 304 || status < 200;
}
