import { Elysia } from "elysia";
import { fieldsOf, heldStream, page, release } from "./parts.js";

/**
 * @param config Of Elysia: where it runs.
 * @param addressOf How the server tells the client's address.
 */
export function appOf(config, addressOf) {
  return (
    new Elysia(config)
      .get("/", ({ set }) => {
        set.headers["content-type"] = "text/html; charset=utf-8";
        return page;
      })
      .get("/items/:id", ({ params, query }) => ({ id: params.id, q: query.q }))
      .post(
        "/echo",
        ({ body, headers, set }) => {
          set.headers["content-type"] = headers["content-type"];
          return body;
        },
        { parse: "text" },
      )
      .post("/form", ({ body }) =>
        Object.entries(body).map(([name, value]) =>
          value instanceof Blob ? fieldsOf([[name, value]])[0] : [name, value],
        ),
      )
      // On Node.js, Elysia redirects to an absolute URL only.
      .get("/old", ({ redirect, request }) => redirect(new URL("/items/1", request.url).href))
      .get("/cookies", ({ cookie: { theme, lang } }) => {
        const seen = { theme: theme.value, lang: lang.value };
        theme.set({ value: "dark", path: "/", maxAge: 3600 });
        lang.set({ value: "de, en", httpOnly: true });
        return seen;
      })
      .get("/throws", () => {
        throw new Error("out of bread");
      })
      .get("/stream", () => new Response(heldStream(), { headers: { "content-type": "text/plain" } }))
      .get("/release", () => {
        release();
        return "released";
      })
      .get("/address", (context) => addressOf(context))
      .get("/url", ({ request }) => request.url)
  );
}
