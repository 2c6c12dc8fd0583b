import { serve } from "fetchcgi/node";
import { fetch } from "./dist/server/entry.mjs";

const path = process.env.SOCKET;

const server = await serve({ path, fetch });

process.once("SIGTERM", async () => {
  await server.close();
  process.exit();
});
