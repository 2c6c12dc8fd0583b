import { serve } from "fetchcgi/node";
import { appOf } from "./app.js";

const path = process.env.SOCKET;
const app = appOf((_, context) => context.params.get("REMOTE_ADDR"));

await serve({ path, fetch: app.fetch });
