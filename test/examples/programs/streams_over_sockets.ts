// The application of examples/streams on a socket, for node:net as Node, Bun and Deno have it. Asks it with the client of the example,
// prints what came and the port, and goes on serving.

import { connect, createServer } from "node:net";
import { answer } from "../../../examples/streams/answer.ts";
import { serveConnection } from "../../../examples/streams/application.ts";
import { streamsOf } from "../../../examples/streams/socket.ts";
import { askOver } from "./streams_in_memory.ts";

const server = createServer({ allowHalfOpen: true }, (socket) => {
  serveConnection(streamsOf(socket), answer).catch((error) => console.error(error));
});
server.listen(0, "127.0.0.1", async () => {
  const { port } = server.address() as { port: number };
  const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  const seen = await askOver(streamsOf(socket));
  console.log(JSON.stringify({ port, ...seen }));
});
