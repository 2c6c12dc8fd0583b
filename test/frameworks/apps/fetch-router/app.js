import { createRouter } from "@remix-run/fetch-router";
import { fieldsOf, heldStream, page, release } from "./parts.js";

export const addresses = new WeakMap();

const app = createRouter();
export default app;

app.get("/", () => new Response(page, { headers: { "content-type": "text/html; charset=utf-8" } }));
app.head("/", () => new Response(null, { headers: { "content-type": "text/html; charset=utf-8" } }));
app.get("/items/:id", ({ params, url }) => Response.json({ id: params.id, q: url.searchParams.get("q") }));
app.post(
  "/echo",
  ({ request }) => new Response(request.body, { headers: { "content-type": request.headers.get("content-type") } }),
);
app.post("/form", async ({ request }) => Response.json(fieldsOf(await request.formData())));
app.get("/old", () => new Response(null, { status: 302, headers: { location: "/items/1" } }));
app.get("/cookies", ({ request }) => {
  const headers = new Headers();
  headers.append("set-cookie", "theme=dark; Path=/; Max-Age=3600");
  headers.append("set-cookie", "lang=de%2C%20en; HttpOnly");
  return new Response(request.headers.get("cookie"), { headers });
});
app.get("/throws", () => {
  throw new Error("out of bread");
});
app.get("/stream", () => new Response(heldStream(), { headers: { "content-type": "text/plain" } }));
app.get("/release", () => {
  release();
  return new Response("released");
});
app.get("/address", ({ request }) => new Response(addresses.get(request)));
app.get("/url", ({ request }) => new Response(request.url));
