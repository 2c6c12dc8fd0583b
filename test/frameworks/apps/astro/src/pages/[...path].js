import { endpoint } from "../../endpoints.js";

export async function ALL({ request, clientAddress, locals }) {
  return (
    (await endpoint(request, () => clientAddress, locals.fastCgi?.waitUntil)) ??
    new Response("not found", { status: 404 })
  );
}
