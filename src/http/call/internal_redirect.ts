// Responses by which an application asks its web server to answer instead: a local redirect (RFC 3875 6.2.2),
// X-Accel-Redirect and X-Sendfile. Any code that can write a response header can name any file with them, so nothing is
// followed unless a hook is given.

import { byteStringToUtf8 } from "../../protocol/byte_string.ts";
import { FastCgiError } from "../../protocol/errors.ts";
import { discardBody } from "../shared/discard_body.ts";
import { isResponse } from "../shared/fetch_objects.ts";
import { percentEncode } from "../shared/percent.ts";
import type { CgiResponse } from "./cgi_to_response.ts";

/**
 * Answers in place of the application.
 *
 * @param target The value of the header, as text. The application chose it: check it before you open a file.
 * @param request The request that the application answered.
 * @param head Status and headers of the application's answer, without the header that asked for the file and without
 * those that describe its body: `new Response(file, head)` keeps its Content-Type, Content-Disposition, cookies and the
 * like.
 */
export type FastCgiSendFile = (target: string, request: Request, head: Response) => Response | Promise<Response>;

/** Hooks for responses that ask the web server to answer. If a hook throws, `fetch` rejects with its error. */
export interface InternalRedirectOptions {
  /**
   * Answers a local redirect (RFC 3875 6.2.2): a response whose header block is a `Location` with a path and nothing
   * else. The hook gets a request for that path and query on the same site, with the same headers and signal but no
   * body; its method is HEAD after a HEAD, else GET. Answer it by `(request) => php.fetch(request)`, or by a whole
   * application's `fetch`. A FastCgiHttpClient sends such a request with the options of the first `fetch` call, such as
   * its `params` and addresses, unless it is given others.
   *
   * @default {none: such a response becomes a 302, as nginx, HAProxy and lighttpd make of it}
   */
  onLocalRedirect?: ((request: Request) => Response | Promise<Response>) | undefined;
  /**
   * The most local redirects in a row, counted while the hook passes on the Request that it gets. Beyond it, `fetch`
   * rejects with `limit`.
   *
   * @default {10} (as Apache's `LimitInternalRecursion` and nginx)
   */
  maxLocalRedirects?: number | undefined;
  /**
   * Answers a response with an `X-Accel-Redirect` header: a path that HTTP clients can't ask for themselves. These are
   * not counted: a hook that calls the application again must make sure that this ends.
   *
   * @default {none: the header is dropped, and the response is passed on}
   */
  onAccelRedirect?: FastCgiSendFile | undefined;
  /**
   * Answers a response with an `X-Sendfile` header: the path of a file.
   *
   * @default {none: the header is dropped, so that clients do not learn where files are, and the response is passed on}
   */
  onSendFile?: FastCgiSendFile | undefined;
}

/** The request whose local redirect made another request. */
interface Origin<Init extends object> {
  /** The number of local redirects so far. */
  hops: number;
  /** Kept in memory, because on Node 20 a signal stops following that of a Request that was garbage-collected. */
  request: Request;
  /** The options of its fetch call that are FastCGI's own. */
  init: Init;
}

const origins = new WeakMap<Request, Origin<object>>();

/** Adds to `init` the options of the request whose local redirect made `input`. What `init` sets counts. */
export function inheritInit<Init extends object>(
  input: unknown,
  { native }: Pick<RedirectContext, "native">,
  init: Init,
): Init {
  // Stryker disable next-line ConditionalExpression: a shortcut, for only Requests are keys of it
  const origin = input instanceof Request ? origins.get(input) : undefined;
  if (origin === undefined) return init;
  origins.set(native(), origin);
  const given = Object.entries(init).filter(([, value]) => value !== undefined);
  return { ...origin.init, ...Object.fromEntries(given) } as Init;
}

/** What {@linkcode redirectInternally} needs besides the response. */
export interface RedirectContext extends InternalRedirectOptions {
  /** Returns the request that was answered. */
  native(): Request;
  /** The options that the request of a local redirect inherits. */
  init: object;
  maxLocalRedirects: number;
  /** The most bytes that are read and dropped of the response's body. */
  maxDrainBytes: number;
}

/** Headers that describe the body of the response, and not the file that replaces it. */
const OF_A_RESPONSE_BODY: readonly string[] = ["content-encoding", "content-length", "content-range"];

