import { createServer, type ListenOptions, type Server } from "node:net";
import type { ConnectionAddress } from "../../src/index.ts";
import type { Listener, ListenerEvents, ListenPlace, ServerRuntime } from "../system/listen.ts";
import { type FastCgiListener, type ServeOptions, serveOn } from "../system/serve.ts";
import { openUnix } from "./connect.ts";
import { connectionOfSocket, tcpAddresses } from "./socket.ts";

const RUNTIME: ServerRuntime = { bind, openUnix, environment: (name) => process.env[name] };

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
export function serve(options: ServeOptions): Promise<FastCgiListener> {
  return serveOn(RUNTIME, options);
}

async function bind(place: ListenPlace, { onConnection, onError }: ListenerEvents): Promise<Listener> {
  // Half-open, so that the end of the web server's input is ours to act on.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
    onConnection(connectionOfSocket(socket, tcpAddresses(socket))),
  );
  const stopped = new Promise<void>((resolve) => {
    server.once("close", resolve);
  });
  // Descriptors are missing from the types of `listen`.
  await started(server, ("hostname" in place ? { host: place.hostname, port: place.port } : place) as ListenOptions);
  server.on("error", onError);
  return {
    address: addressOf(server),
    stop() {
      if (server.listening) server.close();
      return stopped;
    },
  };
}

function started(server: Server, options: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(options, () => {
      server.removeListener("error", reject);
      resolve();
    });
  });
}

function addressOf(server: Server): ConnectionAddress | undefined {
  const address = server.address();
  if (address === null) return undefined;
  return typeof address === "string" ? { path: address } : { hostname: address.address, port: address.port };
}
