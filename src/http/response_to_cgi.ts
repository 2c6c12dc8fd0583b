// Fetch response → CGI response (RFC 3875 6). The reverse of cgi_to_response.ts.

import { encodeByteString } from "../protocol/byte_string.ts";
import { MAX_SENT_CONTENT_LENGTH, Role } from "../protocol/constants.ts";
import { parseLength } from "../protocol/params.ts";
import { NO_CONTENT } from "../protocol/record.ts";
import { type ByteReader, type ByteSource, checkLength, readerOf } from "../transport/byte_source.ts";
import { isHopByHop, isNullBodyStatus } from "./header_rules.ts";

/** What of the request decides how its response is written. */
export interface CgiResponseOptions {
  /** The request's method: HEAD has no body. */
  method: string;
  /** The request's role: an Authorizer names variables in headers (FastCGI 6.3). */
  role?: Role;
}

/**
 * A Response as the bytes of FCGI_STDOUT. The header block is one piece, because HAProxy can't read one that is split over
 * records. A body that is all there comes with it in the same piece.
 *
 * @throws {TypeError} If the body was used already, or the header block does not fit one record.
 */
export async function cgiFromResponse(response: Response, options: CgiResponseOptions): Promise<ByteSource[]> {
  const { body, bodyUsed } = response;
  if (bodyUsed || body?.locked) throw new TypeError("Cannot send the response: its body was read already");
  const noBody = isNullBodyStatus(response.status) || options.method === "HEAD";
  if (body === null || noBody) {
    if (body !== null) body.cancel("The response has no body").catch(() => {});
    return [encodeHeader(response, false, options)];
  }
  const length = parseLength(response.headers.get("content-length") ?? undefined);
  const reader = readerOf(length === null ? body : (checkLength(body, length, "the response body") as ByteReader));
  const start = await readWhatIsThere(reader);
  const header = encodeHeader(response, start.bytes.length > 0 || start.next !== null, options);
  const first = concat(header, start.bytes);
  return start.next === null ? [first] : [first, resume(reader, start.next)];
}

function encodeHeader(response: Response, hasBody: boolean, { role }: CgiResponseOptions): Uint8Array {
  const { status, statusText, headers } = response;
  // Always there: without it Apache and Caddy send Location with a 200.
  let header = `Status: ${status} ${statusText}\r\n`;
  for (const [name, value] of headers) {
    if (isHopByHop(name) || name === "status" || (status === 204 && name === "content-length")) continue;
    header += `${role === Role.Authorizer ? variableName(name) : name}: ${value}\r\n`;
  }
  // RFC 3875 6.3.1 wants a type with every body. Never text/html by default: that made pages of uploads (CVE-2020-24553).
  if (hasBody && !headers.has("content-type")) header += "content-type: application/octet-stream\r\n";
  const bytes = encodeByteString(`${header}\r\n`);
  if (bytes.length > MAX_SENT_CONTENT_LENGTH) {
    throw new TypeError(`Cannot send the response: its header of ${bytes.length} bytes does not fit one record`);
  }
  return bytes;
}

/** `Variable-AUTH_METHOD` names a variable (FastCGI 6.3), and those are in upper case; Headers made it lower case. */
function variableName(name: string): string {
  return name.startsWith("variable-") ? `Variable-${name.slice("variable-".length).toUpperCase()}` : name;
}

type ReadResult = Awaited<ReturnType<ByteReader["read"]>>;

/** The start of a body: what could be read without waiting, and the read that was not done then, or null at the end. */
interface BodyStart {
  bytes: Uint8Array;
  next: Promise<ReadResult> | null;
}

/**
 * Turns of the microtask queue that a body may take to give what it has. Bodies made of strings and bytes need two or three on
 * Node, Bun and Deno; one that waits for anything else needs more than any number.
 */
const TURNS = 8;

/** Reads until the body ends, a record is full, or there is a wait: a header must not wait for a slow body. */
async function readWhatIsThere(reader: ByteReader): Promise<BodyStart> {
  let bytes = NO_CONTENT;
  for (;;) {
    let settled = false;
    const next = reader.read();
    const settle = (): void => {
      settled = true;
    };
    next.then(settle, settle);
    for (let turn = 0; turn < TURNS && !settled; turn++) await null;
    if (!settled || bytes.length >= MAX_SENT_CONTENT_LENGTH) return { bytes, next };
    const { done, value } = await next;
    if (done) return { bytes, next: null };
    bytes = bytes.length === 0 ? value! : concat(bytes, value!);
  }
}

/** A reader that begins with a read that is under way. */
function resume(reader: ByteReader, next: Promise<ReadResult>): ByteReader {
  let first: Promise<ReadResult> | null = next;
  return {
    read() {
      const result = first ?? reader.read();
      first = null;
      return result;
    },
    cancel: (reason) => reader.cancel(reason),
  };
}

function concat(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (!(second instanceof Uint8Array)) throw new TypeError("Cannot send the response: its body is not of bytes");
  if (second.length === 0) return first;
  const joined = new Uint8Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}
