// node-fastcgi from npm. node_fastcgi_server.mjs ADDRESS
import { createRequire } from "node:module";
import { answerHttp } from "./http_handler.mjs";
import { ready, targetOf } from "./ready.mjs";

const require = createRequire(import.meta.url);
// It looks for KEEP_CONN where its record library says KEEPCONN, and so never keeps a connection. Without this line there
// would be nothing to compare.
require("fastcgi-stream").records.BeginRequest.flags.KEEP_CONN = 1;
const { createServer } = require("node-fastcgi");

const { path, host, port } = targetOf(process.argv[2]);
const server = createServer(answerHttp);
if (path === undefined) server.listen(port, host, ready);
else server.listen(path, ready);
process.on("SIGUSR2", () => globalThis.gc?.());
