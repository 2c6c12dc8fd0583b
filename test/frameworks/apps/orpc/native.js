import { createServer } from "node:http";
import { RPCHandler } from "@orpc/server/node";
import { router } from "./app.js";

const handler = new RPCHandler(router);

createServer(async (request, response) => {
  const context = { address: request.socket.remoteAddress };
  const { matched } = await handler.handle(request, response, { context });
  if (matched) return;
  response.writeHead(404, { "content-type": "text/plain;charset=UTF-8" }).end("not found");
}).listen(Number(process.env.PORT), process.env.HOST);
