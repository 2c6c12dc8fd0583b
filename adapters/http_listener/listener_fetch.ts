// Makes a fetch handler of an application that takes (req, res): a listener of node:http, or an http.Server.
//
// The application gets a real IncomingMessage and ServerResponse: the request goes through the HTTP client and the HTTP
// server of the runtime, over two sockets that are joined in memory. So the runtime itself answers all questions of
// HEAD, 1xx, chunks, trailers, errors and back-pressure.

import {
  type ClientRequest,
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type RequestListener,
  type Server,
  request as sendRequest,
} from "node:http";
import { pipeline, Readable } from "node:stream";
import type { ReadableStream as NodeReadableStream } from "node:stream/web";
import { type FastCgiContext, type FastCgiFetchHandler, FastResponse } from "../../src/index.ts";
import { isHopByHop } from "../../src/toolkit.ts";
import { ListenerSocket } from "./listener_socket.ts";
import { MemorySocket } from "./memory_socket.ts";

/** An application that takes (req, res). */
export type HttpListener = RequestListener | Server;

/**
 * Bytes of a header block, in either direction. The limits are those of FastCGI: `maxParamBytes`, and one record for a
 * response.
 */
const MAX_HEADER_SIZE = 1024 * 1024;

/** Makes a fetch handler of `listener`. */
export function listenerFetch(listener: HttpListener): FastCgiFetchHandler {
  const server =
    typeof listener === "function" ? createServer({ maxHeaderSize: MAX_HEADER_SIZE }, guarded(listener)) : listener;
  return (request, context) => answer(server, request, context);
}

/**
 * A listener whose errors end its own request. Those of a listener that an `http.Server` was given are the process's:
 * node:http has no other way.
 */
function guarded(listener: RequestListener): RequestListener {
  return (request, response) => {
    const fail = (error: unknown): void => {
      const socket = request.socket as ListenerSocket;
      // A failure after the answer must not spoil it, and only goes to the log.
      if (response.writableEnded) socket.fastcgi.stderr.write(`After the response: ${textOf(error)}`);
      else socket.fail(error);
    };
    try {
      // Node.js ignores what a listener returns; for an async function it is a promise.
      const result: unknown = listener(request, response);
      if (isPromise(result)) result.then(undefined, fail);
    } catch (error) {
      fail(error);
    }
  };
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as Partial<PromiseLike<unknown>> | null | undefined)?.then === "function";
}

/** Asks the application behind `server` for the answer to one request. */
function answer(server: Server, request: Request, context: FastCgiContext): Promise<Response> {
  const { host, origin, protocol } = new URL(request.url);
  const near = new MemorySocket();
  const far = new ListenerSocket(context, protocol === "https:");
  MemorySocket.join(near, far);
  return new Promise((resolve, reject) => {
    const call = sendRequest({
      createConnection: () => near,
      method: request.method,
      path: request.url.slice(origin.length),
      headers: headersOf(request, host),
      maxHeaderSize: MAX_HEADER_SIZE,
      setHost: false,
    });
    // Also after the response: an error event that nothing hears ends the process.
    call.on("error", (cause) => {
      reject(far.failure ?? new Error("Cannot read the response: the application closed its connection", { cause }));
    });
    call.once("response", (message) => resolve(responseOf(message, far)));
    request.signal.addEventListener("abort", () => call.destroy(), { once: true });
    server.emit("connection", far);
    sendBody(request, context, call);
  });
}

/** The header fields, without those of the web server's connection. */
function headersOf({ headers }: Request, host: string): OutgoingHttpHeaders {
  const fields: OutgoingHttpHeaders = { host };
  for (const [name, value] of headers) if (!isHopByHop(name)) fields[name] = value;
  return fields;
}

/** Passes the body on. An application that answers without reading it ends that. */
function sendBody({ body, headers }: Request, { stdin }: FastCgiContext, call: ClientRequest): void {
  // A GET with a body has it in `stdin` only.
  if (body === null && !headers.has("content-length")) return void call.end();
  pipeline(Readable.fromWeb(stdin as unknown as NodeReadableStream), call, () => {});
}

/** Makes a Response of what the application sends. */
async function responseOf(message: IncomingMessage, socket: ListenerSocket): Promise<Response> {
  // Now the parser has read all that came with the header.
  await null;
  const { statusCode = 0, statusMessage = "", rawHeaders } = message;
  const start = readAll(message);
  const headers: [string, string][] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) headers.push([rawHeaders[index]!, rawHeaders[index + 1]!]);
  if (start !== null && message.headers["content-type"] === undefined) headers.push(["content-type", typeOf(start)]);
  const init = { status: statusCode, statusText: statusMessage, headers };
  if (!message.complete) return new FastResponse(bodyOf(message, start, socket), init);
  message.resume();
  // A stream would cost more than all the rest of a small answer.
  return new FastResponse(start, init);
}

/** The bytes that have come; null for none. Some runtimes give one piece at a time. */
function readAll(message: IncomingMessage): Uint8Array<ArrayBuffer> | null {
  const pieces: Uint8Array[] = [];
  for (let piece = message.read(); piece !== null; piece = message.read()) pieces.push(piece as Uint8Array);
  if (pieces.length <= 1) return (pieces[0] as Uint8Array<ArrayBuffer> | undefined) ?? null;
  return Buffer.concat(pieces);
}

/**
 * The type for a body without one, which RFC 3875 6.3.1 requires. Over HTTP browsers would guess. Text is never
 * text/html, which would make pages of uploads.
 */
function typeOf(start: Uint8Array): string {
  try {
    // `stream`, because the last character may be cut.
    const text = new TextDecoder("utf-8", { fatal: true }).decode(start, { stream: true });
    return text.includes("\0") ? "application/octet-stream" : "text/plain; charset=utf-8";
  } catch {
    return "application/octet-stream";
  }
}

/** The body of a response after `start`, read as fast as the web server takes it. */
function bodyOf(
  message: IncomingMessage,
  start: Uint8Array | null,
  socket: ListenerSocket,
): ReadableStream<Uint8Array> {
  const pieces = message[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        if (start !== null) controller.enqueue(start);
      },
      async pull(controller) {
        try {
          const { done, value } = await pieces.next();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (cause) {
          throw (
            socket.failure ?? new Error("Cannot read the response: the application closed its connection", { cause })
          );
        }
      },
      cancel() {
        message.destroy();
      },
    },
    { highWaterMark: 0 },
  );
}
