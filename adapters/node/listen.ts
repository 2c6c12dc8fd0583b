import cluster from "node:cluster";
import { createServer, type ListenOptions, type Server } from "node:net";
import { hostname } from "node:os";
import type { ConnectionAddress } from "../../src/toolkit.ts";
import { ShortageWatch } from "../system/descriptors.ts";
import type { ListenerEvents, ListeningSocket, ListenPlace, ServerRuntime } from "../system/listen.ts";
import { openUnix } from "./connect.ts";
import { NodeChannel } from "./socket.ts";

/** The sockets of Node.js for a server. */
export const nodeRuntime: ServerRuntime = {
  bind,
  openUnix,
  environment: (name) => process.env[name],
  pid: () => process.pid,
  group: () => (isInCluster() ? `${hostname()} ${process.ppid}` : undefined),
};

/** A path that can't be listened on. */
const NO_PATH = "/dev/null/socket";

/** Whether the primary process listens for this one. */
function isInCluster(): boolean {
  return cluster.isWorker && process.connected;
}

async function bind(place: ListenPlace, { onConnection, onError }: ListenerEvents): Promise<ListeningSocket> {
  const watch = new ShortageWatch(onError);
  // Half-open, so that this side decides what follows the end of the web server's input.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    watch.accepted();
    onConnection(new NodeChannel(socket));
  });
  await started(server, optionsOf(place));
  server.on("error", onError);
  return {
    address: addressOf(server),
    async close() {
      watch.stop();
      server.close();
      if ("path" in place && place.isShared) await heardByPrimary();
    },
  };
}

function optionsOf(place: ListenPlace): ListenOptions {
  // Missing from the types of `listen`.
  if ("fd" in place) return place as ListenOptions;
  const queue = place.backlog === undefined ? {} : { backlog: place.backlog };
  if ("hostname" in place) return { host: place.hostname, port: place.port, ...queue };
  return { path: place.path, exclusive: place.isShared !== true, ...queue };
}

/**
 * Resolves when the primary process has closed the socket that this worker told it to close. The primary process sends no answer to
 * that. But it handles messages in their order, so its answer to any later message says that it has closed the socket.
 */
function heardByPrimary(): Promise<void> {
  return new Promise((resolve) => {
    const heard = (): void => {
      process.removeListener("disconnect", heard);
      resolve();
    };
    if (!isInCluster()) return resolve();
    process.once("disconnect", heard);
    createServer().once("error", heard).listen({ path: NO_PATH });
  });
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
