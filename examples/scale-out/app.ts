// The application that every process runs: `fetchcgi serve app.ts`, as systemd/app@.service, compose.yaml and kubernetes/app.yaml say.

import { existsSync } from "node:fs";

/** While this file is there, no balancer gives this host new requests. */
const DRAIN = process.env.DRAIN_FILE ?? "/run/app/drain";

export default {
  async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/health") {
      // Asked every second. What the application can't work without, such as its database, is checked here too.
      return existsSync(DRAIN) ? new Response("draining\n", { status: 404 }) : new Response("ok\n");
    }
    const body = await request.text();
    return new Response(`Hello from process ${process.pid}\n${body}`);
  },
};
