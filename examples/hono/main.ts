// A Hono site with a blog in PHP: one path goes to php-fpm, the rest is native.

import { fileURLToPath } from "node:url";
import { FastCgiError, FastCgiHttpClient, FastCgiUnixConnector } from "fetchcgi/node";
import { Hono } from "hono";
import { serve } from "srvx";
import { startPhpFpm } from "../shared/php_fpm.ts";
import { LISTEN, onStop } from "../shared/program.ts";

const fpm = await startPhpFpm("unix");
const filename = fileURLToPath(new URL("blog/index.php", import.meta.url));
const php = new FastCgiHttpClient(FastCgiUnixConnector.phpFpm(fpm.address, { filename, name: "/blog/index.php" }));

const app = new Hono<{ Bindings: { ip: string | undefined } }>();
app.get("/", (c) => c.html('<p>Native. <a href="/blog/">The blog</a> is PHP.</p>'));
app.get("/api/greeting/:name", (c) => c.json({ greeting: `Hello ${c.req.param("name")}` }));
app.all("/blog/*", (c) => php.fetch(c.req.raw, { remoteAddress: c.env.ip }));
app.onError((error, c) => {
  // A client that has left is no error.
  if (!c.req.raw.signal.aborted) console.error(error);
  // 502 if php-fpm is gone, 504 if it does not answer, and so on.
  return new Response("Cannot answer\n", { status: error instanceof FastCgiError ? error.gatewayStatus : 500 });
});

const server = await serve({ ...LISTEN, fetch: (request) => app.fetch(request, { ip: request.ip }) }).ready();

console.log(`hono: ${server.url}  (Ctrl+C stops it)`);
onStop(
  () => server.close(true),
  () => php.close({ timeout: 2000 }),
  () => fpm.stop(),
);
