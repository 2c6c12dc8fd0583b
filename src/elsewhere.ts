// What only the entries of runtimes have. In the other entries these names say where they are: a missing export would only say that there is
// none, and on Node.js before any of the program runs. An entry of a runtime exports its own in their place.

const RUNTIMES = '"fetchcgi/node", "fetchcgi/bun" or "fetchcgi/deno"';
const NODE_AND_BUN = '"fetchcgi/node" or "fetchcgi/bun"';
const ALL = '"fetchcgi/node", "fetchcgi/bun", "fetchcgi/deno" or "fetchcgi/cloudflare"';

function isElsewhere(name: string, entries: string): never {
  throw new TypeError(`Cannot use ${name} of this entry: import it from ${entries}`);
}

/**
 * Not in this entry.
 *
 * @deprecated Import `serve` from `fetchcgi/node`, `fetchcgi/bun` or `fetchcgi/deno`.
 * @internal
 */
export function serve(..._: "Import serve from fetchcgi/node, fetchcgi/bun or fetchcgi/deno"[]): never {
  return isElsewhere("serve", RUNTIMES);
}

/**
 * Not in this entry.
 *
 * @deprecated Import `FastCgiTcpConnector` from `fetchcgi/node`, `fetchcgi/bun`, `fetchcgi/deno` or `fetchcgi/cloudflare`.
 * @internal
 */
export class FastCgiTcpConnector {
  constructor(
    ..._: "Import FastCgiTcpConnector from fetchcgi/node, fetchcgi/bun, fetchcgi/deno or fetchcgi/cloudflare"[]
  ) {
    isElsewhere("FastCgiTcpConnector", ALL);
  }

  static phpFpm(
    ..._: "Import FastCgiTcpConnector from fetchcgi/node, fetchcgi/bun, fetchcgi/deno or fetchcgi/cloudflare"[]
  ): never {
    return isElsewhere("FastCgiTcpConnector", ALL);
  }
}

/**
 * Not in this entry.
 *
 * @deprecated Import `FastCgiUnixConnector` from `fetchcgi/node`, `fetchcgi/bun` or `fetchcgi/deno`.
 * @internal
 */
export class FastCgiUnixConnector {
  constructor(..._: "Import FastCgiUnixConnector from fetchcgi/node, fetchcgi/bun or fetchcgi/deno"[]) {
    isElsewhere("FastCgiUnixConnector", RUNTIMES);
  }

  static phpFpm(..._: "Import FastCgiUnixConnector from fetchcgi/node, fetchcgi/bun or fetchcgi/deno"[]): never {
    return isElsewhere("FastCgiUnixConnector", RUNTIMES);
  }
}

/**
 * Not in this entry.
 *
 * @deprecated Import `scriptOnDisk` from `fetchcgi/node`, `fetchcgi/bun` or `fetchcgi/deno`.
 * @internal
 */
export function scriptOnDisk(..._: "Import scriptOnDisk from fetchcgi/node, fetchcgi/bun or fetchcgi/deno"[]): never {
  return isElsewhere("scriptOnDisk", RUNTIMES);
}

/**
 * Not in this entry.
 *
 * @deprecated Import `fileOnDisk` from `fetchcgi/node`, `fetchcgi/bun` or `fetchcgi/deno`.
 * @internal
 */
export function fileOnDisk(..._: "Import fileOnDisk from fetchcgi/node, fetchcgi/bun or fetchcgi/deno"[]): never {
  return isElsewhere("fileOnDisk", RUNTIMES);
}

/**
 * Not in this entry.
 *
 * @deprecated Import `toMiddleware` from `fetchcgi/node` or `fetchcgi/bun`.
 * @internal
 */
export function toMiddleware(..._: "Import toMiddleware from fetchcgi/node or fetchcgi/bun"[]): never {
  return isElsewhere("toMiddleware", NODE_AND_BUN);
}
