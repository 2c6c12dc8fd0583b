// Fetch response → CGI response (RFC 3875 6). The reverse of cgi_to_response.ts.

import { isPromise } from "../../base/is_promise.ts";
import { guessedType } from "../../cgi/guessed_type.ts";
import { parseLength } from "../../cgi/params.ts";
import { reasonPhrase } from "../../cgi/reason_phrase.ts";
import { type ByteSource, cancelSource, checkLength, joinBytes, readerOf } from "../../codec/byte_source.ts";
import { MAX_COPIED_BODY_LENGTH } from "../../codec/copying.ts";
import { MAX_WHOLE_LENGTH, WholeOutput } from "../../codec/whole_output.ts";
import { encodeByteString, isAscii } from "../../protocol/byte_string.ts";
import { MAX_SENT_CONTENT_LENGTH, Role } from "../../protocol/constants.ts";
import { NO_CONTENT } from "../../protocol/record.ts";
import { asNativeHeaders, bodyOf } from "../shared/fetch_objects.ts";
import { asDecoded, type ResponseOwner } from "../shared/fetched_response.ts";
import { isHopByHop, isNullBodyStatus, VARIABLE_PREFIX } from "../shared/header_rules.ts";
import { bodyName, checkStatus, lengthToSend, unreadBodyOf } from "../shared/sendable_response.ts";
import { readWhatIsThere, resume } from "./body_start.ts";
import { heldBytes, nativeResponse, takeHeldResponse } from "./fast_response.ts";

/** What the response depends on in its request. */
export interface CgiResponseOptions {
  /** The request's method: a response to HEAD has no body. */
  method: string;
  /** The request's role: an Authorizer sets variables by headers (FastCGI 6.3). */
  role?: Role;
  /** The request. */
  owner?: ResponseOwner;
}

/**
 * Converts a Response to the bytes of FCGI_STDOUT. The header block is one piece, because HAProxy can't read a header
 * block that is split over records. A body that is available as a whole is in the same piece.
 *
 * @throws {TypeError} If the status can't be sent, the body was used already, or the header block does not fit one
 * record.
 * @throws {FastCgiError} `lengthMismatch` if the body is shorter or longer than Content-Length says.
 */
export function cgiFromResponse(
  response: Response,
  options: CgiResponseOptions,
): readonly ByteSource[] | Promise<readonly ByteSource[]> {
  const held = takeHeldResponse(response);
  if (held === null) return cgiFromNative(response, options);
  const header = readHeader(held, options);
  const isBodiless = isNullBodyStatus(held.status) || options.method === "HEAD";
  if (isBodiless) return whole(headerText(header, null), []);
  const length = parseLength(header.contentLength);
  // Stryker disable next-line ConditionalExpression,LogicalOperator: a shortcut to the same bytes
  const text = length === null && header.hasType ? smallText(held.body) : null;
  // Stryker disable next-line ConditionalExpression: a shortcut to the same bytes
  if (text !== null) return wholeResponse(header, text, [], options);
  const body = held.body === null ? NO_CONTENT : heldBytes(held.body);
  if (length !== null) checkLength(body, length, "the response body");
  return wholeResponse(header, "", body.length === 0 ? [] : [body], options);
}

/** A body that is encoded with its header block: to encode it by itself takes a twentieth of a small exchange. */
function smallText(body: string | Uint8Array | null): string | null {
  // Stryker disable next-line ConditionalExpression,EqualityOperator,LogicalOperator,StringLiteral: bytes and longer text take a longer way
  return typeof body === "string" && body.length <= MAX_WHOLE_LENGTH && isAscii(body) ? body : null;
}

async function cgiFromNative(given: Response, options: CgiResponseOptions): Promise<readonly ByteSource[]> {
  // Cancelled if this fails, because it will not be read. If the body itself failed, cancelling it does no harm.
  let unread: ByteSource | null = null;
  try {
    const decoded = asDecoded(given, options.owner);
    const response = isPromise(decoded) ? await decoded : decoded;
    // Read before the body is touched: after that, Bun forgets the body's type.
    const { status, statusText } = response;
    const headers = asNativeHeaders(response.headers);
    let header = readHeader({ status, statusText, headers }, options);
    const body = unreadBodyOf(response);
    // Read again after the body: srvx's FastResponse sets its type when its body is made.
    if (body !== null && !header.hasType) header = addType(header, response);
    unread = body;
    if (isNullBodyStatus(status) || options.method === "HEAD") {
      void cancelSource(body, "The response has no body");
      return whole(headerText(header, null), []);
    }
    const length = parseLength(header.contentLength);
    const source = body ?? NO_CONTENT;
    const checked = length === null ? source : checkLength(source, length, bodyName(headers));
    if (checked instanceof Uint8Array) return wholeResponse(header, "", [], options);
    const reader = readerOf(checked);
    unread = reader;
    const { pieces, next } = await readWhatIsThere(reader, getsLength(header, options));
    if (next === null) return wholeResponse(header, "", pieces, options);
    return [...joined(headerText(header, pieces), pieces), resume(reader, next)];
  } catch (error) {
    void cancelSource(unread ?? bodyOf(given), error);
    throw error;
  }
}

/**
 * A response whose whole body is available. It gets a Content-Length, because behind some web servers, such as Caddy
 * and lighttpd, nothing else shows the HTTP client that a transfer broke off. An Authorizer's answer does not need it:
 * it is not passed on as it is. The body is `text`, which is ASCII, and then `pieces`.
 */
