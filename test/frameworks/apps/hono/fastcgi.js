import { serve } from "fetchcgi/node";
import { appOf } from "./app.js";

const path = process.env.SOCKET;
const app = appOf((c) => c.env.params.get("REMOTE_ADDR"));

await serve({ path, fetch: app.fetch });
