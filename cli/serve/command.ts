import type { Command } from "../frame/command.ts";
import { serveOptions } from "./options.ts";

export const serveCommand: Command = {
  name: "serve",
  summary: "runs a module with a fetch handler as a FastCGI application",
  about: [
    "The module's default export is a handler (request) => Response, an object with such a fetch, or an application of a framework that has one, such as Hono. TypeScript is run by the runtime itself: Node 22.18 or later, Bun, Deno.",
    "SIGTERM and Ctrl+C let running requests finish; a second one ends at once. With --workers or --watch, SIGHUP replaces the workers one after the other, and no request is lost; otherwise it ends as SIGTERM does.",
  ],
  operands: [{ name: "MODULE", about: "the file, such as app.ts" }],
  options: serveOptions,
  exitCodes: [
    [0, "it was asked to end, and has"],
    [1, "the module could not be loaded, or it could not listen"],
    [2, "the arguments are wrong"],
  ],
  examples: [
    ["fetchcgi serve app.ts --listen unix:/run/app.sock --workers 4", "an application on four cores"],
    ["fetchcgi serve app.ts --listen tcp:127.0.0.1:9000 --watch", "for development"],
    ["fetchcgi serve app.ts --listen unix:/run/app.sock --print nginx", "what to write into nginx's configuration"],
  ],
  load: () => import("./run.ts"),
};
