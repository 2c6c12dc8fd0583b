import { serve } from "fetchcgi/node";
import { auth } from "./app.js";

const path = process.env.SOCKET;

await serve({ path, fetch: (request) => auth.handler(request) });
