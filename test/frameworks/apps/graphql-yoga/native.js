import { createServer } from "node:http";
import { appOf } from "./app.js";

const yoga = appOf(({ req }) => req.socket.remoteAddress);

createServer(yoga).listen(Number(process.env.PORT), process.env.HOST);
