// A request of node:http as Fetch has it.

import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { TLSSocket } from "node:tls";
import { FastCgiError, type FastCgiHttpPeers } from "../../src/index.ts";
import { isHopByHop } from "../../src/toolkit.ts";

/** What frameworks know of a request beside node:http. */
interface Known {
  /** Connect, Express, middie: the target before a path was cut off, or middleware changed it. */
  readonly originalUrl?: unknown;
  /** Express, middie: the client's address, which a trusted proxy told. */
  readonly ip?: unknown;
  /** Express, middie: the scheme that the client used, which a trusted proxy told. */
  readonly protocol?: unknown;
}

/**
 * The request. Its body is read when it is read, and stays as it is if it never is.
 *
 * @throws {FastCgiError} `malformedRequest` if Fetch has no such request.
 */
export function requestOf(req: IncomingMessage, signal: AbortSignal): Request {
  const { method = "GET" } = req;
  if (FORBIDDEN_METHODS.has(method)) throw malformed(`its method is ${method}`);
  const { host, target } = targetOf(req);
  const url = `${schemeOf(req)}://${host}${target}`;
  try {
    const headers = headersOf(req);
    headers.set("host", host);
    const init: RequestInit & { duplex?: "half" } = { method, headers, signal };
    if (hasBody(req) && method !== "GET" && method !== "HEAD") {
      init.body = bodyOf(req, signal);
      init.duplex = "half";
    }
    return new Request(url, init);
  } catch (cause) {
    throw malformed(cause instanceof Error ? cause.message : String(cause), cause);
  }
}

/** Methods that Fetch forbids, though not on every runtime. */
const FORBIDDEN_METHODS: ReadonlySet<string> = new Set(["CONNECT", "TRACE", "TRACK"]);

function malformed(reason: string, cause?: unknown): FastCgiError {
  return new FastCgiError("malformedRequest", `Cannot build a request: ${reason}`, { cause });
}

/** A host and a port. In all else, the URL would have another host or another path than the fields say. */
const HOST = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(?::\d*)?$/;

/**
 * What a URL drops or changes in a path: `.` and `..`, `\`, tabs and ends of lines. Middleware before, such as a guard of
 * `/admin`, has seen the path as it came, so another one must not be answered.
 */
const NORMALIZED = /[\\\t\r\n]|\/(?:\.|%2e){1,2}(?:\/|$)/i;

/** The host, and the path with the query, that the client asked for (RFC 9112 3.2). */
function targetOf(req: IncomingMessage): { host: string; target: string } {
  const { originalUrl } = req as Known;
  const whole = typeof originalUrl === "string" ? originalUrl : (req.url ?? "/");
  // RFC 9112 3.2.2: the Host field of a request that names its host itself does not count.
  const [, authority, rest = whole] = /^https?:\/\/([^/?#]*)(.*)$/i.exec(whole) ?? [];
  const host = authority ?? req.headers.host ?? (req.headers[":authority"] as string | undefined) ?? "localhost";
  if (!HOST.test(host)) throw malformed(`its host is ${JSON.stringify(host)}`);
  const target = authority === undefined || rest.startsWith("/") ? rest : `/${rest}`;
  const [path = ""] = target.split(/[?#]/, 1);
  if (!target.startsWith("/") || NORMALIZED.test(path)) throw malformed(`its target is ${JSON.stringify(whole)}`);
  return { host, target };
}

/** Whether the connection itself is encrypted. */
function isEncrypted({ socket }: IncomingMessage): boolean {
  return (socket as Partial<TLSSocket>).encrypted === true;
}

function schemeOf(req: IncomingMessage): "http" | "https" {
  const { protocol } = req as Known;
  if (protocol === "http" || protocol === "https") return protocol;
  return isEncrypted(req) ? "https" : "http";
}

/** The header fields, without those of the connection. */
function headersOf(req: IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(req.headers)) {
    // HTTP/2 has the parts of the first line among them.
    if (value === undefined || name.startsWith(":") || isHopByHop(name)) continue;
    for (const one of Array.isArray(value) ? value : [value]) headers.append(name, one);
  }
  return headers;
}

function hasBody(req: IncomingMessage): boolean {
  if (req.httpVersionMajor > 1) return !(req as unknown as Http2ServerRequest).stream.endAfterHeaders;
  const { "content-length": length, "transfer-encoding": coding } = req.headers;
  return coding !== undefined || (length !== undefined && length !== "0");
}

/** The body. Until it is read, `req` is not touched. */
function bodyOf(req: IncomingMessage, signal: AbortSignal): ReadableStream<Uint8Array> {
  let pieces: AsyncIterator<Uint8Array> | null = null;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (pieces === null) checkUnread(req);
        pieces ??= req.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>;
        const { done, value } = await pieces.next();
        // With HTTP/2, a body that was cut ends like a whole one, and node:http2 tells in the same turn that the client has left.
        if (done && req.httpVersionMajor > 1) await new Promise((resolve) => setImmediate(resolve));
        signal.throwIfAborted();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        if (pieces === null) return;
        await pieces.return?.();
        // The client reads the answer when it has sent the rest. node:http does so for bodies of which nothing was read.
        req.resume();
      },
    },
    { highWaterMark: 0 },
  );
}

/** @throws {TypeError} If other middleware has read the body, or made text of it. */
function checkUnread(req: IncomingMessage): void {
  if (!req.readableDidRead && req.readableEncoding === null) return;
  throw new TypeError(
    "Cannot read the body: other middleware has read it; put toMiddleware before what reads bodies, such as express.json()",
  );
}

/** The addresses of both ends. */
export function peersOf(req: IncomingMessage): FastCgiHttpPeers {
  const { ip } = req as Known;
  const { remoteAddress, remotePort, localAddress, localPort } = req.socket;
  const address = typeof ip === "string" ? ip : remoteAddress;
  const tlsProtocol = isEncrypted(req) ? (req.socket as TLSSocket).getProtocol?.() : null;
  return {
    ...(address !== undefined && { remoteAddress: address }),
    // The port of a proxy is not that of its client, nor is the port to which the proxy connects that of the site.
    ...(address === remoteAddress && remotePort !== undefined && { remotePort }),
    ...(localAddress !== undefined && { serverAddress: localAddress }),
    ...(isEncrypted(req) === (schemeOf(req) === "https") && localPort !== undefined && { serverPort: localPort }),
    ...(typeof tlsProtocol === "string" && { tlsProtocol }),
  };
}
