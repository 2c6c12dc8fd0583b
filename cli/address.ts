import { FastCgiTcpConnector, FastCgiUnixConnector } from "../adapters/node/connect.ts";
import { formatTcpTarget, MAX_PORT, splitTcpTarget } from "../adapters/shared/target.ts";
import type { ListenTarget } from "../adapters/system/listen.ts";
import type { ConnectionAddress, Connector } from "../src/toolkit.ts";
import { UsageError } from "./frame/command.ts";

const LOOPBACK = "127.0.0.1";

/** The path in `unix:/run/app.sock`; also any address with a slash, but not a URL. */
export function pathIn(address: string): string | undefined {
  if (address.startsWith("unix:")) return address.slice("unix:".length);
  return address.includes("/") && !isUrl(address) ? address : undefined;
}

/** Whether an application at this address is on this machine. */
export function isLocal(address: string): boolean {
  const target = targetIn(address, 1);
  return target !== null && ("path" in target || /^(?:127\.[\d.]+|localhost|::1)$/.test(target.hostname));
}

function isUrl(address: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(address);
}

/**
 * Makes a connector for `127.0.0.1:9000`, `tcp:127.0.0.1:9000`, `9000`, `unix:/run/app.sock` or `/run/app.sock`.
 *
 * @throws {UsageError} If it is none of them.
 */
export function connectorFor(address: string): Connector {
  const target = targetIn(address, 1);
  if (target === null)
    throw new UsageError(
      `Cannot connect to "${address}": expected unix:/path, /path or host:port${problemOf(address, 1)}`,
    );
  return "path" in target ? new FastCgiUnixConnector(target.path) : new FastCgiTcpConnector(target);
}

/**
 * The address to listen at: as above, or `fd:0` for a socket that the process inherited. Port 0 takes a free one.
 *
 * @throws {UsageError} If it is none of them.
 */
export function listenTargetFor(address: string): ListenTarget {
  const descriptor = /^fd:(\d{1,9})$/.exec(address);
  if (descriptor !== null) return { fd: Number(descriptor[1]) };
  const target = targetIn(address, 0);
  if (target === null)
    throw new UsageError(
      `Cannot listen on "${address}": expected unix:/path, tcp:host:port or fd:N${problemOf(address, 0)}`,
    );
  return target;
}

/**
 * The address for an HTTP server to listen at: a host and a port, or a port alone. Port 0 takes a free one.
 *
 * @throws {UsageError} If it is none.
 */
export function httpTargetFor(address: string): { hostname: string; port: number } {
  const target = targetIn(address, 0);
  if (target === null || "path" in target)
    throw new UsageError(`Cannot listen on "${address}": expected HOST:PORT${problemOf(address, 0)}`);
  return target;
}

/** More about what was expected, where it is known what was meant. */
function problemOf(address: string, minPort: 0 | 1): string {
  if (isUrl(address)) return ", not a URL";
  if (address.startsWith("fd:")) return "";
  const { port } = splitTcpTarget(address.replace(/^tcp:/, ""));
  return port < minPort || port > MAX_PORT ? `, with a port from ${minPort} to ${MAX_PORT}` : "";
}

/** What an address says; null if it is none. */
function targetIn(address: string, minPort: 0 | 1): { path: string } | { hostname: string; port: number } | null {
  const path = pathIn(address);
  if (path !== undefined) return path === "" ? null : { path };
  // A descriptor is no host, even where one could be called so.
  if (isUrl(address) || address.startsWith("fd:")) return null;
  const { hostname = LOOPBACK, port } = splitTcpTarget(address.replace(/^tcp:/, ""));
  return hostname !== "" && port >= minPort && port <= MAX_PORT ? { hostname, port } : null;
}

/** Where a process listens, in the words of `--listen`: the address itself where it is known, else what was asked for. */
export function listenText(target: ListenTarget, address?: ConnectionAddress): string {
  const { path, fd, hostname = LOOPBACK, port = 0 } = { ...target, ...address };
  if (path !== undefined) return path;
  return fd === undefined ? formatTcpTarget({ hostname, port }) : `descriptor ${fd}`;
}
