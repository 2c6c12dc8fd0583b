import { endpoint } from "../endpoints.js";

export async function GET({ request, clientAddress }) {
  return (await endpoint(request, () => clientAddress)) ?? new Response("not found", { status: 404 });
}

export const POST = GET;
