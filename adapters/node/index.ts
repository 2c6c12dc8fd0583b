// fetchcgi on Node.js: the whole core, and TCP and Unix sockets.

export * from "../../src/index.ts";
export { FastCgiTcpConnector, FastCgiUnixConnector, type TcpTarget } from "./connect.ts";
export type { ListenTarget } from "./listen.ts";
export { type FastCgiListener, type ServeOptions, serve } from "./serve.ts";
