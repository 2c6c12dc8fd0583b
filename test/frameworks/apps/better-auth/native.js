import { createServer } from "node:http";
import { toNodeHandler } from "better-auth/node";
import { auth } from "./app.js";

createServer(toNodeHandler(auth)).listen(Number(process.env.PORT), process.env.HOST);
