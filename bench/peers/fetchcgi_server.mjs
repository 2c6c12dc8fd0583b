// Our contender: an ordinary handler. fetchcgi_server.mjs FOLDER SETTINGS ADDRESS, where FOLDER holds the built library and SETTINGS
// are JSON: see `Settings` in contenders.ts.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { alphabet, CHUNK, CHUNKS, HELLO, LARGE, pieces, STREAM_CHUNK } from "./answers.mjs";
import { ready, targetOf } from "./ready.mjs";

const [folder, settings, address] = process.argv.slice(2);
const { response = "Response", app = "plain", lazyRequest = false } = JSON.parse(settings);
const runtime = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";
const { serve, FastResponse } = await import(pathToFileURL(join(folder, `${runtime}.js`)).href);
const Answer = response === "FastResponse" ? FastResponse : Response;

const large = alphabet(LARGE);
const small = alphabet(CHUNK * CHUNKS);
const plain = { headers: { "content-type": "text/plain" } };
let held = 0;

async function answer(request) {
  const { pathname } = new URL(request.url);
  switch (pathname) {
    case "/bytes":
      return new Answer(large, plain);
    case "/stream":
      return new Response(pieces(large, STREAM_CHUNK), plain);
    case "/chunks":
      return new Response(pieces(small, CHUNK), plain);
    case "/drain": {
      let length = 0;
      for await (const chunk of request.body) length += chunk.length;
      return new Response(`${length}\n`, plain);
    }
    case "/text": {
      const text = await request.text();
      // Looked through, as a program would: a text may be made of pieces that are joined only then.
      const length = text.includes("\0") ? -1 : text.length;
      return new Response(`${length}\n`, plain);
    }
    case "/hold":
      held++;
      return new Promise(() => {});
    case "/held":
      return new Response(`${held} held\n`, plain);
    default:
      return new Response("Not found\n", { status: 404 });
  }
}

const handlers = {
  plain: () => (request) => {
    // The same for all peers: the cheapest question first.
    if (request.url.endsWith("/")) return new Answer(HELLO, plain);
    return answer(request);
  },
  /** A Hono app that knows nothing of this library. */
  async Hono() {
    globalThis.Response = Answer;
    const { Hono } = await import("hono");
    return new Hono().get("/", (context) => context.text(HELLO)).fetch;
  },
};

const { host: hostname, ...target } = targetOf(address);
await serve({
  ...target,
  ...(hostname !== undefined && { hostname }),
  lazyRequest,
  // What the peers have no limit for.
  maxConnections: Number.POSITIVE_INFINITY,
  maxRequestsPerConnection: Number.POSITIVE_INFINITY,
  fetch: await handlers[app](),
  // A load generator that stops leaves requests behind.
  onError(error) {
    if (!["connectionClosed", "aborted", "EPIPE", "ECONNRESET"].includes(error?.code)) console.error(error);
  },
});
process.on("SIGUSR2", () => globalThis.gc?.());
ready();
