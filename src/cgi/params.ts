import type { NameValuePair } from "../protocol/name_value_pairs.ts";
import type { FastCgiParamName } from "./known_params.ts";

/** The variables of a request: one value for each name. Names and values are byte strings. Every Map of strings is one. */
export interface FastCgiParams extends ReadonlyMap<string, string> {
  /** The value of a variable. */
  get(name: FastCgiParamName): string | undefined;
  /** Whether there is a variable of this name; its value may be empty. */
  has(name: FastCgiParamName): boolean;
}

/**
 * Variables without `HTTP_` that web servers make of a client's header line. HAProxy and h2o put CONTENT_TYPE between
 * the other headers. All other variables without `HTTP_` are the web server's own.
 */
const FROM_HEADER_LINES: ReadonlySet<string> = new Set(["CONTENT_LENGTH", "CONTENT_TYPE"]);

/**
 * Makes a map of the pairs. If a name comes more than once, the last value counts, as in PHP and Go: nginx is
 * configured by `include fastcgi_params;` with further values after it.
 *
 * Headers are the exception, because a client may send one in several lines. nginx before 1.23, HAProxy and h2o make a
 * variable of each line, and these are joined as HTTP joins the lines (RFC 9110 5.3; cookies with `; `, RFC 9113
 * 8.2.3). The lines of a client come in one run. So a header variable that comes again after one of the web server's
 * own variables was set again in its configuration, and the last value counts. HTTP_HOST is never joined, because every
 * web server takes only one line of it.
 */
export function paramsFromPairs(pairs: readonly NameValuePair[]): FastCgiParams {
  const params = new Map<string, string>();
  /** The run of headers in which each name came last. */
  const runs = new Map<string, number>();
  let run = 0;
  for (const [name, value] of pairs) {
    if (!name.startsWith("HTTP_")) {
      // Stryker disable next-line UpdateOperator: any other number does
      if (!FROM_HEADER_LINES.has(name)) run++;
      params.set(name, value);
      continue;
    }
    const earlier = runs.get(name) === run && name !== "HTTP_HOST" ? params.get(name) : undefined;
    params.set(name, earlier === undefined ? value : earlier + (name === "HTTP_COOKIE" ? "; " : ", ") + value);
    runs.set(name, run);
  }
  return params;
}

/**
 * The number in CONTENT_LENGTH or FCGI_DATA_LENGTH, or null if there is none. An absent variable, `""` (nginx) and `-1`
 * (Caddy before 2.7) mean that the length is unknown: the body ends where its stream ends.
 */
export function parseLength(value: string | undefined): number | null {
  // An absent variable becomes the text "undefined", which is no number either.
  return /^[0-9]{1,15}$/.test(String(value)) ? Number(value) : null;
}

/** The value of a variable; the last one counts. */
export function paramOf(params: Iterable<NameValuePair>, wanted: string): string | undefined {
  // Stryker disable next-line ConditionalExpression: a shortcut to the same value
  if (params instanceof Map) return params.get(wanted);
  let found: string | undefined;
  for (const [name, value] of params) if (name === wanted) found = value;
  return found;
}
