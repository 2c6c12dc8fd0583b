// Both directions in one process: HTTP → client → FastCGI → server → fetch handler.

import { join } from "node:path";
import { FastCgiError, FastCgiHttpClient, FastCgiUnixConnector, serve } from "fetchcgi/node";
import { serve as serveHttp } from "srvx";
import { LISTEN, onStop, temporaryFolder } from "../shared/program.ts";

const path = join(temporaryFolder(), "app.sock");

// The application: an ordinary fetch handler. nginx, Apache or Caddy could be in front of it just as well.
const application = await serve({
  path,
  async fetch(request, { params }) {
    const { pathname, search } = new URL(request.url);
    if (pathname === "/upload") return new Response(request.body);
    return Response.json({ method: request.method, path: pathname + search, client: params.get("REMOTE_ADDR") });
  },
});

// The web server: passes every request on.
const client = new FastCgiHttpClient(new FastCgiUnixConnector(path), { keepAlive: true });
const front = await serveHttp({
  ...LISTEN,
  fetch: (request) =>
    client.fetch(request, { remoteAddress: request.ip }).catch((error) => {
      // A client that has left is no error.
      if (!request.signal.aborted) console.error(error);
      // 502, 503, 504 and so on.
      return new Response("Cannot answer\n", { status: error instanceof FastCgiError ? error.gatewayStatus : 500 });
    }),
}).ready();

console.log(`reverse-proxy: ${front.url}  (Ctrl+C stops it)`);
onStop(
  () => front.close(true),
  () => client.close({ timeout: 2000 }),
  () => application.close({ timeout: 2000 }),
);
