// Serves on the socket named by the first argument: takes bodies of any size, gives bodies of any size, and says how large it grew.

import { serve } from "../../../adapters/node/index.ts";
import { checkPattern, patternStream } from "./pattern_stream.ts";
import { PeakMemory } from "./peak_memory.ts";

const [path] = process.argv.slice(2);
const memory = new PeakMemory();

const server = await serve({
  path: path!,
  maxStdinBytes: Number.POSITIVE_INFINITY,
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    switch (pathname) {
      case "/upload":
        return Response.json({ bytes: await checkPattern(request.body!) });
      case "/download":
        return new Response(patternStream(Number(searchParams.get("bytes"))));
      case "/memory/start":
        memory.start();
        return new Response(null, { status: 204 });
      default:
        return Response.json(memory.stop());
    }
  },
});
process.once("SIGTERM", () => void server.close());
console.log("ready");
