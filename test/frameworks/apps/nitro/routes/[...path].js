import { getRequestIP, HTTPError } from "nitro/h3";
import { endpoint } from "../endpoints.js";

export default async (event) => {
  const found = await endpoint(
    event.req,
    () => getRequestIP(event),
    (work) => event.waitUntil(work),
  );
  return found ?? new HTTPError({ status: 404, message: "not found" });
};
