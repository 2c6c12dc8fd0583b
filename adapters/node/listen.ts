import { createServer, type ListenOptions, type Server } from "node:net";
import type { ConnectionAddress } from "../../src/index.ts";
import type { ListenerEvents, ListeningSocket, ListenPlace, ServerRuntime } from "../system/listen.ts";
import { openUnix } from "./connect.ts";
import { connectionOfSocket, tcpAddresses } from "./socket.ts";

/** The sockets of Node.js for a server. */
export const nodeRuntime: ServerRuntime = {
  bind,
  openUnix,
  environment: (name) => process.env[name],
  pid: () => process.pid,
};

async function bind(place: ListenPlace, { onConnection, onError }: ListenerEvents): Promise<ListeningSocket> {
  // Half-open, so that the end of the web server's input is ours to act on.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
    onConnection(connectionOfSocket(socket, tcpAddresses(socket))),
  );
  // Descriptors are missing from the types of `listen`.
  await started(server, ("hostname" in place ? { host: place.hostname, port: place.port } : place) as ListenOptions);
  server.on("error", onError);
  return {
    address: addressOf(server),
    async close() {
      server.close();
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
