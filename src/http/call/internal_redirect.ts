// Responses by which an application asks its web server to answer instead: a local redirect (RFC 3875 6.2.2), X-Accel-Redirect
// and X-Sendfile. Whoever can write a response header can name any file with them, so nothing is followed unless a hook is given.

import { byteStringToUtf8 } from "../../protocol/byte_string.ts";
import { FastCgiError } from "../../protocol/errors.ts";
import { discardBody } from "../shared/discard_body.ts";
import { isResponse } from "../shared/fetch_objects.ts";
import type { CgiResponse } from "./cgi_to_response.ts";

/**
 * Answers in place of the application.
 *
 * @param target What the header says, as text. The application chose it: check it before a file is opened.
 * @param request The request that the application answered.
 * @param head Status and headers of the application's answer, without the header that asked for this and without those that
 * describe its body: `new Response(file, head)` keeps its Content-Type, Content-Disposition, cookies and the like.
 */
export type FastCgiSendFile = (target: string, request: Request, head: Response) => Response | Promise<Response>;

/** Hooks for responses that ask the web server to answer. What a hook throws, `fetch` rejects with. */
export interface InternalRedirectOptions {
  /**
   * Answers a local redirect (RFC 3875 6.2.2): a header block that is a `Location` with a path and nothing else. The request it
   * gets is for that path and query of the same site, by GET, or HEAD where it was HEAD, with the same headers and signal but
   * without a body: `(request) => php.fetch(request)`, or a whole application's `fetch`. A FastCgiHttpClient that gets it
   * has the first request's `params` and addresses for it, unless it is given others.
   *
   * @default {none: such a response becomes a 302, as nginx, HAProxy and lighttpd make of it}
   */
  onLocalRedirect?: (request: Request) => Response | Promise<Response>;
  /**
   * Local redirects that may follow one another, as long as the hook passes the Request on that it gets. Beyond, `fetch` rejects
   * with `limit`.
   *
   * @default {10} (as Apache's `LimitInternalRecursion` and nginx)
   */
  maxLocalRedirects?: number;
  /**
   * Answers a response with an `X-Accel-Redirect` header: a path that clients can't ask for themselves. Nothing counts how often;
   * a hook that leads to the application again has to see to an end.
   *
   * @default {none: the header is dropped, and the response passes as it is}
   */
  onAccelRedirect?: FastCgiSendFile;
  /**
   * Answers a response with an `X-Sendfile` header: the path of a file.
   *
   * @default {none: the header is dropped, so that clients are not told where files are, and the response passes as it is}
   */
  onSendFile?: FastCgiSendFile;
}

/** Where a request that a local redirect made comes from. */
interface Origin<Init extends object> {
  /** Local redirects until then. */
  hops: number;
  /** Kept: on Node 20 a signal stops following that of a Request that was collected. */
  request: Request;
  /** What only FastCGI has of the request. */
  init: Init;
}

const origins = new WeakMap<Request, Origin<object>>();

/**
 * What `init` says for a request made of `input`, over what was said for the request that a local redirect led here from.
 */
export function inheritInit<Init extends object>(
  input: unknown,
  { native }: Pick<RedirectContext, "native">,
  init: Init,
): Init {
  const origin = input instanceof Request ? origins.get(input) : undefined;
  if (origin === undefined) return init;
  origins.set(native(), origin);
  const given = Object.entries(init).filter(([, value]) => value !== undefined);
  return { ...origin.init, ...Object.fromEntries(given) } as Init;
}

/** What {@linkcode redirectInternally} needs beside the response. */
export interface RedirectContext extends InternalRedirectOptions {
  /** Makes the request that was answered. */
  native(): Request;
  /** What a request that the response leads to inherits. */
  init: object;
  maxLocalRedirects: number;
  /** The most bytes read of a body that nobody gets. */
  maxDrainBytes: number;
}

/** Headers that describe the body of a response, and not the file that comes in its place. */
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

/** Forgets what `headers` ask of the web server: nobody outside is to learn where files are. */
export function dropFileRequests(headers: Headers): void {
  take(headers, "x-accel-redirect");
  take(headers, "x-sendfile");
}

/** Whether the response asks for anything that {@linkcode redirectInternally} has to look at. */
export function asksInternally({ localRedirect, asksForFile }: CgiResponse): boolean {
  return asksForFile || localRedirect !== null;
}

/** The response, or what a hook answers in its place. What the application sent is dropped then, without waiting for its end. */
export async function redirectInternally(answer: CgiResponse, context: RedirectContext): Promise<Response> {
  const { response, localRedirect } = answer;
  const { onLocalRedirect, onAccelRedirect, onSendFile } = context;
  const accelRedirect = take(response.headers, "x-accel-redirect");
  const sendFile = take(response.headers, "x-sendfile");
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

/** "as if the server had received a request for it" (RFC 3875 6.2.2), without the body, which the application has had. */
function requestFor(location: string, { native, init, maxLocalRedirects }: RedirectContext): Request {
  const request = native();
  const hops = (origins.get(request)?.hops ?? 0) + 1;
  if (hops > maxLocalRedirects) {
    const message = `Cannot follow the local redirect to ${JSON.stringify(location)}: more than ${maxLocalRedirects} in a row`;
    throw new FastCgiError("limit", message, { limit: "maxLocalRedirects" });
  }
  const url = new URL(request.url);
  const query = location.indexOf("?");
  // Set as parts, so that nothing in them can name another host.
  url.pathname = percentEncode(query === -1 ? location : location.slice(0, query));
  url.search = query === -1 ? "" : percentEncode(location.slice(query));
  url.hash = "";
  const headers = new Headers(request.headers);
  for (const name of OF_A_REQUEST_BODY) headers.delete(name);
  const method = request.method === "HEAD" ? "HEAD" : "GET";
  const next = new Request(url, { method, headers, signal: request.signal });
  origins.set(next, { hops, request, init });
  return next;
}

/** Bytes that are not ASCII: a URL would take each for a character. */
function percentEncode(part: string): string {
  return part.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** The value of a header as text, which is not there any more then. */
function take(headers: Headers, name: string): string | null {
  const value = headers.get(name);
  if (value === null) return null;
  headers.delete(name);
  return byteStringToUtf8(value);
}

/** What a hook gets of a response whose body it replaces. */
function headOf(response: Response, context: RedirectContext): Response {
  discard(response, context);
  const { status, statusText, headers } = response;
  for (const name of OF_A_RESPONSE_BODY) headers.delete(name);
  return new Response(null, { status, statusText, headers });
}

/** Not waited for: the hook may need the time, but never the end of what it replaces. */
function discard({ body }: Response, { maxDrainBytes }: RedirectContext): void {
  if (body !== null) void discardBody(body.getReader(), maxDrainBytes);
}

function checked(hook: string, response: Response): Response {
  if (isResponse(response)) return response;
  throw new TypeError(`Cannot answer the request: expected a Response of ${hook}, got ${typeof response}`);
}
