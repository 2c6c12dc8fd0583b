import { endpoint } from "../../endpoints.js";

export async function ALL({ request, clientAddress }) {
  return (await endpoint(request, () => clientAddress)) ?? new Response("not found", { status: 404 });
}
