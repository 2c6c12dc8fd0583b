// A Hono app that knows nothing of FastCGI, at the place where web servers mount it. `c.env` is what `fetch` gets besides the
// request: undefined where the app runs natively.

import { Hono } from "hono";
import type { FastCgiContext } from "../../../adapters/node/index.ts";

const app = new Hono<{ Bindings: FastCgiContext }>();

app.get("/", (c) => c.text(`home of ${c.req.url}`));
app.get("/items", (c) => c.json({ url: c.req.url, path: c.req.path, queries: c.req.queries() }));
app.get("/items/:id", (c) => c.json({ id: c.req.param("id"), url: c.req.url, path: c.req.path }));
app.get("/items/:id/parts/*", (c) => c.text(`parts of ${c.req.param("id")} at ${c.req.path}`));
app.post("/items", async (c) => c.json({ made: await c.req.json() }, 201, { location: "/app/items/7" }));
app.delete("/items/:id", (c) => c.body(null, 204));
app.get("/old", (c) => c.redirect("/app/items", 301));
app.get("/split", (c) => c.json([c.env.params.get("SCRIPT_NAME") ?? null, c.env.params.get("PATH_INFO") ?? null]));

/** The site that has the app below /app/. */
export const honoSite: Hono<{ Bindings: FastCgiContext }> = new Hono<{ Bindings: FastCgiContext }>().route("/app", app);
