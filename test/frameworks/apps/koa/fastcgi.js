import { serve } from "fetchcgi/node";
import { app } from "./app.js";

const path = process.env.SOCKET;

await serve({ path, listener: app.callback() });
