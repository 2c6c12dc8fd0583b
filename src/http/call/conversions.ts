// The conversions of FastCgiHttpClient, each by itself: for programs that send FastCGI records themselves, and for
// those that run CGI programs.

import { resolveOptions } from "../../base/resolve_options.ts";
import { checkInteger, checkString, optionsOf, unexpected } from "../../base/unexpected.ts";
import { parseLength } from "../../cgi/params.ts";
import { type ByteReader, type ByteSourceInit, byteSourceOf, cancelSource, chunkOf } from "../../codec/byte_source.ts";
import { IncomingResponse } from "../../codec/incoming_response.ts";
import { RESPONSE_DECODER_DEFAULTS } from "../../codec/response_decoder_options.ts";
import { streamOfSources } from "../../codec/stream_of.ts";
import { FCGI_NULL_REQUEST_ID, ProtocolStatus } from "../../protocol/constants.ts";
import { checkNameValuePair } from "../../protocol/name_value_pairs.ts";
import { asNativeHeaders, isRequest } from "../shared/fetch_objects.ts";
import { type CgiResponse, responseFromCgi } from "./cgi_to_response.ts";
import { DEFAULT_HTTP_CLIENT_OPTIONS } from "./client_options.ts";
import { type FastCgiPhpOptions, paramsFromPhpOptions } from "./php_values.ts";
import {
  type FastCgiHttpParams,
  type FastCgiHttpPeers,
  paramsFromRequest,
  setContentLength,
} from "./request_to_params.ts";
import { checkScript, type FastCgiScript } from "./script.ts";

/** Options of {@linkcode requestToParams}. */
export interface RequestToParamsOptions extends FastCgiHttpPeers, FastCgiPhpOptions {
  /**
   * The script that answers.
   *
   * @default {none: the whole path of the URL is SCRIPT_NAME, as with nginx's `fastcgi_params`}
   */
  script?: FastCgiScript | undefined;
  /**
   * Variables of your own. They override those of the request.
   *
   * @default {none}
   */
  params?: FastCgiHttpParams | undefined;
  /**
   * The number of bytes in the body that will be sent: CONTENT_LENGTH. null means that there is no body. It must be
   * right: php-fpm loses a body without a length, and waits for ever for a body that is shorter.
   *
   * @default {the request's Content-Length; without one, a body has no CONTENT_LENGTH}
   */
  contentLength?: number | null | undefined;
}

/**
 * The variables of a Request, by the contract of nginx's `fastcgi_params` and php-fpm (RFC 3875 4.1): what
 * {@linkcode FastCgiHttpClient} sends as FCGI_PARAMS, and what a CGI program has in its environment. Only the headers
 * of a request can name variables, and only `HTTP_*`. The request's body is not touched. The reverse is
 * {@linkcode paramsToRequest}.
 *
 * ```ts
 * const params = requestToParams(request, { script: { filename: "/srv/app/public/index.php" } });
 * const { stdout } = await client.send({ params, stdin: request.body });
 * ```
 *
 * @throws {FastCgiError} `malformedRequest` if the decoded path holds NUL, CR, LF or a `..` segment.
 * @throws {TypeError} If `request` is not a Request, or an option is not what it must be, such as a variable that is
 * not a string.
 * @throws {RangeError} If `contentLength` is not a whole number of bytes.
 */
export function requestToParams(request: Request, given: RequestToParamsOptions = {}): Map<string, string> {
  if (!isRequest(request)) {
    throw unexpected("Cannot make variables: expected request to be a Request", request);
  }
  const options = optionsOf(given);
  const { script, params: own, contentLength, ...rest } = options;
  if (typeof script === "function") throw unexpected("Cannot use script: expected an object with a filename", script);
  checkScript(script);
  if (contentLength !== undefined && contentLength !== null) {
    checkInteger(contentLength, "Cannot make variables", "contentLength", 0, Number.MAX_SAFE_INTEGER);
  }
  const { method, url } = request;
  const headers = asNativeHeaders(request.headers);
  const overrides = [paramsFromPhpOptions([options]), own];
  const params = paramsFromRequest({ method, url, headers }, { ...rest, script, overrides });
  const hasBody = request.body !== null && request.body !== undefined;
  const announced = hasBody ? (parseLength(headers.get("content-length") ?? undefined) ?? "unknown") : null;
  setContentLength(params, contentLength === undefined ? announced : contentLength);
  for (const [name, value] of params) checkNameValuePair(name, value);
  return params;
}

