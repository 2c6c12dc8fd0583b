import { createHTTPServer } from "@trpc/server/adapters/standalone";
import { router } from "./app.js";

const createContext = ({ req }) => ({ address: req.socket.remoteAddress });

createHTTPServer({ router, createContext }).listen(Number(process.env.PORT), process.env.HOST);
