// A Response, sent by a response of node:http.

import type { IncomingMessage, ServerResponse } from "node:http";
import { type ByteReader, cancelSource, chunkOf, readerOf } from "../../src/codec/byte_source.ts";
import { asNativeHeaders } from "../../src/http/shared/fetch_objects.ts";
import { asDecoded } from "../../src/http/shared/fetched_response.ts";
import { isHopByHop, isNullBodyStatus } from "../../src/http/shared/header_rules.ts";
import { bodyName, checkStatus, lengthToSend, unreadBodyOf } from "../../src/http/shared/sendable_response.ts";

/** The request that is answered, and the signal that aborts when its client leaves. */
export interface Answering {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly signal: AbortSignal;
}

/** A response whose pieces middleware holds back, such as `compression()`. */
interface Flushable {
  flush?: unknown;
}

/** Fields that say something of their own in each line: those of the middleware before stay. */
const ADDED: ReadonlySet<string> = new Set(["set-cookie", "vary"]);

/**
 * Sends `given`, of any class, as fast as the client takes it. Rejects if it can't be sent, or its body fails; then
 * what was sent looks cut, and if nothing was sent, `res` is as before.
 */
export async function send(given: Response, answering: Answering): Promise<void> {
  const { req, res, signal } = answering;
  const response = await asDecoded(given, answering);
  const { status, statusText } = response;
  checkStatus(response);
  const headers = asNativeHeaders(response.headers);
  const length = lengthToSend(headers.get("content-length"), status);
  const body = unreadBodyOf(response);
  // HTTP/2 has no reason phrase, and node:http2 prints a warning.
  const hasReason = req.httpVersionMajor < 2;
  const restore = restorerOf(res, headers.keys(), hasReason);
  try {
    setHeaders(res, headers, length !== null);
    res.statusCode = status;
    if (statusText && hasReason) res.statusMessage = statusText;
    if (req.method === "HEAD" || isNullBodyStatus(status)) {
      void cancelSource(body, "The response has no body");
      res.end();
      return;
    }
    const expected = length === null ? null : { length, name: bodyName(headers) };
    await sendBody(readerOf(body ?? new Blob().stream()), expected, res, signal);
  } catch (error) {
    if (res.headersSent) cut(answering, error);
    else restore();
    throw error;
  }
}

/**
 * Makes a function that gives `res` the status and the fields back that it has now. The answer to an error has a body of its own, which a
 * length or a coding of this response would falsify.
 */
function restorerOf(res: ServerResponse, names: Iterable<string>, hasReason: boolean): () => void {
  const before = { statusCode: res.statusCode, ...(hasReason && { statusMessage: res.statusMessage }) };
  const fields = [...names].map((name) => [name, res.getHeader(name)] as const);
  return () => {
    for (const [name, value] of fields) {
      if (value === undefined) res.removeHeader(name);
      else res.setHeader(name, value);
    }
    Object.assign(res, before);
  };
}

/** Closes the connection of a response of which a part was sent, or with HTTP/2 its stream, so that the response looks cut. */
function cut({ req, res }: Answering, error: unknown): void {
  // With HTTP/2, the error makes the difference between an end and a cut. With HTTP/1 it would go to `clientError`.
  if (req.httpVersionMajor > 1) {
    res.destroy(error as Error);
    return;
  }
  // To HTTP/1.0, which nginx speaks to its upstreams, the end of the connection is the end of a body; a reset is not.
  if (req.httpVersion === "1.0") {
    try {
      req.socket.resetAndDestroy();
    } catch {
      // Only a TCP connection without TLS can be reset.
    }
  }
  res.destroy();
}

function setHeaders(res: ServerResponse, headers: Headers, hasLength: boolean): void {
  const fields = new Map<string, string[]>();
  for (const [name, value] of headers) {
    if (isHopByHop(name) || (name === "content-length" && !hasLength)) continue;
    const values = fields.get(name);
    if (values === undefined) fields.set(name, [value]);
    else values.push(value);
  }
  for (const [name, values] of fields) {
    const before = ADDED.has(name) ? [res.getHeader(name) ?? []].flat().map(String) : [];
    const all = [...before, ...values];
    res.setHeader(name, all.length === 1 ? all[0]! : all);
  }
}

/**
 * Sends as many bytes as were announced, or rejects. node:http does not look: with more or fewer, the client would take the
 * rest for its next response, or its next response for the rest.
 */
async function sendBody(
  body: ByteReader,
  expected: { readonly length: number; readonly name: string } | null,
  res: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  let sent = 0;
  let wake = (): void => {};
  // One for all waits: compression() hands listeners for this event on, and removes none.
  res.on("drain", () => wake());
  const onLeave = (): void => {
    wake();
    void cancelSource(body, signal.reason);
  };
  signal.addEventListener("abort", onLeave, { once: true });
  // The header does not wait for a body that takes its time.
  const flushing = setImmediate(() => {
    if (!res.headersSent && !res.destroyed) res.flushHeaders();
  });
  try {
    for (;;) {
      const { done, value } = await body.read();
      signal.throwIfAborted();
      const piece = done ? null : chunkOf(value, "the response body");
      sent += piece?.length ?? 0;
      if (expected !== null && (piece === null ? sent !== expected.length : sent > expected.length)) {
        throw new TypeError(`Cannot send ${expected.name}: expected ${expected.length} bytes, got ${sent}`);
      }
      if (piece === null) break;
      const room = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const hasRoom = res.write(piece);
      const { flush } = res as Flushable;
      if (typeof flush === "function") flush.call(res);
      if (!hasRoom) await room;
      signal.throwIfAborted();
    }
  } catch (error) {
    void cancelSource(body, error);
    throw error;
  } finally {
    signal.removeEventListener("abort", onLeave);
    // An answer to the error may take longer, and has a header of its own.
    clearImmediate(flushing);
  }
  res.end();
}
