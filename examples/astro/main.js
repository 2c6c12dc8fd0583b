import { serve } from "fetchcgi/node";
import { fetch } from "./dist/server/entry.mjs";

const path = process.env.SOCKET;

await serve({ path, fetch });
