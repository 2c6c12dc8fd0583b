// The conversions of FastCgiHttpService, each by itself: for programs that get FastCGI records from elsewhere, and for
// CGI programs, which have their variables in the environment.

import { checkConvertibleSignal, checkString, optionsOf, unexpected } from "../../base/unexpected.ts";
import type { FastCgiParam } from "../../cgi/known_params.ts";
import { paramsFromPairs, parseLength } from "../../cgi/params.ts";
import { GivenVariables } from "../../cgi/variables.ts";
import { type ByteSourceInit, byteSourceOf, checkLength } from "../../codec/byte_source.ts";
import { checkedParams } from "../../codec/request_sender.ts";
import { streamOfSources } from "../../codec/stream_of.ts";
import { Role } from "../../protocol/constants.ts";
import { asNativeSignal, isResponse } from "../shared/fetch_objects.ts";
import { hasBody, nativeRequest } from "./native_request.ts";
import { isForbiddenMethod, partsFromParams } from "./params_to_request.ts";
import { cgiFromResponse } from "./response_to_cgi.ts";

/** Options of {@linkcode paramsToRequest}. */
export interface ParamsToRequestOptions {
  /**
   * The request body, FCGI_STDIN: text, bytes, a Blob, a stream and more. It is not read before the Request's body is
   * read. The Request's body fails if it is not as long as CONTENT_LENGTH says. Ignored for GET and HEAD, which have no
   * body in Fetch.
   *
   * @default {none: the Request has no body}
   */
  stdin?: ByteSourceInit | null | undefined;
  /**
   * Aborts the Request.
   *
   * @default {none}
   */
  signal?: AbortSignal | null | undefined;
}

/**
 * Makes the Request that these variables describe (RFC 3875 4.1), as a handler of {@linkcode FastCgiHttpService} gets
 * it. The reverse is {@linkcode requestToParams}.
 *
 * ```ts
 * const request = paramsToRequest(fastCgiRequest.paramPairs, fastCgiRequest);
 * ```
 *
 * @param params Pairs as the web server sent them, or a Map. Names and values are byte strings: one character per byte.
 * @throws {FastCgiError} `malformedRequest` if the variables do not describe an HTTP request, `lengthMismatch` if `stdin` is bytes and not
 * as long as CONTENT_LENGTH says.
 * @throws {TypeError} If Fetch forbids the method (CONNECT, TRACE, TRACK; {@linkcode FastCgiHttpService} answers 501
 * then), or an argument is not what it must be.
 */
export function paramsToRequest(params: Iterable<FastCgiParam>, options: ParamsToRequestOptions = {}): Request {
  const pairs = checkedParams(params, "make a Request");
  const { stdin, signal } = optionsOf(options);
  checkConvertibleSignal(signal, "Cannot make a Request");
  const variables = new GivenVariables(paramsFromPairs(pairs));
  const parts = partsFromParams({ variables, paramPairs: pairs });
  if (isForbiddenMethod(parts.method)) {
    throw new TypeError(`Cannot make a Request: Fetch has none with the method ${JSON.stringify(parts.method)}`);
  }
  const origin = { signal: signal ? asNativeSignal(signal) : new AbortController().signal };
  if (stdin === undefined || stdin === null || !hasBody(parts, { variables })) {
    // Stryker disable next-line ArrayDeclaration: it is not read
    return nativeRequest(parts, { ...origin, stdin: streamOfSources([]) }, false);
  }
  const length = parseLength(variables.get("CONTENT_LENGTH"));
  const source = byteSourceOf(stdin, "stdin");
  const checked = length === null ? source : checkLength(source, length, "stdin");
  return nativeRequest(parts, { ...origin, stdin: streamOfSources([checked]) }, true);
}

/** Options of {@linkcode responseToCgi}: what the response depends on in its request. */
export interface ResponseToCgiOptions {
  /**
   * The request's method: the response to HEAD has no body.
   *
   * @default {"GET"}
   */
  method?: string | undefined;
  /**
   * The request's role: an Authorizer sets variables by headers (FastCGI 6.3).
   *
   * @default {Role.Responder}
   */
  role?: Role | undefined;
}

/**
 * Converts a Response to CGI output, header block and body (RFC 3875 6): what {@linkcode FastCgiHttpService} writes to
 * FCGI_STDOUT, and what a CGI program writes to its standard output. The first piece has the whole header block, and
 * also the body if that is available as a whole. The reverse is {@linkcode cgiToResponse}.
 *
 * ```ts
 * const server = new FastCgiServer(async (request) => ({ stdout: await responseToCgi(new Response("Hello")) }));
 * ```
 *
 * The stream fails with `lengthMismatch` if the body is not as long as its Content-Length says.
 *
 * @throws {TypeError} If `response` is not a Response, its status or status text can't be sent, its body was read
 * already, its header block does not fit one record of 65,535 bytes, or an option is not what it must be.
 */
export async function responseToCgi(
  response: Response,
  options: ResponseToCgiOptions = {},
): Promise<ReadableStream<Uint8Array>> {
  const task = "Cannot send the response";
  // Stryker disable next-line StringLiteral: any method but HEAD gives the same
  const { method = "GET", role = Role.Responder } = optionsOf(options);
  if (!isResponse(response)) throw unexpected(`${task}: expected response to be a Response`, response);
  checkString(method, task, "method");
  if (!Object.values(Role).includes(role)) throw unexpected(`${task}: expected role to be one of Role`, role);
  return streamOfSources(await cgiFromResponse(response, { method, role }));
}
