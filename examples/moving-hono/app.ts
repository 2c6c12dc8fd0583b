// A Hono app that knows nothing of FastCGI, nor of any server.

import { Hono } from "hono";
import { basicAuth } from "hono/basic-auth";
import { bodyLimit } from "hono/body-limit";
import { deleteCookie, getCookie, getSignedCookie, setCookie, setSignedCookie } from "hono/cookie";
import { cors } from "hono/cors";
import { etag } from "hono/etag";
import { HTTPException } from "hono/http-exception";
import { methodNotAllowed } from "hono/method-not-allowed";
import { prettyJSON } from "hono/pretty-json";
import { secureHeaders } from "hono/secure-headers";
import { streamSSE, streamText } from "hono/streaming";
import { trimTrailingSlash } from "hono/trailing-slash";

const SECRET = "a secret of the example";
const MiB = 1024 * 1024;

export const app = new Hono();

app.use(secureHeaders(), methodNotAllowed({ app }), trimTrailingSlash());
app.use("/api/*", cors({ origin: "http://shop.example", credentials: true, exposeHeaders: ["x-total"] }), prettyJSON());
app.use("/pages/*", etag());
app.use("/admin/*", basicAuth({ username: "ada", password: "lovelace", realm: "the back room" }));
app.use("/upload", bodyLimit({ maxSize: MiB, onError: (c) => c.text("Too large\n", 413) }));

app.notFound((c) => c.json({ error: "not found", path: c.req.path }, 404));
app.onError((error, c) => {
  if (error instanceof HTTPException) return error.getResponse();
  return c.json({ error: error.message }, 500);
});

app.get("/", (c) => c.html("<!doctype html><title>Shop</title><p>Grüße"));

// Routing, and what a handler sees of a request.
const items = new Map([
  ["1", { id: "1", name: "bread" }],
  ["2", { id: "2", name: "Käse" }],
]);
app.get("/api/items", (c) => {
  c.header("x-total", String(items.size));
  return c.json([...items.values()]);
});
app.get("/api/items/:id{[0-9]+}", (c) => {
  const item = items.get(c.req.param("id"));
  return item === undefined ? c.notFound() : c.json(item);
});
app.post("/api/items", async (c) => {
  const { name } = await c.req.json<{ name?: unknown }>().catch(() => {
    throw new HTTPException(400, { message: "not JSON" });
  });
  if (typeof name !== "string") throw new HTTPException(422, { message: "an item needs a name" });
  return c.json({ id: "3", name }, 201, { location: "/api/items/3" });
});
app.put("/api/items/:id", async (c) => c.json({ ...(await c.req.json()), id: c.req.param("id") }));
app.delete("/api/items/:id", (c) => c.body(null, 204));
app.on("PURGE", "/api/items", (c) => c.text("purged\n"));
app.get("/seen/*", (c) =>
  c.json({ url: c.req.url, path: c.req.path, queries: c.req.queries(), own: c.req.header("x-own") ?? null }),
);
app.get("/grüße/:name", (c) => c.text(`Grüße, ${c.req.param("name")}`));
app.get("/optional/:page?", (c) => c.text(c.req.param("page") ?? "first"));
app.get("/search", (c) => c.json({ q: c.req.query("q") ?? null, all: c.req.queries("tag") ?? [] }));
app.mount("/mounted", (request: Request) => new Response(`${request.method} ${new URL(request.url).pathname}`));

// Bodies.
app.post("/form", async (c) => c.json(await c.req.parseBody({ all: true })));
app.post("/upload", async (c) => {
  const { title, file } = await c.req.parseBody();
  if (!(file instanceof File)) return c.text(`no file: ${title}\n`, 400);
  return c.json({ title, name: file.name, type: file.type, bytes: file.size, sum: sum(await file.bytes()) });
});
app.post("/sum", async (c) => {
  let bytes = 0;
  let total = 0;
  for await (const piece of c.req.raw.body ?? []) {
    bytes += piece.length;
    total += sum(piece);
  }
  return c.json({ bytes, total });
});

// Cookies, logins, redirects.
app.get("/cookies", async (c) => {
  const signed = await getSignedCookie(c, SECRET, "login");
  setCookie(c, "theme", "dark", { path: "/", maxAge: 3600 });
  setCookie(c, "lang", "de, en", { httpOnly: true, sameSite: "Lax" });
  await setSignedCookie(c, "login", "ada", SECRET, { secure: true });
  deleteCookie(c, "old");
  return c.json({ seen: getCookie(c), signed });
});
app.get("/admin/page", (c) => c.text("the back room\n"));
app.get("/away", (c) => c.redirect("http://elsewhere.example/?a=1&b=ü"));
app.get("/old", (c) => c.redirect("/api/items?from=old", 301));
app.post("/old", (c) => c.redirect("../search", 303));
app.get("/kept", (c) => c.redirect("/search", 308));

// Answers of every kind.
app.get("/pages/:name", (c) => c.html(`<p>${c.req.param("name")}</p>`));
app.get("/files/letters", (c) => {
  const letters = "abcdefghijklmnopqrstuvwxyz";
  const [, from = "", to = ""] = /^bytes=(\d+)-(\d*)$/.exec(c.req.header("range") ?? "") ?? [];
  c.header("accept-ranges", "bytes");
  c.header("last-modified", "Sat, 21 Nov 2026 10:00:00 GMT");
  if (from === "") return c.text(letters);
  const last = Math.min(to === "" ? Infinity : Number(to), letters.length - 1);
  if (Number(from) > last) return c.body(null, 416, { "content-range": `bytes */${letters.length}` });
  c.header("content-range", `bytes ${from}-${last}/${letters.length}`);
  return c.text(letters.slice(Number(from), last + 1), 206);
});
app.get("/bytes", () => new Response(new Uint8Array([0, 1, 254, 255])));
app.get("/big", (c) => {
  const bytes = Number(c.req.query("bytes"));
  if (c.req.query("length") !== undefined) c.header("content-length", String(bytes));
  let sent = 0;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      const piece = new Uint8Array(Math.min(50_000, bytes - sent)).fill(sent % 251);
      controller.enqueue(piece);
      sent += piece.length;
      if (sent === bytes) controller.close();
    },
  });
  return c.body(body, 200, { "content-type": "application/x-pattern" });
});
app.get("/text", (c) =>
  streamText(c, async (stream) => {
    for (const word of ["one", "two", "three"]) {
      await stream.writeln(word);
      await stream.sleep(1);
    }
  }),
);
app.get("/events", (c) =>
  streamSSE(c, async (stream) => {
    for (let id = 1; id <= 3; id++) await stream.writeSSE({ event: "tick", id: String(id), data: `line\nno. ${id}` });
  }),
);
app.get("/odd", (c) => c.text("short and stout\n", 418, { "x-latin": "caf\xe9", "cache-control": "no-store" }));
app.get("/reason", () => new Response("a reason of its own\n", { status: 404, statusText: "Gone Fishing" }));
app.get("/throws", () => {
  throw new Error("out of bread");
});
app.get("/breaks", (c) => {
  const pieces = ["the start\n"];
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      // After this the start of the response has been sent.
      await new Promise((resolve) => setTimeout(resolve, 50));
      const piece = pieces.shift();
      if (piece === undefined) controller.error(new Error("out of bread"));
      else controller.enqueue(new TextEncoder().encode(piece));
    },
  });
  return c.body(body, 200, { "content-type": "text/plain" });
});

function sum(bytes: Uint8Array): number {
  let total = 0;
  for (const byte of bytes) total += byte;
  return total;
}
