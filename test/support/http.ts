import {
  type Agent,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request,
} from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

// What fetch hides or refuses: repeated headers as they were sent, reason phrases, chunked uploads, abrupt ends.
// For bytes that are not HTTP at all see raw_connection.ts.

export interface HttpRequestOptions {
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  /** Bytes are sent with Content-Length. Pieces are sent chunked, unless `headers` has a Content-Length. */
  readonly body?: string | Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal;
  /** Keeps connections. */
  readonly agent?: Agent;
  /** A Unix socket to connect to, instead of the host in the URL. */
  readonly socketPath?: string;
}

export interface HttpResponse {
  readonly status: number;
  readonly reason: string;
  readonly headers: IncomingHttpHeaders;
  /** Every header line in the order sent. */
  readonly headerLines: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
  text(): string;
}

/** Sends one request, on a connection of its own unless there is an agent, and reads the whole response. A cut response rejects. */
export async function httpRequest(url: string, options: HttpRequestOptions = {}): Promise<HttpResponse> {
  const response = await httpOpen(url, options);
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece);
  const body = Buffer.concat(pieces);
  const lines = response.rawHeaders;
  return {
    status: response.statusCode ?? 0,
    reason: response.statusMessage ?? "",
    headers: response.headers,
    headerLines: lines.flatMap((name, i) => (i % 2 === 0 ? [[name, lines[i + 1] ?? ""] as const] : [])),
    body,
    text: () => body.toString("utf8"),
  };
}

/** As `httpRequest`, but resolves at the end of the response's head: read the body as you like, or destroy it. */
export async function httpOpen(url: string, options: HttpRequestOptions = {}): Promise<IncomingMessage> {
  const { body, method = body === undefined ? "GET" : "POST", agent = false, ...rest } = options;
  const outgoing = request(url, { ...rest, method, agent });
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once("response", resolve).once("error", reject);
  });
  if (body === undefined || typeof body === "string" || body instanceof Uint8Array) {
    outgoing.end(body);
  } else {
    // A server that answers early may close while we still send: then the response counts, not the upload.
    pipeline(Readable.from(body, { objectMode: false }), outgoing).catch(() => {});
  }
  return response;
}

/** Reads at least `bytes` of the body, then drops the connection as a closed browser tab does. */
export async function abortMidResponse(url: string, bytes: number, options: HttpRequestOptions = {}): Promise<number> {
  const response = await httpOpen(url, options);
  let received = 0;
  for await (const piece of response) {
    received += (piece as Buffer).length;
    if (received >= bytes) break; // Leaving the loop destroys the response and with it the connection.
  }
  return received;
}

/** The next piece of a response that is still under way. */
export async function nextPiece(response: IncomingMessage): Promise<string> {
  for (;;) {
    const piece: Buffer | null = response.read();
    if (piece !== null) return piece.toString();
    await new Promise((resolve, reject) => {
      response.once("readable", resolve).once("error", reject);
      response.once("end", () => reject(new Error("The response has ended")));
    });
  }
}
