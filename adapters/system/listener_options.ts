// Not in the entry of Deno: what it exports must not need the types of Node.js.

import type { RequestListener, Server } from "node:http";
import type { ServeOptions } from "./serve.ts";

/** Options of `serve` for an application that was written for node:http. */
export interface ListenerServeOptions extends Omit<ServeOptions, "fetch" | "listener" | "lazyRequest"> {
  /**
   * Answers the requests: a function that takes `(req, res)`, such as an Express application or Koa's `callback()`, or
   * an `http.Server`, such as Fastify's `server`, which need not listen. They are a real IncomingMessage and
   * ServerResponse. `req.socket` has the addresses of the HTTP client and of the web server, `encrypted` for https,
   * and in `fastcgi` what a fetch handler gets as its second parameter: the CGI variables, `waitUntil` and the rest.
   *
   * Informational responses (1xx) and trailers end here, because FastCGI has no place for them.
   */
  listener: RequestListener | Server;
  /** Only without `listener`: see {@linkcode ServeOptions}. */
  fetch?: undefined;
}
