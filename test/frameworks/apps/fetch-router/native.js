import { createServer } from "node:http";
import { createRequestListener } from "@remix-run/node-fetch-server";
import app, { addresses } from "./app.js";

const listener = createRequestListener((request, { address }) => {
  addresses.set(request, address);
  return app.fetch(request);
});

createServer(listener).listen(Number(process.env.PORT), process.env.HOST);
