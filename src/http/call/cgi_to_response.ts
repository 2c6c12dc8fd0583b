// CGI response → Fetch response (RFC 3875 6). The reverse of response_to_cgi.ts.

import type { IncomingResponse } from "../../codec/incoming_response.ts";
import { pieceStream } from "../../codec/piece_stream.ts";
import { decodeByteString } from "../../protocol/byte_string.ts";
import { FastCgiError } from "../../protocol/errors.ts";
import { discardBody } from "../shared/discard_body.ts";
import { isNullBodyStatus } from "../shared/header_rules.ts";
import { CgiBody } from "./cgi_body.ts";
import { type CgiHeader, type CgiOrders, malformedResponse, parseCgiHeader } from "./cgi_header.ts";
import { GrowingBytes } from "./growing_bytes.ts";

/** What decides how a CGI response is read. */
export interface CgiToResponseOptions {
  /** The request's method: HEAD has no body. */
  method: string;
  /** The most bytes that the header block may have, those of 1xx responses before it included. */
  maxResponseHeaderBytes: number;
  /** The most bytes read of a body that nobody gets. */
  maxDrainBytes: number;
}

/** A response, and what it asks of the web server. */
export interface CgiResponse extends CgiOrders {
  response: Response;
}

const LF = 0x0a;
const CR = 0x0d;

/**
 * Reads the header of a response and makes a Response of it whose body streams. `incoming` is abandoned where that fails.
 *
 * @throws {FastCgiError} `malformedResponse` if it is not a CGI response, `limit` if the header is too long, and whatever
 * ended the response before its header was there.
 */
export async function responseFromCgi(incoming: IncomingResponse, options: CgiToResponseOptions): Promise<CgiResponse> {
  const { stdoutQueue } = incoming;
  let found: HeaderAndRest;
  try {
    found = await readHeader(incoming, options.maxResponseHeaderBytes);
  } catch (error) {
    stdoutQueue.abandon(error);
    throw error;
  }
  const { status, statusText, fields, length, ...orders } = found.header;
  const hasBody = !isNullBodyStatus(status) && options.method !== "HEAD";
  const body = new CgiBody(incoming, found.rest, hasBody ? length : null, options.maxDrainBytes);
  if (!hasBody) void discardBody(pieceStream(body).getReader(), options.maxDrainBytes);
  const response = new Response(hasBody ? pieceStream(body) : null, { status, statusText });
  setFields(response.headers, fields);
  return { ...orders, response };
}

/** Gives `headers` these fields and no other. Headers in the init of a Response would cost more: they are looked at twice. */
function setFields(headers: Headers, fields: CgiHeader["fields"]): void {
  // `@hono/node-server` replaces the global Response by one that fills in a type.
  for (const name of [...headers.keys()]) headers.delete(name);
  for (const [name, value] of fields) headers.append(name, value);
}

interface HeaderAndRest {
  header: CgiHeader;
  /** The bytes behind the header that came with it. */
  rest: Uint8Array;
}

/**
 * Collects stdout until the header block is whole. Headers of a 1xx response are only news, and another block follows; all of them
 * together have the room of one, as in Go's net/http, so that their number has an end.
 *
 * Pieces may be single bytes, so nothing is looked at again for each: the search goes on where it stopped.
 */
async function readHeader(response: IncomingResponse, maxBytes: number): Promise<HeaderAndRest> {
  let block = new GrowingBytes();
  let searched = 0;
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
      if (header.status >= 200) return { header, rest };
      room -= end;
      searched = 0;
      block = new GrowingBytes();
      block.add(rest);
      continue;
    }
    let piece = response.stdoutQueue.take();
    while (piece === undefined) {
      await response.stdoutQueue.whenReadable();
      piece = response.stdoutQueue.take();
    }
    if (piece === null) {
      throw malformedResponse(bytes.length === 0 ? "it is empty" : "it has no end of header", response);
    }
    // The end may have begun two bytes ago.
    searched = Math.max(0, bytes.length - 2);
    block.add(piece);
  }
}

/** The offset behind the empty line that ends a header block: CR LF, LF, or a mix (RFC 3875 6.3 leaves it to the system). */
function findHeaderEnd(bytes: Uint8Array, from: number): number {
  // A block without any field.
  if (bytes[0] === LF) return 1;
  if (bytes[0] === CR && bytes[1] === LF) return 2;
  for (let index = bytes.indexOf(LF, from); index !== -1; index = bytes.indexOf(LF, index + 1)) {
    if (bytes[index + 1] === LF) return index + 2;
    if (bytes[index + 1] === CR && bytes[index + 2] === LF) return index + 3;
  }
  return -1;
}
