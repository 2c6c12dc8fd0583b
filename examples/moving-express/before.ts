import { createServer } from "node:http";
import { LISTEN, onStop } from "../shared/program.ts";
import { app } from "./app.ts";

const server = createServer(app).listen(LISTEN.port, LISTEN.hostname);

console.log(`moving-express: listening on port ${LISTEN.port}  (Ctrl+C stops it)`);
onStop(() => server.close());
