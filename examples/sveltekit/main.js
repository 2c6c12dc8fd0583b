import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { serve } from "fetchcgi/node";
import { server } from "./build/server/server.js";

const path = process.env.SOCKET;
const read = (file) => Readable.toWeb(createReadStream(`build/client/${file}`));

await server.init({ env: process.env, read });
const application = await serve({
  path,
  fetch(request, context) {
    const getClientAddress = () => context.params.get("REMOTE_ADDR");
    return server.respond(request, { getClientAddress, platform: { fastCgi: context } });
  },
});

process.once("SIGTERM", async () => {
  await application.close();
  process.exit();
});
