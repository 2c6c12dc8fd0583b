// HTTPS in front of php-fpm over TCP: every URL goes to one front controller, as WordPress, Laravel and Symfony want it.

import { fileURLToPath } from "node:url";
import { FastCgiError, FastCgiHttpClient, FastCgiTcpConnector } from "fetchcgi/node";
import { generate } from "selfsigned";
import { serve } from "srvx";
import { startPhpFpm } from "../shared/php_fpm.ts";
import { LISTEN, onStop } from "../shared/program.ts";

const script = fileURLToPath(new URL("app/index.php", import.meta.url));
const fpm = await startPhpFpm("tcp");
// php-fpm has four workers: no more connections than that, and the other requests wait for their turn.
const php = new FastCgiHttpClient(FastCgiTcpConnector.phpFpm(fpm.address, script), { maxConnections: 4 });

// Browsers warn of a certificate that was made by its owner. A real one comes from a file.
const { cert, private: key } = await generate([{ name: "commonName", value: "localhost" }], {
  keyType: "ec",
  algorithm: "sha256",
});

const server = await serve({
  ...LISTEN,
  tls: { cert, key },
  fetch: (request) => php.fetch(request, { remoteAddress: request.ip }),
  error(error) {
    console.error(error);
    // 502 where php-fpm is gone, 504 where it does not answer, and the like.
    return new Response("Cannot answer\n", { status: error instanceof FastCgiError ? error.gatewayStatus : 500 });
  },
}).ready();

console.log(`php-gateway: ${server.url}  (Ctrl+C stops it)`);
onStop(
  () => server.close(true),
  () => php.close({ timeout: 2000 }),
  () => fpm.stop(),
);
