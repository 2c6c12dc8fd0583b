import { appOf } from "./app.js";

appOf({}, ({ request, server }) => server.requestIP(request).address).listen({
  hostname: process.env.HOST,
  port: Number(process.env.PORT),
});
