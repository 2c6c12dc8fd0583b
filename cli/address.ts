import { FastCgiTcpConnector, FastCgiUnixConnector } from "../adapters/node/connect.ts";
import { parseTcpTarget } from "../adapters/shared/target.ts";
import type { ListenTarget } from "../adapters/system/listen.ts";
import type { Connector } from "../src/toolkit.ts";

/** The path in `unix:/run/app.sock`; also any address with a slash. */
export function pathIn(address: string): string | undefined {
  if (address.startsWith("unix:")) return address.slice("unix:".length);
  return address.includes("/") ? address : undefined;
}

/** `127.0.0.1:9000` of `tcp:127.0.0.1:9000`. */
function withoutTcp(address: string): string {
  return address.startsWith("tcp:") ? address.slice("tcp:".length) : address;
}

/**
 * Makes a connector for `127.0.0.1:9000`, `tcp:127.0.0.1:9000`, `9000`, `unix:/run/app.sock` or `/run/app.sock`.
 *
 * @throws {TypeError} If it is none of them.
 */
export function connectorFor(address: string): Connector {
  const path = pathIn(address);
  return path === undefined ? new FastCgiTcpConnector(withoutTcp(address)) : new FastCgiUnixConnector(path);
}

/**
 * The address to listen at: as above, or `fd:0` for a socket that the process inherited.
 *
 * @throws {TypeError} If it is none of them.
 */
export function listenTargetFor(address: string): ListenTarget {
  const descriptor = /^fd:(\d+)$/.exec(address);
  if (descriptor !== null) return { fd: Number(descriptor[1]) };
  const path = pathIn(address);
  return path === undefined ? parseTcpTarget(withoutTcp(address)) : { path };
}
