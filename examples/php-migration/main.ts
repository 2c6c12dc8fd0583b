// A PHP site on its way to TypeScript: some routes are native already, all others are still PHP, over a Unix socket.

import { fileURLToPath } from "node:url";
import { FastCgiError, FastCgiHttpClient, FastCgiUnixConnector } from "fetchcgi/node";
import { type ServerRequest, serve } from "srvx";
import { startPhpFpm } from "../shared/php_fpm.ts";
import { LISTEN, onStop } from "../shared/program.ts";

const script = fileURLToPath(new URL("app/index.php", import.meta.url));
const fpm = await startPhpFpm("unix");
const php = new FastCgiHttpClient(FastCgiUnixConnector.phpFpm(fpm.address, script));

// The routes that have moved. PHP still has them too, but is not asked for them.
const native: Record<string, (request: ServerRequest) => Response | Promise<Response>> = {
  "/health": () => new Response("ok\n"),
  "/version": () => Response.json({ version: "2.0.0", runtime: `Node.js ${process.version}` }),
};

const server = await serve({
  ...LISTEN,
  async fetch(request) {
    const { pathname } = new URL(request.url);
    const handler = Object.hasOwn(native, pathname) ? native[pathname] : undefined;
    try {
      return await (handler ? handler(request) : php.fetch(request, { remoteAddress: request.ip }));
    } catch (error) {
      // A client that has left is no error.
      if (!request.signal.aborted) console.error(error);
      // 502 if php-fpm is gone, 504 if it does not answer, and so on. /health works without php-fpm.
      return new Response("Cannot answer\n", { status: error instanceof FastCgiError ? error.gatewayStatus : 500 });
    }
  },
}).ready();

console.log(`php-migration: ${server.url}  (Ctrl+C stops it)`);
onStop(
  () => server.close(true),
  () => php.close({ timeout: 2000 }),
  () => fpm.stop(),
);
