import { error } from "@sveltejs/kit";
import { endpoint } from "../../../endpoints.js";

export async function GET({ request, getClientAddress }) {
  return (await endpoint(request, getClientAddress)) ?? error(404, "not found");
}

export const POST = GET;
