import { serve } from "fetchcgi/node";
import { app } from "./app.js";

const path = process.env.SOCKET;

await app.init();
const server = await serve({ path, listener: app.getHttpAdapter().getInstance() });

process.once("SIGTERM", async () => {
  await server.close();
  process.exit();
});
