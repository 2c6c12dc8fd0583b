// A Response, sent by a response of node:http.

import type { IncomingMessage, ServerResponse } from "node:http";
import { isHopByHop } from "../../src/toolkit.ts";

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

/** Sends `response` as fast as the client takes it. Rejects if its body fails; then what was sent looks cut. */
export async function send(response: Response, answering: Answering): Promise<void> {
  const { req, res, signal } = answering;
  const { status, statusText, body } = response;
  const length = lengthOf(response);
  res.statusCode = status;
  // HTTP/2 has none, and node:http2 prints a warning.
  if (statusText !== "" && req.httpVersionMajor < 2) res.statusMessage = statusText;
  setHeaders(res, response.headers);
  if (req.method === "HEAD" || status === 204 || status === 304) {
    void body?.cancel();
    res.end();
    return;
  }
  try {
    await sendBody(body, length, res, signal);
  } catch (error) {
    // With HTTP/2, the error makes the difference between an end and a cut. With HTTP/1 it would go to `clientError`.
    if (res.headersSent) res.destroy(req.httpVersionMajor > 1 ? (error as Error) : undefined);
    else removeHeaders(res, response.headers);
    throw error;
  }
}

/** The announced number of bytes; null if there is none. */
function lengthOf({ headers }: Response): number | null {
  const value = headers.get("content-length");
  if (value === null) return null;
  if (!/^\d+$/.test(value)) throw new TypeError(`Cannot answer: expected a number as content-length, got "${value}"`);
  return Number(value);
}

/** The answer to the error has a body of its own, which a length or a coding of this response would falsify. */
function removeHeaders(res: ServerResponse, headers: Headers): void {
  for (const name of headers.keys()) if (!ADDED.has(name)) res.removeHeader(name);
}

function setHeaders(res: ServerResponse, headers: Headers): void {
  const fields = new Map<string, string[]>();
  for (const [name, value] of headers) {
    if (isHopByHop(name)) continue;
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
  body: ReadableStream<Uint8Array> | null,
  length: number | null,
  res: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const reader = (body ?? new Blob().stream()).getReader();
  let sent = 0;
  let wake = (): void => {};
  // One for all waits: compression() hands listeners for this event on, and removes none.
  res.on("drain", () => wake());
  const onLeave = (): void => {
    wake();
    reader.cancel(signal.reason).catch(() => {});
  };
  signal.addEventListener("abort", onLeave, { once: true });
  // The header does not wait for a body that takes its time.
  setImmediate(() => {
    if (!res.headersSent && !res.destroyed) res.flushHeaders();
  });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      sent += value?.length ?? 0;
      if (length !== null && (done ? sent !== length : sent > length)) {
        throw new TypeError(`Cannot answer: expected ${length} bytes as content-length says, got ${sent}`);
      }
      if (done) break;
      const room = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const hasRoom = res.write(value);
      const { flush } = res as Flushable;
      if (typeof flush === "function") flush.call(res);
      if (!hasRoom) await room;
      signal.throwIfAborted();
    }
  } catch (error) {
    reader.cancel(error).catch(() => {});
    throw error;
  } finally {
    signal.removeEventListener("abort", onLeave);
  }
  res.end();
}
