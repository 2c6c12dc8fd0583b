import { serve } from "fetchcgi/node";
import { appOf } from "./app.js";

const path = process.env.SOCKET;
// Not as it is: what Yoga gives resolvers has `params` of its own.
const yoga = appOf(({ fastCgi }) => fastCgi.params.get("REMOTE_ADDR"));

await serve({
  path,
  fetch: (request, context) => yoga.fetch(request, { fastCgi: context, waitUntil: context.waitUntil }),
});
