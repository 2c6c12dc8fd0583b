// The floor: what bare socket callbacks cost that decode the params to strings and answer fixed bytes. No streams, no
// objects of Fetch, no limits, no timeouts, no multiplexing. floor_server.mjs ADDRESS
import { Buffer } from "node:buffer";
import { createServer } from "node:net";
import process from "node:process";
import { alphabet, HELLO, LARGE } from "./answers.mjs";
import { DecodedRequests } from "./floor_codec.mjs";
import { ready, targetOf } from "./ready.mjs";

const END = [1, 6, 0, 1, 0, 0, 0, 0, 1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const HEADER = "Status: 200 OK\r\ncontent-type: text/plain\r\n\r\n";

function stdout(bytes) {
  const parts = [];
  for (let offset = 0; offset < bytes.length; offset += 65_528) {
    const content = bytes.subarray(offset, offset + 65_528);
    parts.push(Buffer.from([1, 6, 0, 1, content.length >> 8, content.length & 255, 0, 0]), content);
  }
  return Buffer.concat([...parts, Buffer.from(END)]);
}

const hello = stdout(Buffer.from(HEADER + HELLO));
const large = stdout(Buffer.concat([Buffer.from(HEADER), alphabet(LARGE)]));

function answer(params, stdinLength) {
  const path = params.get("REQUEST_URI");
  if (path === "/bytes") return large;
  return path === "/drain" ? stdout(Buffer.from(`${HEADER}${stdinLength}\n`)) : hello;
}

/** What a connection says to the bytes that came, for each runtime's own sockets. */
const listeners = {
  node: (target) =>
    createServer({ noDelay: true }, (socket) => {
      const requests = new DecodedRequests((params, stdinLength) => socket.write(answer(params, stdinLength)));
      socket.on("data", (chunk) => requests.push(chunk));
      socket.on("error", () => {});
    }).listen({ ...target, backlog: 4096 }, ready),

  bun({ path, host, port }) {
    Bun.listen({
      ...(path === undefined ? { hostname: host, port } : { unix: path }),
      socket: {
        open(socket) {
          socket.data = new DecodedRequests((params, stdinLength) => socket.write(answer(params, stdinLength)));
        },
        data: (socket, chunk) => socket.data.push(chunk),
        error() {},
      },
    });
    ready();
  },

  async deno({ path, host, port }) {
    const listener = Deno.listen(path === undefined ? { hostname: host, port } : { transport: "unix", path });
    ready();
    for await (const conn of listener) void readAll(conn).catch(() => {});
  },
};

async function readAll(conn) {
  const requests = new DecodedRequests((params, stdinLength) => {
    conn.write(answer(params, stdinLength)).catch(() => {});
  });
  // Nothing of what was read is kept, so one buffer will do.
  const bytes = Buffer.alloc(64 * 1024);
  for (let length = await conn.read(bytes); length !== null; length = await conn.read(bytes)) {
    requests.push(bytes.subarray(0, length));
  }
  conn.close();
}

const runtime = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";
process.on("SIGUSR2", () => globalThis.gc?.());
listeners[runtime](targetOf(process.argv[2]));
