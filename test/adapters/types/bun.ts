// Compiled by adapters/bun/tsconfig.json, never run: Bun is what the adapter takes it for.

import type { BunListener, BunRuntime, BunSocket } from "../../../adapters/bun/runtime.ts";

export const runtime: BunRuntime = Bun;

declare const socket: Bun.Socket<string>;
declare const listener: Bun.TCPSocketListener<string> | Bun.UnixSocketListener<string>;
export const parts: [BunSocket<string>, BunListener] = [socket, listener];
