// The floor: what bare socket callbacks cost that decode the params to strings and answer fixed bytes. No streams, no
// objects of Fetch, no limits, no timeouts, no multiplexing. floor_server.mjs ADDRESS
import { createServer } from "node:net";
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

createServer({ noDelay: true }, (socket) => {
  const requests = new DecodedRequests((params, stdinLength) => socket.write(answer(params, stdinLength)));
  socket.on("data", (chunk) => requests.push(chunk));
  socket.on("error", () => {});
}).listen({ ...targetOf(address()), backlog: 4096 }, ready);
process.on("SIGUSR2", () => globalThis.gc?.());

function address() {
  return process.argv[2];
}
