// fetchcgi on Deno: all of the first door, and TCP and Unix sockets.

export * from "../../src/index.ts";
export * from "../system/index.ts";
export { FastCgiTcpConnector, FastCgiUnixConnector } from "./connect.ts";
export { serve } from "./serve.ts";
