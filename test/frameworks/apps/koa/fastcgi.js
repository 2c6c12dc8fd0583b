import { serve } from "fetchcgi/node";
import { app } from "./app.js";
import { closeAtSigterm } from "./stop.js";

const path = process.env.SOCKET;

const server = await serve({ path, listener: app.callback() });
closeAtSigterm(server);
