import { serve } from "fetchcgi/node";
import app from "./dist/server/entry-server.js";
import { closeAtSigterm } from "./stop.js";

const path = process.env.SOCKET;

const server = await serve({
  path,
  fetch: (request, { params, waitUntil }) =>
    app.fetch(Object.assign(request, { ip: params.get("REMOTE_ADDR"), waitUntil })),
});
closeAtSigterm(server);
