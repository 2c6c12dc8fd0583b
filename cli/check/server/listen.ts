import type { FastCgiConnection } from "../../../adapters/node/index.ts";
import { nodeRuntime } from "../../../adapters/node/listen.ts";
import { type Listener, type ListenTarget, listen } from "../../../adapters/system/listen.ts";

/** Listens for the connections of a web server. Uses only the sockets of the Node adapter, and not its server. */
export function listenFor(
  target: ListenTarget,
  onConnection: (connection: FastCgiConnection) => void,
): Promise<Listener> {
  return listen(nodeRuntime, target, { onConnection, onError: () => {} });
}