function wholeResponse(
  header: HeaderBlock,
  text: string,
  pieces: readonly Uint8Array[],
  options: CgiResponseOptions,
): ByteSource[] {
  const length = pieces.reduce((sum, piece) => sum + piece.length, text.length);
  const line = getsLength(header, options) ? `content-length: ${length}\r\n` : "";
  const complete = { ...header, lines: header.lines + line };
  return whole(headerText(complete, pieces.length === 0 ? null : pieces) + text, pieces);
}

function getsLength({ contentLength }: HeaderBlock, { role }: CgiResponseOptions): boolean {
  return contentLength === undefined && role !== Role.Authorizer;
}

/** A header block, which may have the body behind it, and the rest: encoded now or, if all is small, when it is sent. */
function whole(header: string, rest: readonly Uint8Array[]): ByteSource[] {
  const length = rest.reduce((sum, piece) => sum + piece.length, header.length);
  // Stryker disable next-line ConditionalExpression,EqualityOperator: the other way sends the same bytes, but in more records
  return length <= MAX_WHOLE_LENGTH ? [new WholeOutput(header, rest)] : joined(header, rest);
}

/** A header block and the first pieces of its body, as few pieces as are worth copying. */
function joined(header: string, start: readonly Uint8Array[]): ByteSource[] {
  // The pieces before the last one are together less than a record.
  const last = start.at(-1);
  if (last === undefined || last.length <= MAX_COPIED_BODY_LENGTH)
    return [joinBytes([encodeByteString(header), ...start])];
  return [joinBytes([encodeByteString(header), ...start.slice(0, -1)]), last];
}

/** The lines of a header block, and what is known of them. */
interface HeaderBlock {
  readonly lines: string;
  readonly contentLength: string | undefined;
  readonly hasType: boolean;
}

/** The parts of a Response that make a header block. */
interface ResponseHead extends Pick<Response, "status" | "statusText"> {
  /** Names in lower case. */
  readonly headers: Iterable<readonly [name: string, value: string]>;
}

function readHeader({ status, statusText, headers }: ResponseHead, { role }: CgiResponseOptions): HeaderBlock {
  checkStatus({ status, statusText });
  // Always sent: without it, Apache and Caddy send a Location with status 200.
  const statusLine = `Status: ${status} ${statusText || reasonPhrase(status)}\r\n`;
  let lines = "";
  let contentLength: string | undefined;
  let hasType = false;
  let isRedirect = false;
  const isAuthorizer = role === Role.Authorizer;
  for (const [name, value] of headers) {
    if (name === "content-length") {
      if (lengthToSend(value, status) === null) continue;
      contentLength = value;
    } else if (name === "content-type") hasType = true;
    else if (name === "location") isRedirect = true;
    if (isHopByHop(name) || name === "status") continue;
    // FastCGI 6.3: a refusal goes to the HTTP client as it is, but variables are for the web server.
    const isVariable = isAuthorizer && name.startsWith(VARIABLE_PREFIX);
    if (isVariable && status !== 200) continue;
    lines += `${isVariable ? variableName(name) : name}: ${value}\r\n`;
  }
  // Status is last before a Location, because HAProxy 2.6 makes a 302 of any Status that a Location follows. For an
  // Authorizer it is first: lighttpd ignores all fields before the Status, and HAProxy has no Authorizers. To other
  // servers the order makes no difference.
  const isStatusLast = isRedirect && !isAuthorizer;
  return { lines: isStatusLast ? lines + statusLine : statusLine + lines, contentLength, hasType };
}

function addType(header: HeaderBlock, { headers }: Pick<Response, "headers">): HeaderBlock {
  const type = asNativeHeaders(headers).get("content-type");
  return type === null ? header : { ...header, lines: `${header.lines}content-type: ${type}\r\n`, hasType: true };
}

/** A header block, to its end. `start` holds the first pieces of the body; null if there is no body. */
function headerText({ lines, hasType }: HeaderBlock, start: readonly Uint8Array[] | null): string {
  const type = start === null || hasType ? "" : `content-type: ${typeOf(start)}\r\n`;
  const block = `${lines}${type}\r\n`;
  if (block.length > MAX_SENT_CONTENT_LENGTH) {
    throw new TypeError(`Cannot send the response: its header of ${block.length} bytes does not fit one record`);
  }
  return block;
}

let isTextTyped: boolean | undefined;

/**
 * The Content-Type for a body that has none. Fetch gives a body made of a string its type, but on Bun only Bun.serve
 * knows what a body was made of (oven-sh/bun issue 8530): there it is guessed.
 */
function typeOf([first]: readonly Uint8Array[]): string {
  // Stryker disable ConditionalExpression,EqualityOperator,LogicalOperator: only on Bun can it be otherwise
  // Stryker disable next-line AssignmentOperator,StringLiteral: asked once, of any text
  isTextTyped ??= new (nativeResponse())("").headers.has("content-type");
  /* v8 ignore next -- only on Bun can it be otherwise */
  return isTextTyped || first === undefined ? "application/octet-stream" : guessedType(first);
}

// Stryker restore ConditionalExpression,EqualityOperator,LogicalOperator

/** `Variable-AUTH_METHOD`: names of variables are in upper case, but Headers made the name lower case. */
function variableName(name: string): string {
  return `Variable-${name.slice(VARIABLE_PREFIX.length).toUpperCase()}`;
}
