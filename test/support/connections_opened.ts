import { subscribe, unsubscribe } from "node:diagnostics_channel";

/** How many connections the servers of this process took while `action` ran. */
export async function connectionsOpened(action: () => Promise<void>): Promise<number> {
  let count = 0;
  const onSocket = (): void => {
    count++;
  };
  subscribe("net.server.socket", onSocket);
  try {
    await action();
  } finally {
    unsubscribe("net.server.socket", onSocket);
  }
  return count;
}
