import { serve } from "fetchcgi/node";
import { LISTEN, onStop } from "../shared/program.ts";
import { app } from "./app.ts";

await app.ready();
const server = await serve({ ...LISTEN, listener: app.server });

console.log(`moving-fastify: listening on port ${LISTEN.port}  (Ctrl+C stops it)`);
onStop(async () => {
  await server.close();
  await app.close();
});
