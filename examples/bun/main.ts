// Both directions on Bun: Bun.serve → client → FastCGI → server → fetch handler.

import { join } from "node:path";
import { FastCgiError, FastCgiHttpClient, FastCgiUnixConnector, serve } from "fetchcgi/bun";
import { LISTEN, onStop, temporaryFolder } from "../shared/program.ts";

const path = join(temporaryFolder(), "app.sock");

// The application: an ordinary fetch handler. nginx, Apache or Caddy could be in front of it just as well.
const application = await serve({
  path,
  fetch(request, { params }) {
    const { pathname } = new URL(request.url);
    if (pathname === "/upload") return new Response(request.body);
    return new Response(`Hello ${params.get("REMOTE_ADDR")}, from Bun at ${pathname}\n`);
  },
});

// The web server: passes every request on.
const client = new FastCgiHttpClient(new FastCgiUnixConnector(path), { keepAlive: true });
const front = Bun.serve({
  hostname: LISTEN.hostname,
  port: LISTEN.port,
  fetch: (request, server) =>
    client.fetch(request, { remoteAddress: server.requestIP(request)?.address }).catch((error) => {
      // A client that has left is no error.
      if (!request.signal.aborted) console.error(error);
      // 502, 503, 504 and so on.
      return new Response("Cannot answer\n", { status: error instanceof FastCgiError ? error.gatewayStatus : 500 });
    }),
});

console.log(`bun: ${front.url}  (Ctrl+C stops it)`);
onStop(
  () => front.stop(true),
  () => client.close({ timeout: 2000 }),
  () => application.close({ timeout: 2000 }),
);
