import { serve } from "fetchcgi/node";
import app from "./dist/server/entry-server.js";

const path = process.env.SOCKET;

await serve({
  path,
  fetch: (request, { params, waitUntil }) =>
    app.fetch(Object.assign(request, { ip: params.get("REMOTE_ADDR"), waitUntil })),
});
