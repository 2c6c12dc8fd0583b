import { node } from "@elysiajs/node";
import { appOf } from "./app.js";

appOf(
  { adapter: node() },
  ({ request, server }) => server?.requestIP(request)?.address ?? request.ip ?? "unknown",
).listen({
  hostname: process.env.HOST,
  port: Number(process.env.PORT),
});
