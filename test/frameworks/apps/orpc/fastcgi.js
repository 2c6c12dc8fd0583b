import { RPCHandler } from "@orpc/server/fetch";
import { serve } from "fetchcgi/node";
import { router } from "./app.js";

const path = process.env.SOCKET;
const handler = new RPCHandler(router);

await serve({
  path,
  async fetch(request, { params }) {
    const context = { address: params.get("REMOTE_ADDR") };
    const { response } = await handler.handle(request, { context });
    return response ?? new Response("not found", { status: 404 });
  },
});
