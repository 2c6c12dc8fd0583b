import type { ListenerServeOptions } from "../system/listener_options.ts";
import { type FastCgiListener, type ServeOptions, serveOn } from "../system/serve.ts";
import { nodeRuntime } from "./listen.ts";

/**
 * Serves a fetch handler, or an application for node:http, over FastCGI.
 *
 * ```ts
 * import { serve } from "fetchcgi/node";
 *
 * const server = await serve({ path: "/run/app.sock", fetch: () => new Response("Hello") });
 * ```
 *
 * `onError` and `onStderr` print to the console unless they are given: a line for each fault and each message.
 *
 * @throws {TypeError | RangeError} If an option has a value it can't have.
 * @throws {Error} If it can't listen.
 */
export function serve(options: ServeOptions | ListenerServeOptions): Promise<FastCgiListener> {
  return serveOn(nodeRuntime, options);
}
