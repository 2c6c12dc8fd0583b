import { LISTEN, onStop } from "../shared/program.ts";
import { app } from "./app.ts";
import { serve } from "./fastcgi.ts";

const server = await serve({ ...LISTEN, ...app });

console.log(`moving-srvx: listening on port ${LISTEN.port}  (Ctrl+C stops it)`);
onStop(() => server.close());
