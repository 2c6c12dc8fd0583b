import { Router } from "itty-router";
import { fieldsOf, heldStream, page, release } from "./parts.js";

/** @param addressOf How the server tells the client's address. */
export function appOf(addressOf) {
  return Router()
    .get("/", () => new Response(page, { headers: { "content-type": "text/html; charset=utf-8" } }))
    .head("/", () => new Response(null, { headers: { "content-type": "text/html; charset=utf-8" } }))
    .get("/items/:id", ({ params, query }) => Response.json({ id: decodeURIComponent(params.id), q: query.q }))
    .post(
      "/echo",
      (request) => new Response(request.body, { headers: { "content-type": request.headers.get("content-type") } }),
    )
    .post("/form", async (request) => Response.json(fieldsOf(await request.formData())))
    .get("/old", () => new Response(null, { status: 302, headers: { location: "/items/1" } }))
    .get("/cookies", (request) => {
      const headers = new Headers();
      headers.append("set-cookie", "theme=dark; Path=/; Max-Age=3600");
      headers.append("set-cookie", "lang=de%2C%20en; HttpOnly");
      return new Response(request.headers.get("cookie"), { headers });
    })
    .get("/throws", () => {
      throw new Error("out of bread");
    })
    .get("/stream", () => new Response(heldStream(), { headers: { "content-type": "text/plain" } }))
    .get("/release", () => {
      release();
      return new Response("released");
    })
    .get("/address", (request, context) => new Response(addressOf(request, context)))
    .get("/url", (request) => new Response(request.url))
    .all("*", () => new Response("not found", { status: 404 }));
}
