import { createFileRoute } from "@tanstack/react-router";
import { endpoint } from "../../endpoints.js";

export const Route = createFileRoute("/$")({
  server: {
    handlers: {
      ANY: async ({ request, context }) => {
        const fastCgi = context?.fastCgi;
        const addressOf = () => fastCgi?.params.get("REMOTE_ADDR") ?? "unknown";
        return (await endpoint(request, addressOf, fastCgi?.waitUntil)) ?? new Response("not found", { status: 404 });
      },
    },
  },
});
