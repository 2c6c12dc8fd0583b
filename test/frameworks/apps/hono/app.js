import { serveStatic } from "@hono/node-server/serve-static";
import { Hono } from "hono";
import { getCookie, setCookie } from "hono/cookie";
import { fieldsOf, heldStream, later, page, release } from "./parts.js";

/** @param addressOf How the server tells the client's address. */
export function appOf(addressOf) {
  const app = new Hono();
  app.get("/", (c) => c.html(page));
  app.get("/items/:id", (c) => c.json({ id: c.req.param("id"), q: c.req.query("q") }));
  app.post("/echo", async (c) =>
    c.body(await c.req.arrayBuffer(), 200, { "content-type": c.req.header("content-type") }),
  );
  app.post("/form", async (c) => c.json(fieldsOf(await c.req.formData())));
  app.get("/old", (c) => c.redirect("/items/1"));
  app.get("/cookies", (c) => {
    setCookie(c, "theme", "dark", { path: "/", maxAge: 3600 });
    setCookie(c, "lang", "de, en", { httpOnly: true });
    return c.json(getCookie(c));
  });
  app.get("/throws", () => {
    throw new Error("out of bread");
  });
  app.get("/stream", (c) => c.body(heldStream(), 200, { "content-type": "text/plain" }));
  app.get("/release", (c) => {
    release();
    return c.text("released");
  });
  app.get("/address", (c) => c.text(addressOf(c)));
  app.get("/later", (c) => c.text(later(c.env.waitUntil)));
  app.get("/url", (c) => c.text(c.req.url));
  app.use("*", serveStatic({ root: "./public" }));
  return app;
}
