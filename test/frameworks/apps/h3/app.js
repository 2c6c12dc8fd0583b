import { readFile, stat } from "node:fs/promises";
import { getCookie, getRequestIP, H3, html, redirect, serveStatic, setCookie } from "h3";
import { fieldsOf, heldStream, later, page, release } from "./parts.js";

export const app = new H3()
  .get("/", () => html(page))
  .get("/items/:id", (event) => ({
    id: decodeURIComponent(event.context.params.id),
    q: event.url.searchParams.get("q"),
  }))
  .post("/echo", async (event) => {
    event.res.headers.set("content-type", event.req.headers.get("content-type"));
    return event.req.arrayBuffer();
  })
  .post("/form", async (event) => fieldsOf(await event.req.formData()))
  .get("/old", () => redirect("/items/1"))
  .get("/cookies", (event) => {
    setCookie(event, "theme", "dark", { path: "/", maxAge: 3600 });
    setCookie(event, "lang", "de, en", { httpOnly: true });
    return { theme: getCookie(event, "theme"), lang: getCookie(event, "lang") };
  })
  .get("/throws", () => {
    throw new Error("out of bread");
  })
  .get("/stream", () => heldStream())
  .get("/release", () => {
    release();
    return "released";
  })
  .get("/address", (event) => getRequestIP(event))
  .get("/later", (event) => later(event.req.waitUntil && ((work) => event.waitUntil(work))))
  .get("/url", (event) => event.url.href)
  .use((event) =>
    serveStatic(event, {
      fallthrough: true,
      getContents: (id) => readFile(`public${id}`),
      async getMeta(id) {
        const file = await stat(`public${id}`).catch(() => null);
        return file?.isFile() ? { size: file.size, mtime: file.mtimeMs, type: "text/plain" } : undefined;
      },
    }),
  );
