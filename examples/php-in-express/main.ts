// An Express site with a part in PHP: one path goes to php-fpm, the rest is native.

import { fileURLToPath } from "node:url";
import express, { type ErrorRequestHandler } from "express";
import { FastCgiHttpClient, FastCgiUnixConnector, toMiddleware } from "fetchcgi/node";
import { startPhpFpm } from "../shared/php_fpm.ts";
import { LISTEN, onStop } from "../shared/program.ts";

const fpm = await startPhpFpm("unix");
const filename = fileURLToPath(new URL("php/index.php", import.meta.url));
const php = new FastCgiHttpClient(FastCgiUnixConnector.phpFpm(fpm.address, { filename, name: "/blog/index.php" }));

const app = express();
// Before express.json(): PHP gets bodies as they came.
app.use("/blog", toMiddleware(php.fetch));
app.use(express.json());
app.get("/", (_req, res) => res.send('<p>Native. <a href="/blog/">The blog</a> is PHP.</p>'));
app.post("/api/echo", (req, res) => res.json({ got: req.body }));
const onError: ErrorRequestHandler = (error, req, res, next) => {
  // The client has left: that is no error.
  if (req.socket.destroyed) return;
  console.error(error);
  if (res.headersSent) return next(error);
  // 502 if php-fpm is gone, 504 if it does not answer, and so on.
  res.status(error.status ?? 500).send("Cannot answer\n");
};
app.use(onError);

const server = app.listen(LISTEN.port, LISTEN.hostname, () => {
  const { port } = server.address() as { port: number };
  console.log(`php-in-express: http://${LISTEN.hostname}:${port}/  (Ctrl+C stops it)`);
});
onStop(
  () => server.close(),
  () => php.close({ timeout: 2000 }),
  () => fpm.stop(),
);
