// fetchcgi in a Cloudflare Worker: the whole core, and the client half over TCP sockets. Workers accept no FastCGI connections.

export * from "../../src/index.ts";
export type { TcpTarget } from "../shared/target.ts";
export { FastCgiTcpConnector, type WorkerBinding, type WorkerSocket, type WorkerSocketOptions } from "./connect.ts";
