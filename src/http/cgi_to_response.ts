// CGI response → Fetch response (RFC 3875 6). The reverse of response_to_cgi.ts.

import type { IncomingResponse } from "../codec/incoming_response.ts";
import { decodeByteString } from "../protocol/byte_string.ts";
import { FastCgiError } from "../protocol/errors.ts";
import { parseLength } from "../protocol/params.ts";
import { NO_CONTENT } from "../protocol/record.ts";
import { type ByteReader, checkLength } from "../transport/byte_source.ts";
import { discardBody } from "./discard_body.ts";
import { hasControlBytes, isHopByHop, isNullBodyStatus, isToken } from "./header_rules.ts";

/** The head of a CGI response. */
export interface CgiHeader {
  status: number;
  statusText: string;
  headers: Headers;
  /**
   * Where a local redirect leads: a path of the same site, perhaps with a query. Null unless the header block is that Location
   * and nothing else (RFC 3875 6.2.2).
   */
  localRedirect: string | null;
  /** What the `Variable-` fields of an Authorizer say, by the name behind that prefix as it was written (FastCGI 6.3). */
  variables: ReadonlyMap<string, string>;
}

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
export interface CgiResponse {
  response: Response;
  /** See {@linkcode CgiHeader.localRedirect}. */
  localRedirect: string | null;
  /** See {@linkcode CgiHeader.variables}. */
  variables: ReadonlyMap<string, string>;
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
  const { header, rest } = await readHeader(incoming, options.maxResponseHeaderBytes).catch((error) => {
    incoming.stdoutQueue.abandon(error);
    throw error;
  });
  const { status, statusText, headers, localRedirect, variables } = header;
  const init = { status, statusText, headers };
  const source: ByteReader = queueReader(incoming, rest);
  if (isNullBodyStatus(status) || options.method === "HEAD") {
    void discardBody(source, options.maxDrainBytes);
    return { response: new Response(null, init), localRedirect, variables };
  }
  const length = parseLength(headers.get("content-length") ?? undefined);
  const body = length === null ? source : (checkLength(source, length, "the response body") as ByteReader);
  return { response: new Response(streamOf(body), init), localRedirect, variables };
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
 * Pieces may be single bytes, so nothing is looked at or copied again for each: the search goes on where it stopped, and the
 * buffer doubles.
 */
async function readHeader(response: IncomingResponse, maxBytes: number): Promise<HeaderAndRest> {
  let buffer: Uint8Array = NO_CONTENT;
  let length = 0;
  let searched = 0;
  let room = maxBytes;
  for (;;) {
    const end = findHeaderEnd(buffer.subarray(0, length), searched);
    if ((end === -1 ? length : end) > room) {
      const message = `Cannot read the response: its header is longer than ${maxBytes} bytes`;
      throw new FastCgiError("limit", message, { ...facts(response), limit: "maxResponseHeaderBytes" });
    }
    if (end !== -1) {
      const header = parseHeader(decodeByteString(buffer.subarray(0, end)), response);
      buffer = buffer.subarray(end, length);
      if (header.status >= 200) return { header, rest: buffer };
      room -= end;
      length = buffer.length;
      searched = 0;
      continue;
    }
    const piece = await response.stdoutQueue.read();
    if (piece === null) throw malformed(length === 0 ? "it is empty" : "it has no end of header", response);
    // The end may have begun two bytes ago.
    searched = Math.max(0, length - 2);
    buffer = append(buffer, length, piece);
    length += piece.length;
  }
}

/** `buffer` with `piece` behind its first `length` bytes: `piece` itself where there are none, a larger buffer where it must be. */
function append(buffer: Uint8Array, length: number, piece: Uint8Array): Uint8Array {
  if (length === 0) return piece;
  const needed = length + piece.length;
  const target = needed > buffer.length ? new Uint8Array(needed * 2) : buffer;
  if (target !== buffer) target.set(buffer.subarray(0, length));
  target.set(piece, length);
  return target;
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

/** The fields that CGI has a meaning for (RFC 3875 6.3). */
const CGI_FIELDS: ReadonlySet<string> = new Set(["content-type", "location", "status"]);

/** Fields that mean one thing. What comes twice and differs is refused, because every web server makes something else of it. */
const SINGLE_FIELDS: ReadonlySet<string> = new Set([...CGI_FIELDS, "content-length"]);

/**
 * A local Location (RFC 3875 6.3.2), more generous than its grammar with bytes that are not ASCII. "//" would name another host, and
 * so would a backslash or a tab to a URL parser; a fragment is for the client.
 */
const LOCAL_LOCATION = /^\/(?!\/)[!-"$-[\]-~\x80-\xff]*$/;

/** The fields of a header block, checked before anything is made of them. */
function parseHeader(block: string, response: IncomingResponse): CgiHeader {
  const headers = new Headers();
  const single = new Map<string, string>();
  const variables = new Map<string, string>();
  let fields = 0;
  for (const [index, line] of block.split("\n").entries()) {
    const text = line.endsWith("\r") ? line.slice(0, -1) : line;
    if (text === "") break;
    // FastCGI 6.1 has no NPH output, but fcgiwrap lets it through.
    const statusLine = index === 0 ? /^HTTP\/[0-9.]+ (.*)$/.exec(text) : null;
    const [name, value] = statusLine === null ? parseField(text, response) : ["status", statusLine[1]!];
    // RFC 3875 6.3: such a field says nothing.
    if (value === "" && CGI_FIELDS.has(name)) continue;
    fields++;
    const earlier = single.get(name);
    if (earlier !== undefined && earlier !== value) throw malformed(`it has two different ${name} fields`, response);
    if (SINGLE_FIELDS.has(name)) single.set(name, value);
    else if (!isHopByHop(name)) headers.append(name, value);
    if (name.startsWith(VARIABLE)) addVariable(variables, text.slice(VARIABLE.length, name.length), value, response);
  }
  const length = single.get("content-length");
  if (length !== undefined && parseLength(length) === null) {
    throw malformed(`its Content-Length is ${quote(length)}`, response);
  }
  const status = single.get("status");
  single.delete("status");
  for (const [name, value] of single) headers.set(name, value);
  const location = headers.get("location");
  const isLocal = fields === 1 && location !== null && LOCAL_LOCATION.test(location);
  return {
    ...parseStatus(status, location !== null, response),
    headers,
    localRedirect: isLocal ? location : null,
    variables,
  };
}

/** Starts the name of a field that names a variable (FastCGI 6.3). */
const VARIABLE = "variable-";

/** Rights may hang on a variable, so of two values neither is taken. */
function addVariable(variables: Map<string, string>, name: string, value: string, response: IncomingResponse): void {
  const earlier = variables.get(name);
  if (earlier !== undefined && earlier !== value) throw malformed(`it has two of the variable ${name}`, response);
  variables.set(name, value);
}

/** Name, in lower case, and value of a header line. */
function parseField(text: string, response: IncomingResponse): [name: string, value: string] {
  const colon = text.indexOf(":");
  const name = text.slice(0, colon).toLowerCase();
  if (colon === -1 || !isToken(name)) throw malformed(`the header line ${quote(text)} has no name`, response);
  const value = trimBlanks(text.slice(colon + 1));
  if (hasControlBytes(value)) throw malformed(`the header ${name} holds a control byte`, response);
  return [name, value];
}

/** RFC 3875 6.3.3: a status, or 302 for a redirect without one (6.2.3), or 200. */
function parseStatus(
  value: string | undefined,
  redirects: boolean,
  response: IncomingResponse,
): Pick<CgiHeader, "status" | "statusText"> {
  if (value === undefined) return redirects ? { status: 302, statusText: "Found" } : { status: 200, statusText: "OK" };
  // A Response takes no other control byte than a tab in its statusText.
  const match = /^([0-9]{3})(?: ([\t -~\x80-\xff]*))?$/.exec(value);
  const status = Number(match?.[1]);
  if (match === null || status < 100 || status > 599) throw malformed(`its status is ${quote(value)}`, response);
  return { status, statusText: trimBlanks(match[2] ?? "") };
}

/** Without the spaces and tabs around it. `trim()` would take the byte A0 as well, with which "à" ends in UTF-8. */
function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** What is left of stdout: first what came with the header. */
function queueReader({ stdoutQueue }: IncomingResponse, rest: Uint8Array): ByteReader {
  let first: Uint8Array | null = rest.length > 0 ? rest : null;
  return {
    async read() {
      const value = first ?? (await stdoutQueue.read());
      first = null;
      return value === null ? { done: true } : { done: false, value };
    },
    cancel: async (reason) => stdoutQueue.abandon(reason),
  };
}

function streamOf(source: ByteReader): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        try {
          const { done, value } = await source.read();
          if (done) controller.close();
          else controller.enqueue(value as Uint8Array<ArrayBuffer>);
        } catch (error) {
          controller.error(error);
          // A body of the wrong length: its exchange must not go on as if somebody read it.
          await source.cancel(error);
        }
      },
      cancel: (reason) => source.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

function facts({ requestId, stderrText }: IncomingResponse): { requestId: number; stderr: string } {
  return { requestId, stderr: stderrText };
}

function malformed(reason: string, response: IncomingResponse): FastCgiError {
  const stderr = response.stderrText;
  const said = stderr === "" ? "" : `; it wrote to stderr: ${quote(stderr)}`;
  return new FastCgiError("malformedResponse", `Cannot read the response: ${reason}${said}`, facts(response));
}

/** For messages: short, and without control characters, which would forge lines of a log. */
function quote(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}
