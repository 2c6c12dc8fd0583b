// Starts a php-fpm and, with vite.config.ts, Vite's dev server.

import { fileURLToPath } from "node:url";
import { createServer } from "vite";
import { startPhpFpm } from "../shared/php_fpm.ts";
import { LISTEN, onStop } from "../shared/program.ts";

const fpm = await startPhpFpm("unix");
process.env.PHP_FPM = fpm.address;

const vite = await createServer({
  configFile: fileURLToPath(new URL("vite.config.ts", import.meta.url)),
  // The program is run by tsx already, which can import the configuration as it is.
  configLoader: "native",
  server: { host: LISTEN.hostname, port: LISTEN.port },
});
await vite.listen();

console.log(`php-beside-vite: ${vite.resolvedUrls?.local[0]}  (Ctrl+C stops it)`);
onStop(
  () => vite.close(),
  () => fpm.stop(),
);
