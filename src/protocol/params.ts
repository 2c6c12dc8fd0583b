import {
  type DecodeNameValuePairsOptions,
  decodeNameValuePairs,
  forEachNameValuePair,
  type NameValuePair,
} from "./name_value_pairs.ts";

/** The variables of a request by name: byte strings, one value a name. */
export type FastCgiParams = ReadonlyMap<string, string>;

/**
 * Variables that say what the request is and where its body ends. Two different values mean that somebody in between
 * reads the request differently than we do.
 */
const SINGLETONS: ReadonlySet<string> = new Set([
  "CONTENT_LENGTH",
  "CONTENT_TYPE",
  "HTTP_HOST",
  "QUERY_STRING",
  "REQUEST_METHOD",
  "REQUEST_URI",
  "SERVER_PROTOCOL",
]);

/** Variables as they came. */
export interface DecodedParams {
  readonly params: FastCgiParams;
  /** All of them in order where a name came more than once, or null: then the map says as much. */
  readonly repeatedParams: readonly NameValuePair[] | null;
}

/**
 * Reads the variables in `bytes`, which hold the whole stream.
 *
 * @throws {FastCgiError} As {@linkcode decodeNameValuePairs}.
 */
export function decodeParams(bytes: Uint8Array, options?: DecodeNameValuePairsOptions): DecodedParams {
  const params = new Map<string, string>();
  let count = 0;
  const take = (name: string, value: string): void => {
    params.set(name, value);
    count++;
  };
  forEachNameValuePair(bytes, take, options);
  if (params.size === count) return { params, repeatedParams: null };
  const repeatedParams = decodeNameValuePairs(bytes);
  return { params: paramsFromPairs(repeatedParams), repeatedParams };
}

/**
 * The pairs as a map. nginx before 1.23, HAProxy and h2o send one variable per header line, so a name can come twice:
 * headers are joined as HTTP does it (RFC 9110 5.3; cookies with `; `, RFC 9113 8.2.3), of other variables the last
 * one counts, as PHP does it, because `include fastcgi_params;` followed by an own value is common in nginx.
 */
export function paramsFromPairs(pairs: readonly NameValuePair[]): FastCgiParams {
  const params = new Map<string, string>();
  for (const [name, value] of pairs) {
    const earlier = name.startsWith("HTTP_") && !SINGLETONS.has(name) ? params.get(name) : undefined;
    params.set(name, earlier === undefined ? value : earlier + (name === "HTTP_COOKIE" ? "; " : ", ") + value);
  }
  return params;
}

/**
 * The name of a variable that came with two different values though it can have only one, or null. An empty value says nothing:
 * nginx users blank a variable that `include fastcgi_params;` has set.
 */
export function findConflict(pairs: readonly NameValuePair[]): string | null {
  const seen = new Map<string, string>();
  for (const [name, value] of pairs) {
    if (value === "" || !SINGLETONS.has(name)) continue;
    const earlier = seen.get(name);
    if (earlier !== undefined && earlier !== value) return name;
    seen.set(name, value);
  }
  return null;
}

/**
 * The number in CONTENT_LENGTH or FCGI_DATA_LENGTH, or null where it says nothing: absent, `""` (nginx) or `-1` (Caddy
 * before 2.7) mean that only the end of the stream tells.
 */
export function parseLength(value: string | undefined): number | null {
  if (value === undefined || !/^[0-9]{1,15}$/.test(value)) return null;
  return Number(value);
}
