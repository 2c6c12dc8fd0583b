// The HTTP side: srvx, which listens on the sockets of the runtime.

import type { Server as NodeHttpServer } from "node:http";
import type { Http2SecureServer, ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { Server, ServerOptions, ServerRequest } from "srvx";
import { formatTcpTarget } from "../../adapters/shared/target.ts";
import { inTurn } from "./turns.ts";

export type { ServerRequest } from "srvx";

/** A certificate and its key, as PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** The path and the query of a URL. Bun leaves out the origin where the Host field can't be one. */
export function targetOf(url: string): string {
  if (!URL.canParse(url)) return url;
  const { pathname, search } = new URL(url);
  return pathname + search;
}

/** Where to listen, and who answers. */
export interface HttpOptions {
  readonly hostname: string;
  readonly port: number;
  /** Null for HTTP without TLS. */
  readonly certificate: Certificate | null;
  /** Milliseconds that a client of HTTP/2 may keep a connection without a request. */
  readonly timeout: number;
  /** Called with why a connection could not be accepted. */
  onError(message: string): void;
  readonly fetch: (request: ServerRequest) => Response | Promise<Response>;
}

/** An HTTP server that listens. */
export interface HttpServer {
  readonly url: string;
  /** Uses another certificate for the connections to come. False if the runtime can't. */
  renew(certificate: Certificate): boolean;
  /**
   * Accepts no more connections, and resolves when all requests were answered. `limit` ends them before. False if the runtime can't end
   * them: a client that reads nothing then keeps the process.
   */
  close(limit: Promise<void>): Promise<boolean>;
}

/** An error that names where it was to listen, and what to do. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

/** Seconds that Bun waits for a silent client or application: the most that it takes. */
const BUN_IDLE_SECONDS = 255;

/**
 * Milliseconds that an HTTP client has for the header of a request, as nginx's `client_header_timeout`; and none for all of it: the client
 * of the library has the limits for a body, and a slow upload takes the time that it takes.
 */
const NODE_TIMEOUTS = { headersTimeout: 60_000, requestTimeout: 0 } as const;

/** What the servers of srvx have on every runtime. */
interface AnyServer extends Pick<Server, "close" | "node"> {
  readonly url?: string | undefined;
  ready(): Promise<unknown>;
}

/** Bytes of a request's body, and of all bodies of a connection, that may be on their way by HTTP/2. Node's 64 KB make uploads slow. */
const STREAM_WINDOW = 1024 * 1024;
const CONNECTION_WINDOW = 16 * STREAM_WINDOW;

/** srvx for this runtime. */
async function entry(): Promise<{ serve(options: ServerOptions): AnyServer }> {
  if ("Bun" in globalThis) return import("srvx/bun");
  if ("Deno" in globalThis) return import("srvx/deno");
  return import("srvx/node");
}

/**
 * Listens.
 *
 * @throws {ListenError} If the address can't be listened on.
 */
export async function listenHttp(options: HttpOptions): Promise<HttpServer> {
  const { hostname, port, certificate, timeout, onError, fetch } = options;
  const { serve } = await entry();
  let server: AnyServer;
  try {
    server = serve({
      hostname,
      port,
      silent: true,
      gracefulShutdown: false,
      ...(certificate !== null && { tls: { ...certificate } }),
      node: { ...NODE_TIMEOUTS, settings: { initialWindowSize: STREAM_WINDOW } },
      bun: { idleTimeout: BUN_IDLE_SECONDS, maxRequestBodySize: Number.MAX_SAFE_INTEGER },
      fetch: inTurn(fetch),
    });
    await server.ready();
  } catch (error) {
    throw new ListenError(listenMessage(error as NodeJS.ErrnoException, hostname, port), { cause: error });
  }
  const node = server.node?.server;
  const closing = node === undefined ? null : new NodeClosing(node as NodeHttpServer | Http2SecureServer);
  if (node !== undefined) {
    // Before Node 24, the options are for HTTP alone.
    Object.assign(node, NODE_TIMEOUTS);
    limitIdleSessions(node as NodeHttpServer | Http2SecureServer, timeout);
    // Such as too many open files.
    node.on("error", (error: Error) => onError(`Cannot accept a connection: ${error.message}`));
  }
  return {
    url: server.url!,
    renew(next) {
      if (node === undefined || !("setSecureContext" in node)) return false;
      (node as Http2SecureServer).setSecureContext({ ...next });
      return true;
    },
    async close(limit) {
      closing?.begin();
      const closed = server.close();
      const isClosed = await Promise.race([closed.then(() => true), limit.then(() => false)]);
      if (isClosed) return true;
      closing?.destroySockets();
      // Deno would wait for what runs.
      if ("Deno" in globalThis) return false;
      await server.close(true);
      return true;
    },
  };
}

/** Measures how long a client takes nothing of a response that waits for it. */
export interface UnreadTimer {
  /** Begins: a piece waits. */
  start(): void;
  /** Ends: all of it was taken. */
  stop(): void;
}

/** The parts of a response that HTTP/1 and HTTP/2 have in common on Node. */
interface NodeResponse {
  setTimeout(milliseconds: number): unknown;
  once(event: "timeout", listener: () => void): unknown;
  destroy(): unknown;
}

/**
 * Calls `onUnread` when a client has taken nothing for so long, and breaks the response off. On Node each byte that it takes begins the
 * time anew.
 */
export function unreadTimer({ runtime }: ServerRequest, milliseconds: number, onUnread: () => void): UnreadTimer {
  const response = runtime?.node?.res as NodeResponse | undefined;
  if (response === undefined) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = (): void => clearTimeout(timer);
    return {
      start() {
        stop();
        timer = setTimeout(onUnread, milliseconds);
      },
      stop,
    };
  }
  response.once("timeout", () => {
    onUnread();
    response.destroy();
  });
  return {
    start: () => void response.setTimeout(milliseconds),
    stop: () => void response.setTimeout(0),
  };
}

