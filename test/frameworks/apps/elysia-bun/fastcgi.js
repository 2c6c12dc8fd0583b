import { serve } from "fetchcgi/bun";
import { appOf } from "./app.js";

const path = process.env.SOCKET;
const app = appOf({}, ({ request }) => request.ip);

await serve({
  path,
  fetch: (request, { params }) => app.fetch(Object.assign(request, { ip: params.get("REMOTE_ADDR") })),
});
