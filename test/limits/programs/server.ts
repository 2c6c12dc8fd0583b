// Serves on a free port until SIGTERM. Arguments: the runtime, and options as JSON. Prints its address, a line of JSON.

import { readdirSync } from "node:fs";
import type { FastCgiError } from "../../../src/index.ts";
import { adapterOf, type RuntimeName } from "../../adapters/battery/programs/adapter.ts";
import { heldBytes } from "../../support/memory.ts";

const [name, options = "{}"] = process.argv.slice(2);
const reached = new Map<string, number>();
const LARGE = "x".repeat(60_000);
let waiting: (() => void)[] = [];

const { serve } = await adapterOf(name as RuntimeName);
const server = await serve({
  port: 0,
  ...JSON.parse(options),
  onError(error) {
    const { limit, code } = error as FastCgiError;
    const what = limit ?? code ?? String(error);
    reached.set(what, (reached.get(what) ?? 0) + 1);
  },
  async fetch(request, { data }) {
    const { pathname } = new URL(request.url);
    switch (pathname) {
      case "/held": {
        const limits = Object.fromEntries(reached);
        reached.clear();
        return Response.json({ held: heldBytes(), descriptors: readdirSync("/proc/self/fd").length, reached: limits });
      }
      case "/reached":
        return Response.json(Object.fromEntries(reached));
      case "/echo":
        return new Response(request.body);
      case "/drain":
        for await (const _ of request.body ?? data) {
          // Read and dropped.
        }
        return new Response("read");
      case "/never":
        await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
        return new Response();
      case "/wait":
        await new Promise<void>((resolve) => waiting.push(resolve));
        return new Response("waited");
      case "/waiting":
        return new Response(`${waiting.length}`);
      case "/go":
        for (const go of waiting) go();
        waiting = [];
        return new Response("gone");
      case "/large":
        return new Response(LARGE);
      case "/download": {
        const piece = new TextEncoder().encode(LARGE);
        return new Response(new ReadableStream({ pull: (controller) => controller.enqueue(piece.slice()) }));
      }
      default:
        return new Response(`answered ${pathname}`);
    }
  },
});
process.once("SIGTERM", () => void server.close({ grace: 0, timeout: 0 }).then(() => process.exit()));
console.log(JSON.stringify(server.address));
