import type { ConnectionAddress } from "../../src/toolkit.ts";
import { SpareDescriptor } from "../system/descriptors.ts";
import type { ListenerEvents, ListeningSocket, ListenPlace, ServerRuntime } from "../system/listen.ts";
import type { ListenerServeOptions } from "../system/listener_options.ts";
import { type FastCgiListener, type ServeOptions, serveOn } from "../system/serve.ts";
import { openUnix } from "./connect.ts";
import { type BunListener, type BunTcpPlace, bun } from "./runtime.ts";
import { type SocketData, socketHandlers } from "./socket.ts";

const RUNTIME: ServerRuntime = {
  bind,
  openUnix,
  refusesWhenFull: true,
  environment: (name) => bun().env[name],
  pid: () => process.pid,
};

/**
 * Serves a fetch handler, or an application for node:http, over FastCGI.
 *
 * ```ts
 * import { serve } from "fetchcgi/bun";
 *
 * const server = await serve({ path: "/run/app.sock", fetch: () => new Response("Hello") });
 * ```
 *
 * `onError` and `onStderr` print to the console unless they are given: a line for each fault and each message.
 *
 * @throws {TypeError | RangeError} If an option has a value it can't have.
 * @throws {Error} If it can't listen.
 */
export function serve(options: ServeOptions | ListenerServeOptions): Promise<FastCgiListener> {
  return serveOn(RUNTIME, options);
}

async function bind(place: ListenPlace, { onConnection, onError }: ListenerEvents): Promise<ListeningSocket> {
  const socket = socketHandlers((connection) => {
    if (spare.admits()) onConnection(connection);
    else connection.close();
  });
  // Half-open, so that this side decides what follows the end of the web server's input.
  const options = { allowHalfOpen: true, data: undefined, socket };
  // Bun.listen takes every kind of place, but its types have an overload for each, and none for descriptors.
  const where = ("path" in place ? { unix: place.path } : place) as BunTcpPlace;
  let server: BunListener;
  try {
    server = bun().listen<SocketData>({ ...options, ...where });
  } catch (error) {
    throw "hostname" in place ? ((await lookupError(place.hostname)) ?? error) : error;
  }
  const spare = new SpareDescriptor(onError);
  return {
    address: addressOf(place, server),
    async close() {
      spare.stop();
      server.stop();
    },
  };
}

/** Why a host name can't be looked up, which Bun does not tell where it can't listen; null if it can. */
async function lookupError(hostname: string): Promise<unknown> {
  try {
    await bun().dns.lookup(hostname);
    return null;
  } catch (error) {
    const { code = "" } = Object(error) as { code?: string };
    return Object.assign(new Error(code, { cause: error }), { code: code.replace(/^DNS_/, "") });
  }
}

/** The address of a TCP listener. Callers know a path themselves, and Bun does not know the address of a descriptor. */
function addressOf(place: ListenPlace, { port }: BunListener): ConnectionAddress | undefined {
  return "hostname" in place && port !== undefined ? { hostname: place.hostname, port } : undefined;
}
