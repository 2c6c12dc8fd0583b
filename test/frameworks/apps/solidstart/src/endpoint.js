import { endpoint } from "../endpoints.js";

export async function GET({ request, clientAddress, nativeEvent }) {
  const found = await endpoint(
    request,
    () => clientAddress,
    (work) => nativeEvent.waitUntil(work),
  );
  return found ?? new Response("not found", { status: 404 });
}

export const POST = GET;
