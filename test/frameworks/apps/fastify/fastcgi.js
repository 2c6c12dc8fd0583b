import { serve } from "fetchcgi/node";
import { app } from "./app.js";

const path = process.env.SOCKET;

await app.ready();
await serve({ path, listener: app.server });
