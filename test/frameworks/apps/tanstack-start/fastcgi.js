import { serve } from "fetchcgi/node";
import app from "./dist/server/server.js";

const path = process.env.SOCKET;

await serve({ path, fetch: (request, context) => app.fetch(request, { context: { fastCgi: context } }) });
