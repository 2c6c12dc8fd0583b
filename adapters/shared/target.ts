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

/** @throws {TypeError} If the target has no valid port. */
export function parseTcpTarget(target: TcpTarget | string): TcpAddress {
  const { hostname = "127.0.0.1", port } = typeof target === "string" ? splitTcpTarget(target) : target;
  if (typeof hostname !== "string" || hostname === "" || !Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new TypeError(
      `Cannot connect to ${JSON.stringify(target)}: expected "host:port", with a port from 1 to 65535`,
    );
  }
  return { hostname, port };
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
