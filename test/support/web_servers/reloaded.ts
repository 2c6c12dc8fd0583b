// An application to be restarted: serves on the path of the second argument, or on the socket that it was started with, until
// SIGTERM, and then closes with the grace of the first. Answers with its process id and the request's body, some of them after a while, so that requests run when it closes.

import { setTimeout as sleep } from "node:timers/promises";
import { serve } from "../../../adapters/node/index.ts";

const [, , grace, path] = process.argv;

const listener = await serve({
  ...(path !== undefined && { path, takeOver: true }),
  onError(error) {
    // HAProxy resets TCP connections that it has the answer of.
    if ((error as { code?: string }).code !== "ECONNRESET") console.error(error);
  },
  async fetch(request) {
    const body = await request.text();
    await sleep(Math.random() * 20);
    return new Response(`${process.pid} ${body}`);
  },
});
process.once("SIGTERM", () => void listener.close({ grace: Number(grace) }));
console.log("listening");
