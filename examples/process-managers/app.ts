// A FastCGI application for a process manager: without an address, `serve` takes the socket that it was started with.

import { serve } from "fetchcgi/node";

const server = await serve({ fetch: () => new Response(`Hello from process ${process.pid}\n`) });

// Answers what was sent, and then there is nothing left to run for.
process.once("SIGTERM", () => void server.close({ timeout: 20_000 }));
