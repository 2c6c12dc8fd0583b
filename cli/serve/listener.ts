// Serves the module's handler in this process, on the sockets of the runtime.

import type { FastCgiListener, ServeOptions } from "../../adapters/node/index.ts";
import type { ListenTarget } from "../../adapters/system/listen.ts";
import type { FastCgiFetchHandler } from "../../src/toolkit.ts";

/** The entry of the library for this runtime. */
async function entry(): Promise<{ serve(options: ServeOptions): Promise<FastCgiListener> }> {
  // From the package, whose classes the module uses as well.
  if ("Bun" in globalThis) return import("fetchcgi/bun");
  if ("Deno" in globalThis) return import("fetchcgi/deno");
  return import("fetchcgi/node");
}

/** Listens. */
export async function startServing(fetch: FastCgiFetchHandler, target: ListenTarget): Promise<FastCgiListener> {
  const { serve } = await entry();
  return serve({ ...target, fetch });
}
