// Both sides of FastCGI, made of streams: an application on a Unix socket, and a client in front of it.

import { connect, createServer } from "node:net";
import { join } from "node:path";
import { cgiToResponse, requestToParams } from "fetchcgi/toolkit";
import { serve as serveHttp } from "srvx";
import { LISTEN, onStop, temporaryFolder } from "../shared/program.ts";
import { answer } from "./answer.ts";
import { serveConnection } from "./application.ts";
import { StreamsClient } from "./client.ts";
import { streamsOf } from "./socket.ts";

const path = join(temporaryFolder(), "streams.sock");
const application = createServer({ allowHalfOpen: true }, (socket) => {
  serveConnection(streamsOf(socket), answer).catch((error) => console.error(error));
}).listen(path);

/** One connection for each request, as is best with php-fpm. */
const front = await serveHttp({
  ...LISTEN,
  async fetch(request) {
    const client = new StreamsClient(streamsOf(connect({ path, allowHalfOpen: true })));
    const params = requestToParams(request);
    const { stdout } = await client.ask({ params, stdin: request.body, keepConn: false });
    const { response } = await cgiToResponse(stdout, request);
    return response;
  },
}).ready();

console.log(`streams: ${front.url}  (Ctrl+C stops it)`);
onStop(
  () => front.close(true),
  () => application.close(),
);
