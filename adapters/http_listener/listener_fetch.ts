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
import { guessedType } from "../../src/cgi/guessed_type.ts";
import { type FastCgiContext, FastCgiError, type FastCgiFetchHandler, FastResponse, Role } from "../../src/index.ts";
import { isHopByHop } from "../../src/toolkit.ts";
import { ListenerSocket } from "./listener_socket.ts";
import { MemorySocket } from "./memory_socket.ts";

/** An application that takes (req, res). */
export type HttpListener = RequestListener | Server;

/** Bytes of a header block, in either direction: as many as the variables of a request may have by default. */
const MAX_HEADER_SIZE = 1024 * 1024;

/** No limit: node:http leaves out what is beyond one, and says nothing. */
const ALL_HEADERS = 0;

/** Makes a fetch handler of `listener`. */
export function listenerFetch(listener: HttpListener): FastCgiFetchHandler {
  const server = typeof listener === "function" ? serverOf(listener) : listener;
  return (request, context) => answer(server, request, context);
}

function serverOf(listener: RequestListener): Server {
  const server = createServer({ maxHeaderSize: MAX_HEADER_SIZE }, guarded(listener));
  server.maxHeadersCount = ALL_HEADERS;
  return server;
}

/**
 * A listener whose errors end its own request. Those of a listener that an `http.Server` was given are the process's:
 * node:http has no other way.
 */
function guarded(listener: RequestListener): RequestListener {
  return async (request, response) => {
    try {
      // Node.js ignores what a listener returns; for an async function it is a promise.
      await listener(request, response);
    } catch (error) {
      const socket = request.socket as ListenerSocket;
      // A failure after the answer must not spoil it, and only goes to the log.
      if (response.writableEnded) socket.fastcgi.stderr.write(`After the response: ${textOf(error)}`);
      else socket.fail(error);
    }
  };
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Asks the application behind `server` for the answer to one request. */
function answer(server: Server, request: Request, context: FastCgiContext): Promise<Response> {
  const near = new MemorySocket();
  const far = new ListenerSocket(context, request.url.startsWith("https:"));
  MemorySocket.join(near, far);
  const isSent = hasBody(request, context);
  const call = callOf(request, isSent, near);
  call.maxHeadersCount = ALL_HEADERS;
  return new Promise((resolve, reject) => {
    // Also after the response: an error event that nothing hears ends the process.
    call.on("error", (cause) => reject(failureOf(far, cause)));
    call.once("upgrade", () => {
      far.failure = new TypeError("Cannot switch protocols: FastCGI has no place for another one");
      near.destroy();
    });
    // A call may also end without an error and without a response.
    const onClose = (): void => reject(failureOf(far, undefined));
    call.once("close", onClose);
    call.once("response", (message) => {
      // An error with its stack takes a tenth of the time of a small request.
      call.off("close", onClose);
      resolve(responseOf(message, far));
    });
    request.signal.addEventListener("abort", () => call.destroy(), { once: true });
    if (!server.emit("connection", far)) {
      far.fail(
        new TypeError("Cannot use listener: expected a function or an http.Server, got an object that serves nothing"),
      );
    }
    if (isSent) sendBody(context.stdin, call, far);
    else call.end();
  });
}

/**
 * A call of the HTTP client.
 *
 * @throws {FastCgiError} `malformedRequest` if HTTP has no such request: for a method or a header that it does not allow.
 */
function callOf(request: Request, isBodySent: boolean, socket: MemorySocket): ClientRequest {
  const { method, url } = request;
  const { host, origin } = new URL(url);
  // The HTTP client would make another method of it, about which the web server was not asked.
  if (method !== method.toUpperCase()) throw malformed(`REQUEST_METHOD is ${JSON.stringify(method)}`);
  try {
    return sendRequest({
      createConnection: () => socket,
      method,
      path: url.slice(origin.length),
      headers: headersOf(request, isBodySent, host),
      maxHeaderSize: MAX_HEADER_SIZE,
      setHost: false,
    });
  } catch (cause) {
    throw malformed(String((cause as Partial<Error> | null)?.message), cause);
  }
}

function malformed(reason: string, cause?: unknown): FastCgiError {
  return new FastCgiError("malformedRequest", `Cannot build a request: ${reason}`, { cause });
}

/** The error that ended a request. */
function failureOf(socket: ListenerSocket, cause: unknown): unknown {
  return socket.failure ?? new Error("Cannot read the response: the application closed its connection", { cause });
}

/** The header fields, without those of the web server's connection. */
function headersOf({ headers }: Request, isBodySent: boolean, host: string): OutgoingHttpHeaders {
  const fields: OutgoingHttpHeaders = { host };
  for (const [name, value] of headers) if (!isHopByHop(name)) fields[name] = value;
  // The application would wait for the body.
  if (!isBodySent) delete fields["content-length"];
  return fields;
}

/** A GET with a body has it in `stdin` only. An Authorizer gets none (FastCGI 6.3), whatever its Content-Length says. */
function hasBody({ body, headers }: Request, { role }: FastCgiContext): boolean {
  return role !== Role.Authorizer && (body !== null || headers.has("content-length"));
}

/** Passes the body on. An application that answers without reading it ends that. */
function sendBody(stdin: FastCgiContext["stdin"], call: ClientRequest, socket: ListenerSocket): void {
  const body = Readable.fromWeb(stdin as unknown as NodeReadableStream);
  // The status of the answer says what is wrong with the body. All other errors follow from those of the call.
  body.once("error", (error) => {
    if (error instanceof FastCgiError) socket.failure ??= error;
  });
  pipeline(body, call, () => {});
}

/** Makes a Response of what the application sends. */
async function responseOf(message: IncomingMessage, socket: ListenerSocket): Promise<Response> {
  // Now the parser has read all that came with the header.
  await null;
  const { statusCode = 0, statusMessage = "", rawHeaders } = message;
  // RFC 9110 15.3.6: it has no body. Fetch would refuse it.
  const isReset = statusCode === 205;
  const start = isReset ? null : readAll(message);
  const headers: [string, string][] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!;
    if (!isReset || name.toLowerCase() !== "content-length") headers.push([name, rawHeaders[index + 1]!]);
  }
  if (start !== null && message.headers["content-type"] === undefined)
    headers.push(["content-type", guessedType(start)]);
  const init = { status: statusCode, statusText: statusMessage, headers };
  if (start !== null && message.complete && isCut(message, socket)) throw failureOf(socket, undefined);
  if (!message.complete && !isReset) return new FastResponse(bodyOf(message, start, socket), init);
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

/** Whether a body that only the close of its connection ends was cut: the HTTP client takes any close for its end. */
function isCut({ headers }: IncomingMessage, socket: ListenerSocket): boolean {
  return headers["content-length"] === undefined && headers["transfer-encoding"] === undefined && !socket.writableEnded;
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
          if (done && isCut(message, socket)) throw new Error("aborted");
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (cause) {
          throw failureOf(socket, cause);
        }
      },
      cancel() {
        message.destroy();
      },
    },
    { highWaterMark: 0 },
  );
}
