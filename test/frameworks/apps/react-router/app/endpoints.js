import { endpoint } from "../endpoints.js";

export async function loader({ request, context }) {
  const found = await endpoint(request, () => context.fastCgi?.params.get("REMOTE_ADDR") ?? "unknown");
  return found ?? new Response("not found", { status: 404 });
}

export const action = loader;
