import { error } from "@sveltejs/kit";
import { endpoint } from "../../../endpoints.js";

export async function GET({ request, getClientAddress, platform }) {
  return (await endpoint(request, getClientAddress, platform?.fastCgi?.waitUntil)) ?? error(404, "not found");
}

export const POST = GET;
