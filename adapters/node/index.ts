// fetchcgi on Node.js: the whole core, and TCP and Unix sockets.

export * from "../../src/index.ts";
export type { TcpTarget } from "../shared/target.ts";
export { fileOnDisk } from "../system/file_on_disk.ts";
export type { FolderOnDiskOptions } from "../system/folder_on_disk.ts";
export type { ListenTarget } from "../system/listen.ts";
export { type ScriptOnDiskOptions, scriptOnDisk } from "../system/script_on_disk.ts";
export type { FastCgiListener, ServeOptions } from "../system/serve.ts";
export { FastCgiTcpConnector, FastCgiUnixConnector } from "./connect.ts";
export { serve } from "./serve.ts";
