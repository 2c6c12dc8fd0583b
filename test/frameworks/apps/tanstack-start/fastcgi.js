import { serve } from "fetchcgi/node";
import app from "./dist/server/server.js";
import { closeAtSigterm } from "./stop.js";

const path = process.env.SOCKET;

const server = await serve({
  path,
  fetch: (request, context) => app.fetch(request, { context: { fastCgi: context } }),
});
closeAtSigterm(server);
