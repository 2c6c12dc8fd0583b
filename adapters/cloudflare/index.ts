/**
 * `fetchcgi` in a Cloudflare Worker: all of it, and the client over TCP sockets. Workers accept no FastCGI connections.
 *
 * ```ts
 * import { FastCgiHttpClient, FastCgiTcpConnector } from "fetchcgi/cloudflare";
 *
 * const connector = FastCgiTcpConnector.phpFpm("php.internal:9000", "/srv/app/public/index.php");
 *
 * export default {
 *   fetch: (request: Request) => new FastCgiHttpClient(connector, { maxConnections: 6 }).fetch(request),
 * };
 * ```
 *
 * @module
 */

export * from "../../src/index.ts";
export type { TcpTarget } from "../shared/target.ts";
export { FastCgiTcpConnector, type WorkerBinding, type WorkerSocket, type WorkerSocketOptions } from "./connect.ts";
