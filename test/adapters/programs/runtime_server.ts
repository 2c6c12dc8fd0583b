// Serves on a runtime until SIGTERM. Arguments: its name, and options of serve as JSON. Prints lines of JSON: the address or the
// error, and what its handlers notice.

import { adapterOf, type RuntimeName } from "./adapter.ts";

const [name, options] = process.argv.slice(2);
const print = (line: object): void => console.log(JSON.stringify(line));
const text = (body: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(body);

/** Sends a line, and goes on when the request's body is over. */
function untilBodyEnds(request: Request): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async start(controller) {
      controller.enqueue(text("started\n"));
      let length = 0;
      for await (const piece of request.body!) length += piece.length;
      controller.enqueue(text(`${length} bytes\n`));
      controller.close();
    },
  });
}

/** Sends a line, and then nothing more until the request is aborted. */
function untilAborted({ signal }: Request): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(text("started\n"));
      signal.addEventListener("abort", () => print({ aborted: (signal.reason as { code?: string }).code }));
    },
  });
}

try {
  const { serve } = await adapterOf(name as RuntimeName);
  const server = await serve({
    maxStdinBytes: Number.POSITIVE_INFINITY,
    onError: (error) => print({ error: String(error) }),
    ...JSON.parse(options!),
    fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/echo") return new Response(request.body);
      if (pathname === "/body") return new Response(untilBodyEnds(request));
      if (pathname === "/wait") return new Response(untilAborted(request));
      return new Response(`answered ${pathname}`);
    },
  });
  print({ address: server.address ?? null });
  process.once("SIGTERM", async () => {
    await server.close();
    print({ closed: true });
  });
} catch (error) {
  print({ name: (error as Error).name, message: (error as Error).message });
}
