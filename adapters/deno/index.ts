/**
 * `fetchcgi` on Deno: all of it, and TCP and Unix sockets.
 *
 * ```ts
 * import { FastCgiHttpClient, FastCgiUnixConnector, serve } from "fetchcgi/deno";
 *
 * // An application behind a web server
 * await serve({ path: "/run/app/app.sock", fetch: (request) => new Response(`Hello ${request.url}`) });
 *
 * // php-fpm, by fetch
 * const php = new FastCgiHttpClient(FastCgiUnixConnector.phpFpm("/run/php/php8.2-fpm.sock", "/srv/app/public/index.php"));
 * const response = await php.fetch("http://localhost/products?page=2");
 * ```
 *
 * @module
 */

export * from "../../src/index.ts";
export * from "../system/index.ts";
// By name, because src/index.ts has these names too: to say where they are.
export { fileOnDisk, scriptOnDisk } from "../system/index.ts";
export { FastCgiTcpConnector, FastCgiUnixConnector } from "./connect.ts";
export { serve } from "./serve.ts";
