// The floor of a gateway: node:http in front of bare FastCGI sockets, without streams, limits or Fetch. It is for small answers.
// floor_gateway.mjs FOLDER BACKEND ADDRESS
import { createServer } from "node:http";
import { nginxParams } from "./answers.mjs";
import { FloorConnection } from "./floor_connection.mjs";
import { ready, targetOf } from "./ready.mjs";

const [, backend, address] = process.argv.slice(2);
const idle = [];

/** The variables of a request: what the web server knows, and the client's header. */
function paramsOf(request) {
  const params = {
    ...nginxParams(),
    REQUEST_METHOD: request.method,
    REQUEST_URI: request.url,
    DOCUMENT_URI: request.url,
    SCRIPT_NAME: request.url,
    REMOTE_ADDR: request.socket.remoteAddress,
  };
  for (const name in request.headers) params[`HTTP_${name.toUpperCase().replaceAll("-", "_")}`] = request.headers[name];
  return params;
}

function answer(request, response) {
  const connection = idle.pop() ?? new FloorConnection(backend);
  let output = Buffer.alloc(0);
  const read = (bytes) => {
    output = output.length === 0 ? Buffer.from(bytes) : Buffer.concat([output, bytes]);
  };
  connection.request(paramsOf(request), read, () => {
    idle.push(connection);
    const end = output.indexOf("\r\n\r\n");
    const header = output.latin1Slice(0, end).split("\r\n");
    response.writeHead(
      200,
      header.flatMap((line) => line.split(": ", 2)),
    );
    response.end(output.subarray(end + 4));
  });
}

createServer({ noDelay: true, keepAliveTimeout: 600_000 }, answer).listen(
  { ...targetOf(address), backlog: 4096 },
  ready,
);
