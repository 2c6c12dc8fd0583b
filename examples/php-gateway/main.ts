// HTTPS in front of php-fpm over TCP: a whole PHP site of scripts, files and pretty links, as WordPress is one.

import { fileURLToPath } from "node:url";
import { FastCgiError, FastCgiHttpClient, FastCgiTcpConnector, fileOnDisk, phpSite, scriptOnDisk } from "fetchcgi/node";
import { generate } from "selfsigned";
import { type ServerRequest, serve } from "srvx";
import { staticMiddleware } from "srvx/static";
import { startPhpFpm } from "../shared/php_fpm.ts";
import { LISTEN, onStop } from "../shared/program.ts";

// A site of your own: its document root, in SITE.
const root = process.env.SITE || fileURLToPath(new URL("app", import.meta.url));
const fpm = await startPhpFpm("tcp");
// php-fpm has four workers, so the client opens no more connections. Further requests wait.
const php = new FastCgiHttpClient(FastCgiTcpConnector.phpFpm(fpm.address), { maxConnections: 4 });
const sendFile = staticMiddleware({ dir: root });

const site = phpSite({
  documentRoot: root,
  resolve: scriptOnDisk(root),
  resolveFile: fileOnDisk(root),
  php,
  files: (request) => sendFile(request, () => new Response("Not Found\n", { status: 404 })),
  init: (request: ServerRequest) => ({ remoteAddress: request.ip }),
});

// Browsers warn of a self-signed certificate. A real one comes from a file.
const { cert, private: key } = await generate([{ name: "commonName", value: "localhost" }], {
  keyType: "ec",
  algorithm: "sha256",
});

const server = await serve({
  ...LISTEN,
  tls: { cert, key },
  fetch: (request) =>
    site(request).catch((error) => {
      // A client that has left is no error.
      if (!request.signal.aborted) console.error(error);
      // 502 if php-fpm is gone, 504 if it does not answer, and so on.
      return new Response("Cannot answer\n", { status: error instanceof FastCgiError ? error.gatewayStatus : 500 });
    }),
}).ready();

console.log(`php-gateway: ${server.url}  (Ctrl+C stops it)`);
onStop(
  () => server.close(true),
  () => php.close({ timeout: 2000 }),
  () => fpm.stop(),
);
