import { Readable } from "node:stream";
import Koa from "koa";
import compress from "koa-compress";
import files from "koa-static";
import { broken, digestOf, formOf, leave, left, longText } from "./battery.js";
import { fieldsOf, heldStream, later, page, release } from "./parts.js";

export const app = new Koa();

// Errors are thrown on purpose: there is no need to print them.
app.silent = true;

/** By the first part of the path. */
const routes = {
  "GET /": (ctx) => {
    ctx.type = "html";
    ctx.body = page;
  },
  "GET /items": (ctx, id) => {
    ctx.body = { id: decodeURIComponent(id), q: ctx.query.q };
  },
  "POST /echo": (ctx) => {
    ctx.type = ctx.get("content-type");
    ctx.body = ctx.req;
  },
  "POST /form": async (ctx) => {
    ctx.body = fieldsOf(await formOf(ctx.req, ctx.get("content-type")));
  },
  "GET /old": (ctx) => ctx.redirect("/items/1"),
  "GET /cookies": (ctx) => {
    ctx.cookies.set("theme", "dark", { httpOnly: false });
    ctx.cookies.set("lang", "de", { sameSite: "lax" });
    ctx.body = { sent: ctx.cookies.get("theme") };
  },
  "GET /throws": () => {
    throw new Error("out of bread");
  },
  "GET /stream": (ctx) => {
    ctx.type = "text";
    ctx.body = Readable.fromWeb(heldStream());
  },
  "GET /release": (ctx) => {
    release();
    ctx.body = "released";
  },
  "GET /address": (ctx) => {
    ctx.body = ctx.ip;
  },
  "GET /later": (ctx) => {
    ctx.body = later(ctx.req.socket.fastcgi?.waitUntil);
  },
  "GET /url": (ctx) => {
    ctx.body = ctx.href;
  },
  "GET /hints": (ctx) => {
    ctx.res.writeEarlyHints({ link: "</style.css>; rel=preload; as=style" });
    ctx.body = "hinted";
  },
  "GET /long": (ctx) => {
    ctx.compress = true;
    ctx.body = longText;
  },
  "GET /breaks": (ctx) => {
    ctx.type = "text";
    ctx.body = Readable.from(broken());
  },
  "POST /digest": async (ctx) => {
    ctx.body = await digestOf(ctx.req);
  },
  "GET /events": (ctx) => {
    ctx.res.on("close", leave);
    ctx.type = "text/event-stream";
    ctx.body = heldStream();
  },
  "GET /left": async (ctx, count) => {
    ctx.body = await left(count);
  },
  "GET /number": (ctx, number) => {
    ctx.body = number;
  },
};

// Only what asks for it.
app.use(compress({ filter: () => false, br: false }));
app.use((ctx, next) => {
  const [, first, second] = ctx.path.split("/");
  // Koa answers HEAD as GET, without the body.
  const route = routes[`${ctx.method.replace("HEAD", "GET")} /${first}`];
  return route === undefined ? next() : route(ctx, second);
});
app.use(files("public"));
