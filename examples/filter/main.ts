// A FastCGI Filter: the web server sends a file along with the request, and the application turns it into the response (FastCGI 6.4).

import { open } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { FastCgiError, FastCgiHttpClient, FastCgiUnixConnector, serve } from "fetchcgi/node";
import { serve as serveHttp } from "srvx";
import { LISTEN, onStop, temporaryFolder } from "../shared/program.ts";
import { Capitals } from "./capitals.ts";

const path = join(temporaryFolder(), "filter.sock");

// The Filter: headlines in capitals, and a line on top. The file streams through, however long it is.
const filter = await serve({
  path,
  fetch(request, { data, params }) {
    const lastModified = new Date(Number(params.get("FCGI_DATA_LAST_MOD")) * 1000);
    const headers = { "content-type": "text/plain; charset=utf-8", "last-modified": lastModified.toUTCString() };
    // The client has this version already: answer 304, without reading the file.
    const since = Date.parse(request.headers.get("if-modified-since") ?? "");
    if (since >= lastModified.getTime()) return new Response(null, { status: 304, headers });
    const banner = `*** ${params.get("FCGI_DATA_LENGTH")} bytes, filtered ***\n\n`;
    return new Response(data.pipeThrough(new Capitals(banner)), { headers });
  },
});

// The web server: it knows the file and leaves the rest to the Filter.
const client = new FastCgiHttpClient(new FastCgiUnixConnector(path), { keepAlive: true });
const front = await serveHttp({
  ...LISTEN,
  async fetch(request) {
    if (new URL(request.url).pathname !== "/notes.md") return new Response("Try /notes.md\n", { status: 404 });
    try {
      const file = await open(new URL("notes.md", import.meta.url));
      const { size: length, mtime: lastModified } = await file.stat();
      const source = Readable.toWeb(file.createReadStream()) as ReadableStream<Uint8Array>;
      return await client.fetch(request, { data: { source, length, lastModified }, remoteAddress: request.ip });
    } catch (error) {
      // A client that has left is no error.
      if (!request.signal.aborted) console.error(error);
      return new Response("Cannot answer\n", { status: error instanceof FastCgiError ? error.gatewayStatus : 500 });
    }
  },
}).ready();

console.log(`filter: ${front.url}notes.md  (Ctrl+C stops it)`);
onStop(
  () => front.close(true),
  () => client.close({ timeout: 2000 }),
  () => filter.close({ timeout: 2000 }),
);
