import { serve } from "fetchcgi/node";
import { appOf } from "./app.js";
import { closeAtSigterm } from "./stop.js";

const path = process.env.SOCKET;
const app = appOf((c) => c.env.params.get("REMOTE_ADDR"));

const server = await serve({ path, fetch: app.fetch });
closeAtSigterm(server);
