// node-fastcgi from npm with a page that shows its variables and one that sends the body back. Prints its port, which is the one of
// its argument, or any. node_fastcgi.mjs [PORT]
import { createServer } from "node-fastcgi";

function answer(request, response) {
  response.setHeader("Content-Type", "text/plain");
  if (request.url.startsWith("/echo")) {
    request.pipe(response);
    return;
  }
  for (const [name, value] of Object.entries(request.socket.params)) response.write(`${name}=${value}\0`);
  response.end();
}

const server = createServer(answer);
server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => console.log(server.address().port));
