import { serve } from "srvx";
import { appOf } from "./app.js";

const app = appOf((request) => request.ip);

serve({ fetch: app.fetch, hostname: process.env.HOST, port: Number(process.env.PORT) });
