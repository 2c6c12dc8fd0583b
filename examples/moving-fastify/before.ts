import { LISTEN, onStop } from "../shared/program.ts";
import { app } from "./app.ts";

await app.listen({ port: LISTEN.port, host: LISTEN.hostname });

console.log(`moving-fastify: listening on port ${LISTEN.port}  (Ctrl+C stops it)`);
onStop(() => app.close());
