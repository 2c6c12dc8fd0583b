// The application: an ordinary fetch handler. Only its second parameter knows FastCGI, and only the page uses that.

import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { FastCgiContext, FastCgiFetchHandler } from "fetchcgi/node";
import { page } from "./page.ts";
import { EXCHANGE_ID, type Exchange } from "./tap.ts";
import { pageText } from "./text.ts";
import { negotiate } from "./view.ts";

export function createApp(exchanges: ReadonlyMap<string, Exchange>): FastCgiFetchHandler {
  return (request, context) => {
    switch (new URL(request.url).pathname) {
      case "/upload":
        return digest(request);
      case "/ticks":
        return ticks(request.signal);
      case "/throw":
        throw new Error("Thrown on purpose: /throw was asked for");
      default:
        return show(request, context, exchanges);
    }
  };
}

/** Shows what arrived, and the records it arrived in. */
async function show(
  request: Request,
  context: FastCgiContext,
  exchanges: ReadonlyMap<string, Exchange>,
): Promise<Response> {
  // Reads the body to its end, because the end of FCGI_STDIN is the last record of the request. The page does not use
  // the body.
  await context.stdin.pipeTo(new WritableStream());
  const exchange = exchanges.get(context.params.get(EXCHANGE_ID) ?? "");
  const view = { request, params: context.params, exchange };
  return negotiate(request, { html: () => page(view), text: () => pageText(view) });
}

/** Reads an upload piece by piece, so that memory does not grow with the file. */
async function digest(request: Request): Promise<Response> {
  const sha256 = createHash("sha256");
  let bytes = 0;
  for await (const piece of request.body ?? []) {
    sha256.update(piece);
    bytes += piece.length;
  }
  const name = new URL(request.url).searchParams.get("name");
  const lines = [`sha256  ${sha256.digest("hex")}`, `bytes   ${bytes}`];
  if (name !== null) lines.push(`name    ${name}`);
  return new Response(`${lines.join("\n")}\n`, { headers: { "content-type": "text/plain; charset=utf-8" } });
}

/** One line a second, until the client leaves. */
function ticks(signal: AbortSignal): Response {
  let count = 0;
  const lines = new ReadableStream<string>({
    async pull(controller) {
      // Rejects when the client leaves, and that ends the stream.
      if (count > 0) await sleep(1000, undefined, { signal });
      controller.enqueue(`tick ${++count} at ${new Date().toISOString()}\n`);
    },
  });
  return new Response(lines.pipeThrough(new TextEncoderStream()), {
    headers: { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" },
  });
}
