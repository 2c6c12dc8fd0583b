// The exports that the entries of Node, Bun and Deno have in common.

export type { TcpTarget } from "../shared/target.ts";
export { fileOnDisk } from "./file_on_disk.ts";
export type { FolderOnDiskOptions } from "./folder_on_disk.ts";
export type { ListenTarget } from "./listen.ts";
export { type ScriptOnDiskOptions, scriptOnDisk } from "./script_on_disk.ts";
export type { FastCgiListener, ServeOptions } from "./serve.ts";
