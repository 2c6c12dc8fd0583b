import { createFileRoute } from "@tanstack/react-router";
import { endpoint } from "../../endpoints.js";

export const Route = createFileRoute("/$")({
  server: {
    handlers: {
      ANY: async ({ request, context }) =>
        (await endpoint(request, () => context?.fastCgi?.params.get("REMOTE_ADDR") ?? "unknown")) ??
        new Response("not found", { status: 404 }),
    },
  },
});
