import { serve } from "fetchcgi/node";
import { app } from "./app.js";

const path = process.env.SOCKET;

await app.ready();
const server = await serve({ path, listener: app.server });

process.once("SIGTERM", async () => {
  await server.close();
  process.exit();
});
