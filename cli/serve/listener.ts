// Serves the module in this process, on the sockets of the runtime.

import type { FastCgiListener, ServeOptions } from "../../adapters/node/index.ts";
import type { ListenTarget } from "../../adapters/system/listen.ts";
import { loadHandler } from "./module.ts";

/** The entry of the library for this runtime. */
async function entry(): Promise<{ serve(options: ServeOptions): Promise<FastCgiListener> }> {
  // From the package, whose classes the module uses as well.
  if ("Bun" in globalThis) return import("fetchcgi/bun");
  if ("Deno" in globalThis) return import("fetchcgi/deno");
  return import("fetchcgi/node");
}

/** Loads the module and listens. */
export async function startServing(file: string, target: ListenTarget): Promise<FastCgiListener> {
  const fetch = await loadHandler(file);
  const { serve } = await entry();
  return serve({ ...target, fetch });
}
