// A FastCGI Authorizer in front of a fetch handler: it decides which requests may go on, and names their user (FastCGI
// 6.3).

import { join } from "node:path";
import { FastCgiError, FastCgiHttpClient, FastCgiUnixConnector, serve, withAuthorizer } from "fetchcgi/node";
import { type ServerRequest, serve as serveHttp } from "srvx";
import { LISTEN, onStop, temporaryFolder } from "../shared/program.ts";

const path = join(temporaryFolder(), "auth.sock");
const users = new Map([[`Basic ${btoa("alice:wonderland")}`, "alice"]]);

// The authorizer, usually a program of its own, perhaps not in TypeScript. Status 200 allows a request; any other
// answer goes to the client.
const authorizer = await serve({
  path,
  fetch(request) {
    const user = users.get(request.headers.get("authorization") ?? "");
    if (user !== undefined) return new Response(null, { headers: { "Variable-AUTH_USER": user } });
    const headers = { "www-authenticate": 'Basic realm="fetchcgi"' };
    return new Response("Who are you? Try alice, wonderland\n", { status: 401, headers });
  },
});
const client = new FastCgiHttpClient(new FastCgiUnixConnector(path), { keepAlive: true });

// The site: a fetch handler that only sees requests of known users, with their bodies untouched.
const site = withAuthorizer(
  client,
  async (request: ServerRequest, { variables }) => {
    const text = request.method === "POST" ? `, you wrote ${(await request.text()).length} characters` : "";
    return new Response(`Hello ${variables.get("AUTH_USER")}${text}\n`);
  },
  (request) => ({ remoteAddress: request.ip }),
);

const front = await serveHttp({
  ...LISTEN,
  fetch: (request) =>
    site(request).catch((error) => {
      // Also if the authorizer fails: no request goes on then. A client that has left is no error.
      if (!request.signal.aborted) console.error(error);
      return new Response("Cannot answer\n", { status: error instanceof FastCgiError ? error.gatewayStatus : 500 });
    }),
}).ready();

console.log(`authorizer: ${front.url}  (Ctrl+C stops it)`);
onStop(
  () => front.close(true),
  () => client.close({ timeout: 2000 }),
  () => authorizer.close({ timeout: 2000 }),
);
