// node:http, without FastCGI: what a user would put behind nginx's proxy_pass instead. node_http_server.mjs ADDRESS
import { createServer } from "node:http";
import { answerHttp } from "./http_handler.mjs";
import { ready, targetOf } from "./ready.mjs";

createServer({ noDelay: true, keepAliveTimeout: 600_000 }, answerHttp).listen(
  { ...targetOf(process.argv[2]), backlog: 4096 },
  ready,
);
