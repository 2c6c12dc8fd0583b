import { endpoint } from "../endpoints.js";

export async function loader({ request, context }) {
  const { fastCgi } = context;
  const found = await endpoint(request, () => fastCgi?.params.get("REMOTE_ADDR") ?? "unknown", fastCgi?.waitUntil);
  return found ?? new Response("not found", { status: 404 });
}

export const action = loader;
