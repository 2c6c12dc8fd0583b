import { serve } from "fetchcgi/node";
import { auth } from "./app.js";

const path = process.env.SOCKET;

await serve({
  path,
  fetch(request, { params }) {
    // better-auth knows the client's address only from a field.
    request.headers.set("x-real-ip", params.get("REMOTE_ADDR"));
    return auth.handler(request);
  },
});
