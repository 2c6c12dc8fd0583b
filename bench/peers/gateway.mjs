// A gateway on Node: HTTP in, FastCGI out. gateway.mjs FOLDER BACKEND PORT [SCRIPT]
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { serve } from "srvx";
import { ready } from "./ready.mjs";

const [folder, backend, port, script] = process.argv.slice(2);
const { FastCgiHttpClient, FastCgiUnixConnector } = await import(pathToFileURL(join(folder, "node.js")).href);

const connector =
  script === undefined ? new FastCgiUnixConnector(backend) : FastCgiUnixConnector.phpFpm(backend, script);
// php-fpm gives each connection a worker, so it has no more connections than it has workers: four.
const connections = script === undefined ? 64 : 4;
const client = new FastCgiHttpClient(connector, { keepAlive: true, maxConnections: connections, maxIdle: connections });
const server = serve({
  hostname: "127.0.0.1",
  port: Number(port),
  silent: true,
  fetch: (request) => client.fetch(request, { remoteAddress: request.ip }),
});
await server.ready();
ready();
