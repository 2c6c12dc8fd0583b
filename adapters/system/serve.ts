// What `serve` does on Node, Bun and Deno alike. A runtime adds its sockets.

import { checkSignal, objectOf, unexpected } from "../../src/base/unexpected.ts";
import {
  type CloseOptions,
  type ConnectionAddress,
  contained,
  type FastCgiConnection,
  FastCgiError,
  type FastCgiFetchHandler,
  FastCgiHttpService,
  type FastCgiHttpServiceOptions,
  FastCgiServer,
  type FastCgiServerOptions,
  type FastCgiServerStatus,
} from "../../src/toolkit.ts";
import type { HttpListener } from "../http_listener/listener_fetch.ts";
import { printError, printStderr } from "../shared/print.ts";
import { checkTarget, type ListenTarget, listen, type ServerRuntime } from "./listen.ts";

/** Options of `serve`. */
export interface ServeOptions extends ListenTarget, FastCgiServerOptions, FastCgiHttpServiceOptions {
  /** Answers the requests. */
  fetch: FastCgiFetchHandler;
  /** In place of `fetch`, on Node.js and Bun: an application that was written for node:http. */
  listener?: undefined;
  /**
   * Addresses that TCP connections may come from (FastCGI 3.2). With a list, connections that are not TCP are refused too.
   *
   * @default {the list in the environment variable FCGI_WEB_SERVER_ADDRS; all addresses where that is not set}
   */
  webServerAddresses?: readonly string[] | undefined;
  /** Closes the server, as {@linkcode FastCgiListener.close} does. */
  signal?: AbortSignal | undefined;
}

/** Options of `serve` with either kind of application. */
export interface ServedOptions extends Omit<ServeOptions, "fetch" | "listener"> {
  fetch?: FastCgiFetchHandler | undefined;
  listener?: HttpListener | undefined;
}

/** A server that listens. */
export interface FastCgiListener extends AsyncDisposable {
  /** Where it listens. Undefined where the runtime does not know that of an inherited descriptor. */
  readonly address: ConnectionAddress | undefined;
  /** The connections and requests of this moment, in this process. They are counted when this is read. */
  readonly status: FastCgiServerStatus;
  /**
   * Removes the socket file, answers the clients that connected before, waits for running requests, and closes. A
   * request that a web server sends on a kept connection at the moment of its close is lost: see `grace`.
   */
  close(options?: CloseOptions): Promise<void>;
  /** Resolves when the server is closed. */
  readonly closed: Promise<void>;
}

/** Serves on a runtime's sockets. */
export async function serveOn(runtime: ServerRuntime, options: ServedOptions): Promise<FastCgiListener> {
  checkTarget(objectOf(options, "Cannot serve", "options to be an object"), runtime);
  // If middleware that guards the application were ignored, every client would be let in. TypeScript does not see it in `...app`.
  if ("middleware" in options) {
    throw new TypeError(
      "Cannot serve: middleware would be ignored; give a fetch that runs it, as examples/moving-srvx does",
    );
  }
  const { signal } = options;
  checkSignal(signal, "Cannot serve");
  checkAddresses(options.webServerAddresses);
  // Null is as good as none.
  const onError = contained("onError", options.onError ?? printError);
  const onStderr = options.onStderr ?? printStderr;
  const service = await serviceOf(options, onStderr);
  const application = new FastCgiServer(service.handler, { ...options, onError });
  const allowed = options.webServerAddresses ?? addressesIn(runtime.environment("FCGI_WEB_SERVER_ADDRS"));
  const onConnection = (connection: FastCgiConnection): void => {
    const refused = allowed === null ? null : refusalOf(connection, allowed);
    if (refused === null) return void application.serve(connection);
    void connection.close();
    onError(refused);
  };
  signal?.throwIfAborted();
  const listener = await listen(runtime, options, { onConnection, onError });

  let finished!: () => void;
  const closed = new Promise<void>((resolve) => {
    finished = resolve;
  });
  // May be called again: a second call with a timeout ends what the first one, without a timeout, waits for.
  const close = async (closeOptions?: CloseOptions): Promise<void> => {
    await listener.stop();
    await application.close(closeOptions);
    finished();
  };
  const onAbort = (): void => void close();
  signal?.addEventListener("abort", onAbort, { once: true });
  void closed.then(() => signal?.removeEventListener("abort", onAbort));
  if (signal?.aborted) {
    await close();
    throw signal.reason;
  }
  return {
    address: listener.address,
    get status() {
      return application.status;
    },
    close,
    closed,
    [Symbol.asyncDispose]: () => close(),
  };
}

/** The service for either kind of application. node:http is loaded for those that need it. */
async function serviceOf(
  options: ServedOptions,
  onStderr: NonNullable<FastCgiHttpServiceOptions["onStderr"]>,
): Promise<FastCgiHttpService> {
  const { fetch, listener } = options;
  if (listener === undefined) {
    if (fetch === undefined) throw new TypeError("Cannot serve: expected either fetch or listener, got neither");
    return new FastCgiHttpService(fetch, { ...options, onStderr });
  }
  if (fetch !== undefined) throw new TypeError("Cannot serve: expected either fetch or listener, got both");
  if (typeof listener !== "function" && typeof Object(listener).emit !== "function") {
    throw unexpected("Cannot use listener: expected a function or an http.Server", listener);
  }
  const { listenerFetch } = await import("../http_listener/listener_fetch.ts");
  // What the application gets is made from the parts of the Request, so it never looks inside it.
  return new FastCgiHttpService(listenerFetch(listener), { ...options, onStderr, lazyRequest: true });
}

/** A list that is a string would let in each address that is a part of it. */
function checkAddresses(addresses: unknown): void {
  const message = "Cannot use webServerAddresses: expected an array of addresses";
  if (addresses === undefined) return;
  if (!Array.isArray(addresses)) throw unexpected(message, addresses);
  for (const address of addresses) if (typeof address !== "string") throw unexpected(message, address);
}

/** FastCGI 2.3, 3.2: addresses separated by commas. */
function addressesIn(variable: string | undefined): readonly string[] | null {
  return variable === undefined ? null : variable.split(",").map((address) => address.trim());
}

function refusalOf({ remoteAddress }: FastCgiConnection, allowed: readonly string[]): FastCgiError | null {
  const hostname = remoteAddress !== undefined && "hostname" in remoteAddress ? remoteAddress.hostname : undefined;
  if (hostname !== undefined && allowed.includes(hostname)) return null;
  const from = hostname ?? "a socket that is not TCP";
  return new FastCgiError(
    "connectionClosed",
    `Cannot accept a connection from ${from}: not one of FCGI_WEB_SERVER_ADDRS`,
  );
}
