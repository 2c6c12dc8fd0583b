import { checkInteger, objectOf, shown, unexpected } from "../../src/base/unexpected.ts";
import type { TcpAddress } from "../../src/toolkit.ts";

/** The address of a TCP application. */
export interface TcpTarget {
  /**
   * Host name or address.
   *
   * @default {"127.0.0.1"}
   */
  hostname?: string;
  /** Port; php-fpm's usual one is 9000. */
  port: number;
}

/** @throws {RangeError | TypeError} If the target has no valid port. */
export function parseTcpTarget(target: TcpTarget | string): TcpAddress {
  if (typeof target === "string") return parseTcpText(target);
  const { hostname = "127.0.0.1", port } = objectOf(target, "Cannot connect", 'target to be "host:port" or an object');
  if (typeof hostname !== "string" || hostname === "") {
    throw unexpected("Cannot connect: expected hostname to be a host name or an address", hostname);
  }
  checkInteger(port, `Cannot connect to ${shown(hostname)}`, "port", 1, MAX_PORT);
  return { hostname, port };
}

/** The largest port. */
export const MAX_PORT: number = 65_535;

function parseTcpText(target: string): TcpAddress {
  const { hostname = "127.0.0.1", port } = splitTcpTarget(target);
  if (hostname !== "" && Number.isInteger(port) && port >= 1 && port <= MAX_PORT) return { hostname, port };
  throw unexpected(
    `Cannot connect to ${shown(target)}: expected "host:port" as target, with a port from 1 to ${MAX_PORT}`,
    target,
  );
}

/** Parses `9000`, `host:9000` or `[::1]:9000`. Any other text gives no valid port. */
export function splitTcpTarget(target: string): TcpTarget {
  const match = /^(?:(?:([^:[\]]*)|\[([^[\]]*)\]):)?([0-9]+)$/.exec(target);
  const hostname = match?.[1] ?? match?.[2];
  return { port: Number(match?.[3]), ...(hostname !== undefined && { hostname }) };
}

/** The text of a target, for messages. */
export function formatTcpTarget({ hostname, port }: TcpAddress): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}
