// Our contender: an ordinary handler. fetchcgi_server.mjs FOLDER RESPONSE ADDRESS, where FOLDER holds the built library and RESPONSE
// is what answers: Response, or the library's FastResponse.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { alphabet, CHUNK, CHUNKS, HELLO, LARGE, STREAM_CHUNK } from "./answers.mjs";
import { ready, targetOf } from "./ready.mjs";

const [folder, response, address] = process.argv.slice(2);
const runtime = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";
const { serve, FastResponse } = await import(pathToFileURL(join(folder, `${runtime}.js`)).href);
const Answer = response === "FastResponse" ? FastResponse : Response;

const large = alphabet(LARGE);
const small = alphabet(CHUNK * CHUNKS);

/** A stream that gives a piece each time it is asked. */
function pieces(bytes, size) {
  let offset = 0;
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(bytes.subarray(offset, offset + size));
      offset += size;
      if (offset >= bytes.length) controller.close();
    },
  });
}

const plain = { headers: { "content-type": "text/plain" } };

async function answer(request) {
  const { pathname } = new URL(request.url);
  switch (pathname) {
    case "/bytes":
      return new Answer(large, plain);
    case "/stream":
      return new Response(pieces(large, STREAM_CHUNK), plain);
    case "/chunks":
      return new Response(pieces(small, CHUNK), plain);
    case "/echo":
      return new Response(request.body, plain);
    case "/drain": {
      let length = 0;
      for await (const chunk of request.body) length += chunk.length;
      return new Response(`${length}\n`, plain);
    }
    default:
      return new Response("Not found\n", { status: 404 });
  }
}

const { host: hostname, ...target } = targetOf(address);
await serve({
  ...target,
  ...(hostname !== undefined && { hostname }),
  // What the peers have no limit for.
  maxConnections: Number.POSITIVE_INFINITY,
  maxRequestsPerConnection: Number.POSITIVE_INFINITY,
  fetch(request) {
    // The same for all peers: the cheapest question first.
    if (request.url.endsWith("/")) return new Answer(HELLO, plain);
    return answer(request);
  },
  // A load generator that stops leaves requests behind.
  onError(error) {
    if (!["connectionClosed", "aborted", "EPIPE", "ECONNRESET"].includes(error?.code)) console.error(error);
  },
});
process.on("SIGUSR2", () => globalThis.gc?.());
ready();
