// `serve` of srvx, over FastCGI. Middleware, plugins and `error` are srvx's own (`srvx/generic`); `request.ip` and
// `request.waitUntil`, which srvx adds to a Request, come from FastCGI's context. An app without these can use `serve`
// of `fetchcgi/node` directly.

import { type FastCgiListener, type ServeOptions, serve as serveFastCgi } from "fetchcgi/node";
import type { ServerOptions, ServerRequest } from "srvx";
import { serve as compose } from "srvx/generic";

/** Options of srvx, and of FastCGI. */
export type Options = ServerOptions & Omit<ServeOptions, "fetch" | "port">;

export function serve({ fetch, middleware, plugins, error, ...options }: Options): Promise<FastCgiListener> {
  const app = compose({
    fetch,
    ...(middleware && { middleware }),
    ...(plugins && { plugins }),
    ...(error && { error }),
  });
  const { port = process.env.PORT ?? 3000, ...others } = options;
  return serveFastCgi({
    ...(options.path === undefined && options.fd === undefined && { port: Number(port) }),
    ...others,
    fetch(request, { params, waitUntil }) {
      Object.defineProperties(request, {
        ip: { value: params.get("REMOTE_ADDR"), enumerable: true },
        waitUntil: { value: waitUntil, enumerable: true },
      });
      return app.fetch(request as ServerRequest);
    },
  });
}
