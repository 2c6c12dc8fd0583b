import { readFile } from "node:fs/promises";
import { serve } from "fetchcgi/node";
import next from "next";

const path = process.env.SOCKET;
const dir = import.meta.dirname;

// As Next's own server.js does: the configuration is that of the build.
const { config } = JSON.parse(await readFile(`${dir}/.next/required-server-files.json`, "utf8"));
process.env.__NEXT_PRIVATE_STANDALONE_CONFIG = JSON.stringify(config);

const app = next({ dir });
await app.prepare();
const server = await serve({ path, listener: app.getRequestHandler() });

process.once("SIGTERM", async () => {
  await server.close();
  // Waits for what was given to `after`.
  await app.close();
  process.exit();
});
