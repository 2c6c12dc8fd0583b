// A FastCGI application for a process manager: without an address, `serve` takes the socket that it was started with.

import { serve } from "fetchcgi/node";

const server = await serve({ fetch: () => new Response(`Hello from process ${process.pid}\n`) });

// Answers the running requests. Then the process ends, because nothing is left to do.
process.once("SIGTERM", () => void server.close({ timeout: 20_000 }));
