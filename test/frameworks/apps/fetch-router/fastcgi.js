import { serve } from "fetchcgi/node";
import app, { addresses } from "./app.js";

const path = process.env.SOCKET;

await serve({
  path,
  fetch(request, { params }) {
    addresses.set(request, params.get("REMOTE_ADDR"));
    return app.fetch(request);
  },
});
