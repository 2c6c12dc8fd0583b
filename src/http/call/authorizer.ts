// The web server's part of an Authorizer (FastCGI 6.3): an application that decides whether a request may go on. Only a
// complete answer with status 200 lets a request through.

import { orAbort } from "../../base/abort.ts";
import { checkFunction, unexpected } from "../../base/unexpected.ts";
import type { FastCgiRequestInit } from "../../client/request.ts";
import type { IncomingResponse } from "../../codec/incoming_response.ts";
import { Role } from "../../protocol/constants.ts";
import { discardBody, readToEnd } from "../shared/discard_body.ts";
import { VARIABLE_PREFIX } from "../shared/header_rules.ts";
import { malformedResponse } from "./cgi_header.ts";
import { responseFromCgi } from "./cgi_to_response.ts";
import type { FastCgiFetchInit } from "./client_options.ts";
import type { FetchWatch } from "./fetch_watch.ts";
import { dropFileRequests } from "./internal_redirect.ts";

/** A request that the authorizer allowed. */
export interface FastCgiAllowed {
  /** Distinguishes it from {@linkcode FastCgiRefused}. */
  readonly allowed: true;
  /**
   * The `Variable-` fields of the authorizer's answer, by the name after that prefix, spelled as it came. FastCGI 6.3
   * wants them among the `params` of the requests that follow. Byte strings; `byteStringToUtf8` makes text of them.
   */
  readonly variables: ReadonlyMap<string, string>;
}

/** A request that the authorizer refused. */
export interface FastCgiRefused {
  /** Distinguishes it from {@linkcode FastCgiAllowed}. */
  readonly allowed: false;
  /** The answer for the HTTP client. Its body streams: pass it on or cancel it. */
  readonly response: Response;
}

/** What an authorizer decided about a request (FastCGI 6.3). */
export type FastCgiAuthorization = FastCgiAllowed | FastCgiRefused;

/** Options of {@linkcode FastCgiAuthorizer.authorize}. */
export interface FastCgiAuthorizeInit extends Omit<FastCgiFetchInit, keyof RequestInit | "data"> {
  /**
   * Cancels the exchange.
   *
   * @default {the signal of the request}
   */
  signal?: AbortSignal | undefined;
}

/** Decides about requests: a `FastCgiHttpClient`, or any other object with this method. */
export interface FastCgiAuthorizer {
  /** Decides about a request. Rejects if the authorizer gave no complete answer: the request must not go on then. */
  authorize(request: Request, init?: FastCgiAuthorizeInit): Promise<FastCgiAuthorization>;
}

/**
 * Puts an authorizer in front of a fetch handler. Requests that it allows go to `handler` with their body unread; the
 * others are answered with the authorizer's response. Further arguments, such as the context of `Deno.serve`, are
 * passed on.
 *
 * ```ts
 * const authorizer = new FastCgiHttpClient(new FastCgiUnixConnector("/run/auth.sock"));
 * serve({ fetch: withAuthorizer(authorizer, (request, { variables }) => new Response(`Hello ${variables.get("USER")}`)) });
 * ```
 *
 * The returned handler rejects with whatever `authorize` rejects with; `handler` is not called then.
 *
 * @param init Returns the options of `authorize`, such as the client's address.
 * @throws {TypeError} If an argument is not what it must be.
 */
export function withAuthorizer<R extends Request = Request, Rest extends unknown[] = []>(
  authorizer: FastCgiAuthorizer,
  handler: (request: R, authorization: FastCgiAllowed, ...rest: Rest) => Response | Promise<Response>,
  init?: (request: R, ...rest: Rest) => FastCgiAuthorizeInit,
): (request: R, ...rest: Rest) => Promise<Response> {
  if (typeof (Object(authorizer) as Partial<FastCgiAuthorizer>).authorize !== "function") {
    throw unexpected("Cannot use authorizer: expected an object with a method authorize", authorizer);
  }
  checkFunction(handler, "handler", false);
  checkFunction(init, "init");
  return async (request, ...rest) => {
    const authorization = await authorizer.authorize(request, init?.(request, ...rest));
    return authorization.allowed ? handler(request, authorization, ...rest) : authorization.response;
  };
}

/** Variables that an Authorizer does not get (FastCGI 6.3): it decides before the script is known, and gets no body. */
const NOT_SENT: readonly string[] = ["CONTENT_LENGTH", "PATH_INFO", "PATH_TRANSLATED", "SCRIPT_NAME"];

/** What {@linkcode askAuthorizer} needs besides the request. */
export interface AskAuthorizerOptions {
  /** Ends the wait for the answer. */
  signal: AbortSignal | undefined;
  /** The variables of the request, as a Responder would get them. */
  params: Map<string, string>;
  /** Sends a request to the application. */
  startExchange(exchange: FastCgiRequestInit): Promise<IncomingResponse>;
  /** The most bytes in the header block of the answer. */
  maxResponseHeaderBytes: number;
  /** The most bytes of the answer's body, which is read and dropped. A longer answer allows nothing. */
  maxDrainBytes: number;
  /** As the client's option. */
  responseClass?: typeof Response | undefined;
  /** Hears of the response and its header. */
  watch: FetchWatch | undefined;
}

/** Asks an authorizer about `request`. The request's body is not touched. */
export async function askAuthorizer(request: Request, options: AskAuthorizerOptions): Promise<FastCgiAuthorization> {
  const { signal, params, startExchange, maxDrainBytes, watch } = options;
  for (const name of NOT_SENT) params.delete(name);
  const incoming = await startExchange({ role: Role.Authorizer, params });
  // Read with its body, also for a HEAD request: only its end shows that the answer is complete.
  // Stryker disable next-line StringLiteral: any method but HEAD gives the same
  const { response, variables, isAmbiguous } = await responseFromCgi(incoming, { ...options, method: "GET" });
  if (response.status !== 200) {
    // Only the site's own responses may ask for files.
    dropFileRequests(response.headers);
    dropVariables(response.headers);
    watch?.awaitEnd();
    return { allowed: false, response: request.method === "HEAD" ? withoutBody(response, maxDrainBytes) : response };
  }
  if (isAmbiguous) {
    const error = malformedResponse("it has two different status fields", incoming);
    incoming.stdoutQueue.cancel(error);
    throw error;
  }
  // An answer that fails, or is longer than any authorizer would write, has decided nothing.
  await readToEnd(response.body!.getReader(), maxDrainBytes, "Cannot allow the request: the authorizer's answer");
  // The body is read once its announced length has come, but the answer is complete only with FCGI_END_REQUEST.
  await orAbort(incoming.completed(), signal);
  watch?.end("complete");
  return { allowed: true, variables };
}

/**
 * Removes the `Variable-` fields: they are for the web server, not for an HTTP client that is refused (FastCGI 6.3).
 */
function dropVariables(headers: Headers): void {
  for (const name of [...headers.keys()]) if (name.startsWith(VARIABLE_PREFIX)) headers.delete(name);
}

function withoutBody(response: Response, maxDrainBytes: number): Response {
  if (response.body !== null) void discardBody(response.body.getReader(), maxDrainBytes);
  return new Response(null, response);
}
