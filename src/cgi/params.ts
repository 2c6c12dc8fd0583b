import {
  type DecodeNameValuePairsOptions,
  decodeNameValuePairs,
  forEachNameValuePair,
  type NameValuePair,
} from "../protocol/name_value_pairs.ts";

/** The variables of a request by name: byte strings, one value a name. */
export type FastCgiParams = ReadonlyMap<string, string>;

/**
 * Variables that web servers make of a client's header line and put between the other headers (HAProxy and h2o put CONTENT_TYPE
 * there). All other variables without `HTTP_` are the web server's own.
 */
const FROM_HEADER_LINES: ReadonlySet<string> = new Set(["CONTENT_LENGTH", "CONTENT_TYPE"]);

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
 * The pairs as a map. Of a name that comes again the later value counts, as in PHP and Go: `include fastcgi_params;` with a value
 * of one's own behind it is how nginx is configured.
 *
 * Headers are the exception where the client sent several lines: nginx before 1.23, HAProxy and h2o make a variable of each line,
 * and the lines are joined as HTTP joins them (RFC 9110 5.3; cookies with `; `, RFC 9113 8.2.3). The lines of a client follow each
 * other. A header variable that comes again behind a variable of the web server's own was therefore set again in its configuration,
 * and so was HTTP_HOST, of which every web server takes one line only.
 */
export function paramsFromPairs(pairs: readonly NameValuePair[]): FastCgiParams {
  const params = new Map<string, string>();
  /** In which run of headers each name came last. */
  const runs = new Map<string, number>();
  let run = 0;
  for (const [name, value] of pairs) {
    if (!name.startsWith("HTTP_")) {
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
 * The number in CONTENT_LENGTH or FCGI_DATA_LENGTH, or null where it says nothing: absent, `""` (nginx) or `-1` (Caddy
 * before 2.7) mean that only the end of the stream tells.
 */
export function parseLength(value: string | undefined): number | null {
  if (value === undefined || !/^[0-9]{1,15}$/.test(value)) return null;
  return Number(value);
}
