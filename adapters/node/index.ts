// fetchcgi on Node.js: all of the first door, and TCP and Unix sockets.

export * from "../../src/index.ts";
export { toMiddleware } from "../http_middleware/middleware.ts";
export * from "../system/index.ts";
export type { ListenerServeOptions } from "../system/listener_options.ts";
export { FastCgiTcpConnector, FastCgiUnixConnector } from "./connect.ts";
export { serve } from "./serve.ts";
