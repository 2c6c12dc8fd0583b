// A Koa application that knows nothing of FastCGI.

import { Readable } from "node:stream";
import Koa from "koa";

export const app = new Koa();

// The example answers errors on purpose: there is no need to print them.
app.silent = true;

app.use(async (ctx) => {
  switch (ctx.path) {
    case "/":
      ctx.body = "<!doctype html><title>Shop</title><p>Grüße";
      return;
    case "/seen": {
      const { method, url, query, ip, protocol, secure, host, origin } = ctx;
      ctx.body = { method, url, query, ip, protocol, secure, host, origin, own: ctx.get("X-Own") };
      return;
    }
    case "/sum": {
      let bytes = 0;
      for await (const piece of ctx.req) bytes += (piece as Buffer).length;
      ctx.body = { bytes };
      return;
    }
    case "/cookies":
      ctx.cookies.set("theme", "dark", { httpOnly: false });
      ctx.cookies.set("lang", "en", { sameSite: "lax" });
      ctx.body = { sent: ctx.cookies.get("theme") ?? null };
      return;
    case "/stream":
      ctx.type = "text/plain";
      ctx.body = Readable.from(["one ", "two ", "three\n"]);
      return;
    case "/away":
      ctx.redirect("/");
      return;
    case "/fresh":
      ctx.etag = "1";
      ctx.body = "fresh\n";
      ctx.status = 200;
      if (ctx.fresh) ctx.status = 304;
      return;
    case "/nothing":
      ctx.status = 204;
      return;
    case "/refuses":
      ctx.throw(403, "not yours");
      return;
    case "/throws":
      throw new Error("thrown on purpose");
    case "/breaks":
      ctx.type = "text/plain";
      ctx.body = Readable.from(
        (async function* () {
          yield "the start\n";
          throw new Error("broken on purpose");
        })(),
      );
      return;
    default:
      return;
  }
});