/** Headers that describe the body of a request (Fetch: request-body-header names), or how it is sent. */
const OF_A_REQUEST_BODY: readonly string[] = [
  "content-encoding",
  "content-language",
  "content-length",
  "content-location",
  "content-type",
  "expect",
  "transfer-encoding",
];

/** Removes X-Accel-Redirect and X-Sendfile: HTTP clients must not learn where files are. */
export function dropFileRequests(headers: Headers): void {
  removeHeader(headers, "x-accel-redirect");
  removeHeader(headers, "x-sendfile");
}

/** Whether there is anything for {@linkcode redirectInternally} to do. */
export function asksInternally({ localRedirect, asksForFile }: CgiResponse): boolean {
  // Stryker disable next-line ConditionalExpression: a shortcut, for other responses are returned as they are
  return asksForFile || localRedirect !== null;
}

/**
 * Returns the response, or what a hook answers in its place. The application's body is dropped then, without a wait for
 * its end.
 */
export async function redirectInternally(answer: CgiResponse, context: RedirectContext): Promise<Response> {
  const { response, localRedirect } = answer;
  const { onLocalRedirect, onAccelRedirect, onSendFile } = context;
  const accelRedirect = removeHeader(response.headers, "x-accel-redirect");
  const sendFile = removeHeader(response.headers, "x-sendfile");
  if (onLocalRedirect !== undefined && localRedirect !== null) {
    discard(response, context);
    return checked("onLocalRedirect", await onLocalRedirect(requestFor(localRedirect, context)));
  }
  if (onAccelRedirect !== undefined && accelRedirect !== null) {
    const head = headOf(response, context);
    return checked("onAccelRedirect", await onAccelRedirect(accelRedirect, context.native(), head));
  }
  if (onSendFile !== undefined && sendFile !== null) {
    const head = headOf(response, context);
    return checked("onSendFile", await onSendFile(sendFile, context.native(), head));
  }
  return response;
}

/**
 * The request for a local redirect, "as if the server had received a request for it" (RFC 3875 6.2.2). It has no body:
 * the application has read that already.
 */
function requestFor(location: string, { native, init, maxLocalRedirects }: RedirectContext): Request {
  const request = native();
  const hops = (origins.get(request)?.hops ?? 0) + 1;
  if (hops > maxLocalRedirects) {
    const message = `Cannot follow the local redirect to ${JSON.stringify(location)}: more than ${maxLocalRedirects} in a row`;
    throw new FastCgiError("limit", message, { limit: "maxLocalRedirects" });
  }
  const url = new URL(request.url);
  const query = location.indexOf("?");
  // Set part by part, so that the location can't name another host.
  url.pathname = encodeBytes(query === -1 ? location : location.slice(0, query));
  url.search = query === -1 ? "" : encodeBytes(location.slice(query));
  url.hash = "";
  const headers = new Headers(request.headers);
  for (const name of OF_A_REQUEST_BODY) headers.delete(name);
  const method = request.method === "HEAD" ? "HEAD" : "GET";
  const next = new Request(url, { method, headers, signal: request.signal });
  origins.set(next, { hops, request, init });
  return next;
}

/** Escapes bytes that are not ASCII: a URL would take each for a character. */
function encodeBytes(part: string): string {
  return part.replace(/[\x80-\xff]/g, percentEncode);
}

/** Removes a header and returns its value as text; null if there was none. */
function removeHeader(headers: Headers, name: string): string | null {
  const value = headers.get(name);
  if (value === null) return null;
  headers.delete(name);
  return byteStringToUtf8(value);
}

/** The status and headers that a hook gets of the response. The response's body is dropped. */
function headOf(response: Response, context: RedirectContext): Response {
  discard(response, context);
  const { status, statusText, headers } = response;
  for (const name of OF_A_RESPONSE_BODY) headers.delete(name);
  return new Response(null, { status, statusText, headers });
}

/** Drops a body. Does not wait for its end: the hook's answer does not depend on it. */
function discard({ body }: Response, { maxDrainBytes }: RedirectContext): void {
  if (body !== null) void discardBody(body.getReader(), maxDrainBytes);
}

function checked(hook: string, response: Response): Response {
  if (isResponse(response)) return response;
  throw new TypeError(`Cannot answer the request: expected a Response of ${hook}, got ${typeof response}`);
}
