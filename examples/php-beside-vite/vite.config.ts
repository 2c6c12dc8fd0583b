// Vite's dev server, with the PHP scripts of a folder beside it.

import { fileURLToPath } from "node:url";
import { FastCgiHttpClient, FastCgiUnixConnector, scriptOnDisk, scriptsIn, toMiddleware } from "fetchcgi/node";
import { defineConfig } from "vite";

const documentRoot = fileURLToPath(new URL("php", import.meta.url));
const script = scriptsIn({ documentRoot, resolve: scriptOnDisk(documentRoot) });
const php = new FastCgiHttpClient(FastCgiUnixConnector.phpFpm(process.env.PHP_FPM ?? "/run/php/php-fpm.sock"));

export default defineConfig({
  root: fileURLToPath(new URL("app", import.meta.url)),
  plugins: [
    {
      name: "php",
      configureServer(vite) {
        vite.middlewares.use(toMiddleware(php.fetch, { script }));
      },
    },
  ],
});
