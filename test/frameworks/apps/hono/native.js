import { serve } from "@hono/node-server";
import { getConnInfo } from "@hono/node-server/conninfo";
import { appOf } from "./app.js";

const app = appOf((c) => getConnInfo(c).remote.address);

serve({ fetch: app.fetch, hostname: process.env.HOST, port: Number(process.env.PORT) });
