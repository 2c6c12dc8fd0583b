import { serve } from "fetchcgi/node";
import { app } from "./app.js";
import { closeAtSigterm } from "./stop.js";

const path = process.env.SOCKET;

await app.ready();
const server = await serve({ path, listener: app.server });
closeAtSigterm(server);