/** Options of {@linkcode cgiToResponse}. */
export interface CgiToResponseOptions {
  /**
   * The request's method: the response to HEAD has no body.
   *
   * @default {"GET"}
   */
  method?: string | undefined;
  /** As the client's option. */
  maxResponseHeaderBytes?: number | undefined;
  /** As the client's option. */
  maxDrainBytes?: number | undefined;
}

/**
 * Reads CGI output, header block and body (RFC 3875 6), and makes a Response of it as soon as the header block is
 * complete, as {@linkcode FastCgiHttpClient} does with FCGI_STDOUT. The body streams, and fails if it is shorter than
 * its Content-Length or `stdout` fails. What is longer is read and dropped, up to `maxDrainBytes`. The reverse is
 * {@linkcode responseToCgi}.
 *
 * X-Accel-Redirect and X-Sendfile stay in the headers, and `asksForFile` says that they are there. They tell where
 * files are, so do not pass them to an HTTP client.
 *
 * ```ts
 * const { response } = await cgiToResponse(fastCgiResponse.stdout, { method: request.method });
 * ```
 *
 * @param stdout Text, bytes, a Blob, a stream and more. It is cancelled if it is not a response.
 * @throws {FastCgiError} `malformedResponse` if it is not a CGI response, `limit` if the header block is too long.
 * @throws {TypeError} If an argument is not what it must be.
 * @throws {unknown} The error of `stdout`, if it fails before the header block is complete.
 */
export async function cgiToResponse(stdout: ByteSourceInit, given: CgiToResponseOptions = {}): Promise<CgiResponse> {
  const options = optionsOf(given);
  // Stryker disable next-line StringLiteral: any method but HEAD gives the same
  const { method = "GET" } = options;
  checkString(method, "Cannot read the response", "method");
  const { maxResponseHeaderBytes, maxDrainBytes } = DEFAULT_HTTP_CLIENT_OPTIONS;
  const limits = resolveOptions({ maxResponseHeaderBytes, maxDrainBytes }, options);
  const reader = streamOfSources([byteSourceOf(stdout, "stdout")]).getReader();
  // The response is not on a connection: where a connection would be closed, `stdout` is cancelled.
  const incoming = new IncomingResponse(
    FCGI_NULL_REQUEST_ID,
    { ...RESPONSE_DECODER_DEFAULTS, maxStdoutBytes: Number.POSITIVE_INFINITY },
    { onAbandoned: (reason) => void cancelSource(reader, reason) },
  );
  void feed(incoming, reader);
  return responseFromCgi(incoming, { method, ...limits });
}

/** Passes the bytes of `reader` to `incoming`. Never rejects: the response fails instead. */
async function feed(incoming: IncomingResponse, reader: ByteReader): Promise<void> {
  const { stdoutQueue } = incoming;
  try {
    for (;;) {
      await stdoutQueue.whenRoom();
      // Stryker disable next-line ConditionalExpression: a shortcut, for a reader that was cancelled reads as ended
      if (stdoutQueue.isDone) return;
      const { done, value } = await reader.read();
      if (done) return incoming.complete({ appStatus: 0, protocolStatus: ProtocolStatus.RequestComplete });
      incoming.pushStdout(chunkOf(value, "stdout"));
    }
  } catch (error) {
    incoming.fail(error);
    void cancelSource(reader, error);
  }
}
