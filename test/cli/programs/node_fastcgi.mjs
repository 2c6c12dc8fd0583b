// node-fastcgi from npm with a page that shows its variables and one that sends the body back, started again whenever it dies.
// node_fastcgi.mjs PORT
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { createServer } from "node-fastcgi";

const port = Number(process.argv[2]);

function answer(request, response) {
  response.setHeader("Content-Type", "text/plain");
  if (request.url.startsWith("/echo")) {
    request.pipe(response);
    return;
  }
  for (const [name, value] of Object.entries(request.socket.params)) response.write(`${name}=${value}\0`);
  response.end();
}

function startAgain() {
  const child = fork(fileURLToPath(import.meta.url), [String(port)], {
    env: { ...process.env, NODE_FASTCGI_CHILD: "1" },
    silent: true,
  });
  child.stderr.resume();
  process.once("SIGTERM", () => {
    child.removeAllListeners("exit");
    child.kill("SIGKILL");
    process.exit();
  });
  child.once("exit", () => {
    process.removeAllListeners("SIGTERM");
    startAgain();
  });
}

if (process.env.NODE_FASTCGI_CHILD === undefined) {
  startAgain();
} else {
  process.once("disconnect", () => process.exit());
  createServer(answer).listen(port, "127.0.0.1");
}
