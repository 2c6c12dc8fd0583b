// Compiled by adapters/deno/tsconfig.json, never run: Deno is what the adapter takes it for.

import type { DenoConn, DenoListener, DenoRuntime } from "../../../adapters/deno/runtime.ts";

export const runtime: DenoRuntime = Deno;

declare const conn: Deno.TcpConn | Deno.UnixConn;
declare const listener: Deno.TcpListener | Deno.UnixListener;
export const parts: [DenoConn, DenoListener] = [conn, listener];
