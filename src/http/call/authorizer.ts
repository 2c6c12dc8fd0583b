// The web server's part of an Authorizer (FastCGI 6.3): an application that is asked about each request before anybody answers it.
// Whatever is not a whole answer of status 200 does not let a request through.

import { orAbort } from "../../base/abort.ts";
import type { FastCgiRequestInit } from "../../client/request.ts";
import type { IncomingResponse } from "../../codec/incoming_response.ts";
import { Role } from "../../protocol/constants.ts";
import { FastCgiError } from "../../protocol/errors.ts";
import { cancelSource } from "../../transport/byte_source.ts";
import { discardBody } from "../shared/discard_body.ts";
import { malformedResponse } from "./cgi_header.ts";
import { responseFromCgi } from "./cgi_to_response.ts";
import type { FastCgiFetchInit } from "./client_options.ts";
import { dropFileRequests } from "./internal_redirect.ts";

/** A request that may go on. */
export interface FastCgiAllowed {
  /** Tells it from {@linkcode FastCgiRefused}. */
  readonly allowed: true;
  /**
   * What the authorizer says about the request: its `Variable-` fields, by the name behind that prefix as it was written.
   * FastCGI 6.3 wants them among the `params` of the requests that follow. Byte strings; `byteStringToUtf8` makes text of them.
   */
  readonly variables: ReadonlyMap<string, string>;
}

/** A request that may not. */
export interface FastCgiRefused {
  /** Tells it from {@linkcode FastCgiAllowed}. */
  readonly allowed: false;
  /** What the HTTP client is to get. Its body streams: whoever does not pass it on must cancel it. */
  readonly response: Response;
}

/** What an authorizer decided about a request (FastCGI 6.3). */
export type FastCgiAuthorization = FastCgiAllowed | FastCgiRefused;

/** What an authorizer is told beside the request. */
export interface FastCgiAuthorizeInit extends Omit<FastCgiFetchInit, keyof RequestInit | "data"> {
  /**
   * Cancels the exchange.
   *
   * @default {the signal of the request}
   */
  signal?: AbortSignal | undefined;
}

/** Who decides about requests: a `FastCgiHttpClient`, or anything that is asked as one. */
export interface FastCgiAuthorizer {
  /** Decides about a request. Rejects if it can't: then nobody is let in. */
  authorize(request: Request, init?: FastCgiAuthorizeInit): Promise<FastCgiAuthorization>;
}

/**
 * Puts an authorizer in front of a fetch handler. Allowed requests go to `handler`, with their body as it came; for the others the
 * authorizer's response is the answer. Further arguments, such as the context of `Deno.serve`, are passed on.
 *
 * ```ts
 * const authorizer = new FastCgiHttpClient(new FastCgiUnixConnector("/run/auth.sock"));
 * serve({ fetch: withAuthorizer(authorizer, (request, { variables }) => new Response(`Hello ${variables.get("USER")}`)) });
 * ```
 *
 * The handler that comes out rejects with whatever `authorize` rejects with; `handler` is not called then.
 *
 * @param init What the authorizer is told beside the request, such as the client's address.
 */
export function withAuthorizer<R extends Request = Request, Rest extends unknown[] = []>(
  authorizer: FastCgiAuthorizer,
  handler: (request: R, authorization: FastCgiAllowed, ...rest: Rest) => Response | Promise<Response>,
  init?: (request: R, ...rest: Rest) => FastCgiAuthorizeInit,
): (request: R, ...rest: Rest) => Promise<Response> {
  return async (request, ...rest) => {
    const authorization = await authorizer.authorize(request, init?.(request, ...rest));
    return authorization.allowed ? handler(request, authorization, ...rest) : authorization.response;
  };
}

/** What FastCGI 6.3 keeps from an Authorizer: it decides before it is known which script answers, and has no body. */
const NOT_SENT: readonly string[] = ["CONTENT_LENGTH", "PATH_INFO", "PATH_TRANSLATED", "SCRIPT_NAME"];

/** What {@linkcode askAuthorizer} needs beside the request. */
export interface AskAuthorizerOptions {
  /** Ends waiting for the answer. */
  signal: AbortSignal | undefined;
  /** The variables of the request, as a Responder would get them. */
  params: Map<string, string>;
  /** Sends it to the application. */
  send(exchange: FastCgiRequestInit): Promise<IncomingResponse>;
  /** The most bytes in the header block of the answer. */
  maxResponseHeaderBytes: number;
  /** The most bytes that are read of a body that nobody gets. Nothing is allowed by an answer that is longer. */
  maxDrainBytes: number;
}

/** Asks an authorizer about `request`, whose body stays as it is. */
export async function askAuthorizer(request: Request, options: AskAuthorizerOptions): Promise<FastCgiAuthorization> {
  const { signal, params, send, maxDrainBytes } = options;
  for (const name of NOT_SENT) params.delete(name);
  const incoming = await send({ role: Role.Authorizer, params });
  // Of a HEAD as well: whether the answer is whole shows at its end.
  const { response, variables, isAmbiguous } = await responseFromCgi(incoming, { ...options, method: "GET" });
  if (response.status !== 200) {
    // The hooks for them are for answers of the site.
    dropFileRequests(response.headers);
    dropVariables(response.headers);
    return { allowed: false, response: request.method === "HEAD" ? withoutBody(response, maxDrainBytes) : response };
  }
  if (isAmbiguous) {
    const error = malformedResponse("it has two different status fields", incoming);
    incoming.stdoutQueue.abandon(error);
    throw error;
  }
  await readToEnd(response.body!, maxDrainBytes);
  // A body as long as it was announced is whole before the answer is.
  await orAbort(incoming.completed(), signal);
  return { allowed: true, variables };
}

/** What an authorizer says about a request is for the web server, and not for the HTTP client that is refused (FastCGI 6.3). */
function dropVariables(headers: Headers): void {
  for (const name of [...headers.keys()]) if (name.startsWith("variable-")) headers.delete(name);
}

function withoutBody(response: Response, maxDrainBytes: number): Response {
  if (response.body !== null) void discardBody(response.body.getReader(), maxDrainBytes);
  return new Response(null, response);
}

/**
 * Reads and drops. Rejects where the body fails, and where it is longer than anybody would write: an authorizer whose answer does not
 * come to its end has decided nothing.
 */
async function readToEnd(body: ReadableStream<Uint8Array>, maxDrainBytes: number): Promise<void> {
  const reader = body.getReader();
  for (let length = 0; length <= maxDrainBytes; ) {
    const { done, value } = await reader.read();
    if (done) return;
    length += value.length;
  }
  const message = `Cannot allow the request: the authorizer's answer is longer than ${maxDrainBytes} bytes`;
  const error = new FastCgiError("limit", message, { limit: "maxDrainBytes" });
  await cancelSource(reader, error);
  throw error;
}
