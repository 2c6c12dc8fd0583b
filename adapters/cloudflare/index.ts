// fetchcgi in a Cloudflare Worker: all of the first door, and the client half over TCP sockets. Workers accept no FastCGI connections.

export * from "../../src/index.ts";
export type { TcpTarget } from "../shared/target.ts";
export { FastCgiTcpConnector, type WorkerBinding, type WorkerSocket, type WorkerSocketOptions } from "./connect.ts";
