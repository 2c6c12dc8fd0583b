import { serve } from "fetchcgi/node";
import { LISTEN, onStop } from "../shared/program.ts";
import { app } from "./app.ts";

const server = await serve({ ...LISTEN, listener: app });

console.log(`moving-express: listening on port ${LISTEN.port}  (Ctrl+C stops it)`);
onStop(() => server.close());
