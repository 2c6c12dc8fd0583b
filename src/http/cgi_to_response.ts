// CGI response → Fetch response (RFC 3875 6). The reverse of response_to_cgi.ts.

import type { ByteQueue } from "../codec/byte_queue.ts";
import type { IncomingResponse } from "../codec/incoming_response.ts";
import { type PieceSource, pieceStream } from "../codec/piece_stream.ts";
import { decodeByteString } from "../protocol/byte_string.ts";
import { FastCgiError } from "../protocol/errors.ts";
import { parseLength } from "../protocol/params.ts";
import { NO_CONTENT } from "../protocol/record.ts";
import { discardBody } from "./discard_body.ts";
import { hasControlBytes, isHopByHop, isNullBodyStatus, isToken } from "./header_rules.ts";

/** What a response asks of the web server, beside passing it on. */
export interface CgiOrders {
  /**
   * Where a local redirect leads: a path of the same site, perhaps with a query. Null unless the header block is that Location
   * and nothing else (RFC 3875 6.2.2).
   */
  localRedirect: string | null;
  /** Whether there is an X-Accel-Redirect or X-Sendfile among the headers. */
  asksForFile: boolean;
  /** What the `Variable-` fields of an Authorizer say, by the name behind that prefix as it was written (FastCGI 6.3). */
  variables: ReadonlyMap<string, string>;
}

/** The head of a CGI response. */
interface CgiHeader extends CgiOrders {
  status: number;
  statusText: string;
  /** Names are in lower case. */
  fields: [name: string, value: string][];
  /** What Content-Length says. */
  length: number | null;
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
  const source = new BodySource(stdoutQueue, found.rest, hasBody ? length : null);
  if (!hasBody) void discardBody(pieceStream(source).getReader(), options.maxDrainBytes);
  const response = new Response(hasBody ? pieceStream(source) : null, { status, statusText });
  // Cheaper than headers in the init, which are looked at twice.
  const { headers } = response;
  for (const [name, value] of fields) headers.append(name, value);
  return { ...orders, response };
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
    let piece = response.stdoutQueue.take();
    while (piece === undefined) {
      await response.stdoutQueue.whenReadable();
      piece = response.stdoutQueue.take();
    }
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

/** Fields by which an application asks its web server for a file. */
const FILE_FIELDS: ReadonlySet<string> = new Set(["x-accel-redirect", "x-sendfile"]);

const NO_VARIABLES: ReadonlyMap<string, string> = new Map();

/** The fields of a header block, checked before anything is made of them. */
function parseHeader(block: string, response: IncomingResponse): CgiHeader {
  const fields: [name: string, value: string][] = [];
  const single = new Map<string, string>();
  let variables: Map<string, string> | null = null;
  let count = 0;
  let asksForFile = false;
  for (let start = 0, end = 0; start < block.length; start = end + 1) {
    end = block.indexOf("\n", start);
    const text = block.slice(start, block[end - 1] === "\r" ? end - 1 : end);
    if (text === "") break;
    // FastCGI 6.1 has no NPH output, but fcgiwrap lets it through.
    const statusLine = start === 0 ? /^HTTP\/[0-9.]+ (.*)$/.exec(text) : null;
    const field = statusLine === null ? parseField(text, response) : (["status", statusLine[1]!] as const);
    const [name, value] = field;
    // RFC 3875 6.3: such a field says nothing.
    if (value === "" && CGI_FIELDS.has(name)) continue;
    count++;
    if (SINGLE_FIELDS.has(name)) {
      const earlier = single.get(name);
      if (earlier !== undefined && earlier !== value) throw malformed(`it has two different ${name} fields`, response);
      single.set(name, value);
      if (name === "status" || earlier !== undefined) continue;
    }
    if (isHopByHop(name)) continue;
    fields.push([name, value]);
    asksForFile ||= FILE_FIELDS.has(name);
    if (name.startsWith(VARIABLE)) {
      variables ??= new Map();
      addVariable(variables, text.slice(VARIABLE.length, name.length), value, response);
    }
  }
  const contentLength = single.get("content-length");
  const length = parseLength(contentLength);
  if (contentLength !== undefined && length === null) {
    throw malformed(`its Content-Length is ${quote(contentLength)}`, response);
  }
  const location = single.get("location");
  const isLocal = count === 1 && location !== undefined && LOCAL_LOCATION.test(location);
  return {
    ...parseStatus(single.get("status"), location !== undefined, response),
    fields,
    length,
    asksForFile,
    localRedirect: isLocal ? location : null,
    variables: variables ?? NO_VARIABLES,
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

/** The body of a response: what came with the header, and what is left of stdout. One that is not as long as announced fails. */
class BodySource implements PieceSource {
  readonly #queue: ByteQueue;
  readonly #length: number | null;
  #first: Uint8Array | null;
  #count = 0;

  constructor(queue: ByteQueue, first: Uint8Array, length: number | null) {
    this.#queue = queue;
    this.#first = first.length > 0 ? first : null;
    this.#length = length;
  }

  get isRead(): boolean {
    return this.#queue.isRead && this.#isWhole;
  }

  whenReadable(): Promise<void> {
    return this.#queue.whenReadable();
  }

  abandon(reason: unknown): void {
    this.#queue.abandon(reason);
  }

  get #isWhole(): boolean {
    return this.#length === null || this.#count === this.#length;
  }

  take(): Uint8Array | null | undefined {
    const piece = this.#first ?? this.#queue.take();
    this.#first = null;
    if (piece) this.#count += piece.length;
    const isWrong = piece === null ? !this.#isWhole : this.#length !== null && this.#count > this.#length;
    if (!isWrong) return piece;
    const actual = piece === null ? this.#count : `at least ${this.#count}`;
    const error = new FastCgiError(
      "lengthMismatch",
      `Cannot read the response body: expected ${this.#length} bytes, got ${actual}`,
    );
    // Its exchange must not go on as if somebody read it.
    this.#queue.abandon(error);
    throw error;
  }
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