/** Closes connections of HTTP/2 that have no request for so long, as nginx does after 75 s (`keepalive_timeout`). Node keeps them for ever. */
function limitIdleSessions(server: NodeHttpServer | Http2SecureServer, milliseconds: number): void {
  server.on("session", (session: ServerHttp2Session) => {
    let streams = 0;
    session.on("stream", (stream) => {
      streams++;
      stream.once("close", () => streams--);
    });
    session.setTimeout(milliseconds, () => {
      if (streams === 0) session.close();
    });
  });
}

/** What Node's servers leave open when they close: connections that become idle later, those of HTTPS, and sessions of HTTP/2. */
class NodeClosing {
  readonly #server: NodeHttpServer | Http2SecureServer;
  readonly #sockets = new Set<Socket>();
  readonly #sessions = new Set<ServerHttp2Session>();
  #isClosing = false;

  constructor(server: NodeHttpServer | Http2SecureServer) {
    this.#server = server;
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    server.on("session", (session: ServerHttp2Session) => {
      this.#sessions.add(session);
      session.setLocalWindowSize(CONNECTION_WINDOW);
      session.once("close", () => this.#sessions.delete(session));
      if (this.#isClosing) session.close();
    });
    server.on("request", (_: unknown, response: { once(event: "close", listener: () => void): void }) => {
      response.once("close", () => {
        // Not before the server has taken note of the end.
        if (this.#isClosing) setImmediate(() => this.#closeIdle());
      });
    });
  }

  begin(): void {
    this.#isClosing = true;
    for (const session of this.#sessions) session.close();
  }

  destroySockets(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #closeIdle(): void {
    if ("closeIdleConnections" in this.#server) this.#server.closeIdleConnections();
  }
}

/** Why an address can't be listened on, and what to do about it. */
function listenMessage({ code, message, name }: NodeJS.ErrnoException, hostname: string, port: number): string {
  const what = `Cannot listen on ${formatTcpTarget({ hostname, port })}`;
  if (code === "EADDRINUSE" || name === "AddrInUse")
    return `${what}: another program has the port; choose another one with --port, or 0 for any that is free`;
  if (code === "EACCES" || name === "PermissionDenied")
    return `${what}: this user may not use the port; choose one from 1024 on with --port`;
  if (code === "EADDRNOTAVAIL" || name === "AddrNotAvailable")
    return `${what}: this machine does not have the address; 0.0.0.0 stands for all that it has`;
  if (code === "ENOTFOUND" || code === "EAI_AGAIN")
    return `${what}: the name is not known; give the address of this machine, such as 127.0.0.1`;
  return `${what}: ${message}`;
}
