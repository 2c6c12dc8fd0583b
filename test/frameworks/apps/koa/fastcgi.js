import { serve } from "fetchcgi/node";
import { app } from "./app.js";

const path = process.env.SOCKET;

const server = await serve({ path, listener: app.callback() });

process.once("SIGTERM", async () => {
  await server.close();
  process.exit();
});
