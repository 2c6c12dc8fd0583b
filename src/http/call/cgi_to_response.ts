// CGI response → Fetch response (RFC 3875 6). The reverse of response_to_cgi.ts.

import { GrowingBytes } from "../../base/growing_bytes.ts";
import { findHeaderEnd } from "../../cgi/header_end.ts";
import { joinBytes } from "../../codec/byte_source.ts";
import { isPinning } from "../../codec/copying.ts";
import type { IncomingResponse } from "../../codec/incoming_response.ts";
import { decodeByteString } from "../../protocol/byte_string.ts";
import { FastCgiError } from "../../protocol/errors.ts";
import { discardBody } from "../shared/discard_body.ts";
import { isNullBodyStatus } from "../shared/header_rules.ts";
import { CgiBody } from "./cgi_body.ts";
import { type CgiHeader, type CgiOrders, malformedResponse, parseCgiHeader } from "./cgi_header.ts";
import type { FetchWatch } from "./fetch_watch.ts";
import type { FastCgiStreamedBody } from "./streamed_response.ts";

/** What decides how a CGI response is read. */
export interface ResponseFromCgiOptions {
  /** The request's method: HEAD has no body. */
  method: string;
  /** The most bytes in the header block, including those of 1xx responses before it. */
  maxResponseHeaderBytes: number;
  /** The most bytes that are read and dropped of a body that the caller does not get. */
  maxDrainBytes: number;
  /** The class of a response whose body does not stream, if it is not the runtime's own. */
  responseClass?: typeof Response | undefined;
  /** Makes the Response of a body that is still to come. */
  streamedResponse?: ((body: FastCgiStreamedBody, init: ResponseInit) => Response) | undefined;
  /** Hears of the response and its header. */
  watch?: FetchWatch | undefined;
}

/** A response, and what it asks the web server to do. */
export interface CgiResponse extends CgiOrders {
  /** Status, headers and body. */
  response: Response;
}

/**
 * Reads the header of a response and makes a Response of it, whose body streams unless all of it is here. `incoming` is
 * abandoned if that fails.
 *
 * @throws {FastCgiError} `malformedResponse` if it is not a CGI response, `limit` if the header is too long, or the
 * error that ended the response before its header was complete.
 */
export async function responseFromCgi(
  incoming: IncomingResponse,
  options: ResponseFromCgiOptions,
): Promise<CgiResponse> {
  const { stdoutQueue } = incoming;
  const { watch } = options;
  watch?.noteSent(incoming);
  try {
    const { header, headerBytes, rest } = await readHeader(incoming, options.maxResponseHeaderBytes);
    stdoutQueue.unread(rest);
    const { status, statusText, fields, length, ...orders } = header;
    const body = bodyOf(incoming, status, length, options);
    const response = makeResponse(body, { status, statusText }, fields, options);
    watch?.noteHeader(status, headerBytes, body === null ? 0 : (length ?? Number.NaN));
    return { ...orders, response };
  } catch (error) {
    stdoutQueue.cancel(error);
    throw error;
  }
}

function makeResponse(
  given: Uint8Array<ArrayBuffer> | CgiBody | null,
  init: ResponseInit,
  fields: CgiHeader["fields"],
  { responseClass, streamedResponse }: ResponseFromCgiOptions,
): Response {
  let response: Response;
  if (given instanceof CgiBody) {
    response = streamedResponse?.(given, init) ?? new Response(given.stream, init);
  } else {
    // A copy, because a class that keeps the bytes as they are keeps the chunk in which they came: FastResponse does, which
    // may be the global class, too.
    const body = given !== null && isPinning(given) ? new Uint8Array(given) : given;
    if (responseClass !== undefined) {
      return new responseClass(body, { ...init, headers: fields as [name: string, value: string][] });
    }
    response = new Response(body, init);
  }
  setFields(response.headers, fields);
  return response;
}

/**
 * The body of a response whose header was read. Bytes if all of them are here: Bun and Deno serve them in half the time
 * that they need for a stream. As long as the application has not said that the response is complete, it is a stream,
 * and so is a body of another length than announced, which must look broken.
 */
function bodyOf(
  incoming: IncomingResponse,
  status: number,
  length: number | null,
  { method, maxDrainBytes }: ResponseFromCgiOptions,
): Uint8Array<ArrayBuffer> | CgiBody | null {
  const { stdoutQueue } = incoming;
  if (isNullBodyStatus(status) || method === "HEAD") {
    void discardBody(stdoutQueue, maxDrainBytes);
    return null;
  }
  if (stdoutQueue.isComplete) {
    const came = joinBytes(stdoutQueue.takeQueued());
    if (length === null || length === came.length) return came as Uint8Array<ArrayBuffer>;
    stdoutQueue.unread(came);
  }
  return new CgiBody(incoming, length, maxDrainBytes);
}

/**
 * Gives `headers` these fields and no others. Passing Headers to the Response would cost more, because each is checked
 * twice.
 */
function setFields(headers: Headers, fields: CgiHeader["fields"]): void {
  // `@hono/node-server` replaces the global Response by one that adds a Content-Type.
  for (const name of [...headers.keys()]) headers.delete(name);
  for (const [name, value] of fields) headers.append(name, value);
}

interface HeaderAndRest {
  header: CgiHeader;
  /** Its length, with those of 1xx responses. */
  headerBytes: number;
  /** The bytes after the header that came with it. */
  rest: Uint8Array;
}

/**
 * Collects stdout until the header block is complete. The header of a 1xx response is dropped, and another block
 * follows. All blocks together may have `maxBytes`, as in Go's net/http, so that an application can't send 1xx
 * responses for ever.
 *
 * Each search for the end goes on where the last one stopped, because pieces may be single bytes.
 */
async function readHeader(response: IncomingResponse, maxBytes: number): Promise<HeaderAndRest> {
  const block = new GrowingBytes();
  let searched = 0;
  let read = 0;
  let room = maxBytes;
  for (;;) {
    const { bytes } = block;
    const end = findHeaderEnd(bytes, searched);
    if ((end === -1 ? bytes.length : end) > room) {
      const { requestId, stderrText: stderr } = response;
      const message = `Cannot read the response: its header is longer than ${maxBytes} bytes`;
      throw new FastCgiError("limit", message, { requestId, stderr, limit: "maxResponseHeaderBytes" });
    }
    if (end !== -1) {
      const header = parseCgiHeader(decodeByteString(bytes.subarray(0, end)), response);
      const rest = bytes.subarray(end);
      if (header.status >= 200) return { header, headerBytes: read - rest.length, rest };
      room -= end;
      searched = 0;
      block.take();
      block.add(rest);
      continue;
    }
    const result = response.stdoutQueue.read();
    // Stryker disable next-line StringLiteral: a result can be awaited as well, in more turns
    const { done, value } = "done" in result ? result : await result;
    if (done) {
      throw malformedResponse(bytes.length === 0 ? "it is empty" : "it has no end of header", response);
    }
    searched = bytes.length;
    block.add(value!);
    read += value!.length;
  }
}
