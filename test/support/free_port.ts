import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";

/**
 * A TCP port on 127.0.0.1 that no process listens on, for a server that cannot choose one itself. It lies below the range from which
 * systems take the ports of outgoing connections: one of those could take it before the server does.
 *
 * No other test process gets it, however many run at once: this one holds the UDP port of the same number until it ends.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 1000; attempt++) {
    const port = 15_000 + Math.floor(Math.random() * 17_000);
    const reservation = await reserve(port);
    if (reservation === undefined) continue;
    if (await canListen(port)) return port;
    reservation.close();
  }
  throw new Error("Cannot find a free port: 1000 attempts failed");
}

/** Takes the UDP port, which the system gives to one process only, and takes back when that has ended. */
async function reserve(port: number): Promise<{ close(): void } | undefined> {
  const socket = createSocket("udp4");
  try {
    socket.bind({ port, address: "127.0.0.1", exclusive: true });
    await once(socket, "listening");
    return socket.unref();
  } catch {
    socket.close();
    return undefined;
  }
}

async function canListen(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(port, "127.0.0.1"), "listening");
    await new Promise((resolve) => server.close(resolve));
    return true;
  } catch {
    return false;
  }
}
