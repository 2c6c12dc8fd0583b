import { createServer, type Socket } from "node:net";
import {
  type CloseOptions,
  type ConnectionAddress,
  FastCgiError,
  type FastCgiFetchHandler,
  FastCgiHttpService,
  type FastCgiHttpServiceOptions,
  FastCgiServer,
  type FastCgiServerOptions,
} from "../../src/index.ts";
import { checkTarget, type ListenTarget, listen } from "./listen.ts";
import { connectionOfSocket, tcpAddresses } from "./socket.ts";

/** Options of {@linkcode serve}. */
export interface ServeOptions extends ListenTarget, FastCgiServerOptions, FastCgiHttpServiceOptions {
  /** Answers the requests. */
  fetch: FastCgiFetchHandler;
  /**
   * Addresses that TCP connections may come from (FastCGI 3.2). With a list, connections that are not TCP are refused too.
   *
   * @default {the list in the environment variable FCGI_WEB_SERVER_ADDRS, or everybody without it}
   */
  webServerAddresses?: readonly string[];
  /** Closes the server, as {@linkcode FastCgiListener.close} does. */
  signal?: AbortSignal;
}

/** A server that listens. */
export interface FastCgiListener extends AsyncDisposable {
  /** Where it listens; an inherited descriptor may say nothing of it. */
  readonly address: ConnectionAddress | undefined;
  /** Stops accepting, lets the requests that run finish, and closes. */
  close(options?: CloseOptions): Promise<void>;
  /** Resolves when the server is closed. */
  readonly closed: Promise<void>;
}

/**
 * Serves a fetch handler over FastCGI.
 *
 * ```ts
 * import { serve } from "fetchcgi/node";
 *
 * const server = await serve({ path: "/run/app.sock", fetch: () => new Response("Hello") });
 * ```
 *
 * `onError` prints to the console unless it is given, and so does `onStderr`.
 *
 * @throws {TypeError | RangeError} If an option has a value it can't have.
 * @throws {Error} If it can't listen.
 */
export async function serve(options: ServeOptions): Promise<FastCgiListener> {
  checkTarget(options);
  const { onError = printError, onStderr = printStderr, signal } = options;
  const service = new FastCgiHttpService(options.fetch, { ...options, onStderr });
  const application = new FastCgiServer(service.handler, { ...options, onError });
  const allowed = options.webServerAddresses ?? addressesFromEnvironment();
  // Half-open, so that the end of the web server's input is ours to act on.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket: Socket) => {
    const addresses = tcpAddresses(socket);
    const peer = addresses.remoteAddress;
    if (allowed !== null && !(peer !== undefined && "hostname" in peer && allowed.includes(peer.hostname))) {
      socket.destroy();
      const from = peer !== undefined && "hostname" in peer ? peer.hostname : "a socket that is not TCP";
      onError(
        new FastCgiError("connectionClosed", `Refused a connection from ${from}: not one of FCGI_WEB_SERVER_ADDRS`),
      );
      return;
    }
    void application.serve(connectionOfSocket(socket, addresses));
  });
  signal?.throwIfAborted();
  await listen(server, options);
  server.on("error", onError);

  const stopped = new Promise<void>((resolve) => {
    server.once("close", resolve);
  });
  let finished!: () => void;
  const closed = new Promise<void>((resolve) => {
    finished = resolve;
  });
  // Also a second time: with a timeout it ends what a close without one waits for.
  const close = async (closeOptions?: CloseOptions): Promise<void> => {
    if (server.listening) server.close();
    await application.close(closeOptions);
    await stopped;
    finished();
  };
  const onAbort = (): void => void close();
  signal?.addEventListener("abort", onAbort, { once: true });
  void closed.then(() => signal?.removeEventListener("abort", onAbort));
  if (signal?.aborted) {
    await close();
    throw signal.reason;
  }
  return { address: addressOf(server.address()), close, closed, [Symbol.asyncDispose]: () => close() };
}

function addressOf(address: ReturnType<ReturnType<typeof createServer>["address"]>): ConnectionAddress | undefined {
  if (address === null) return undefined;
  if (typeof address === "string") return { path: address };
  return { hostname: address.address, port: address.port };
}

/** FastCGI 2.3, 3.2: addresses separated by commas. */
function addressesFromEnvironment(): readonly string[] | null {
  const value = process.env.FCGI_WEB_SERVER_ADDRS;
  return value === undefined ? null : value.split(",").map((address) => address.trim());
}

function printError(error: unknown): void {
  console.error(error);
}

function printStderr(message: string): void {
  console.error(message);
}
