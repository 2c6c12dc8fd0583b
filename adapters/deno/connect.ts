import type { FastCgiConnection, FastCgiHttpPreset } from "../../src/index.ts";
import { TcpConnector } from "../shared/connect.ts";
import type { TcpAddress, TcpTarget } from "../shared/target.ts";
import { UnixConnector } from "../system/unix_connector.ts";
import { deno } from "./runtime.ts";
import { DenoChannel } from "./socket.ts";
import { openTemporaryFile } from "./spool.ts";

/**
 * Opens TCP connections to an application. Needs `--allow-net`, and `--allow-read` and `--allow-write` for the folder of temporary
 * files where a request body of unknown length is too large for memory.
 */
export class FastCgiTcpConnector extends TcpConnector {
  /**
   * Connects to `target`; `preset` is what the application wants of every client.
   *
   * @throws {TypeError} If the target is not one.
   */
  constructor(target: TcpTarget | string, preset?: FastCgiHttpPreset) {
    super(target, { openSpool: openTemporaryFile, ...preset }, openTcp);
  }
}

/** Opens connections to an application on a Unix socket. Needs `--allow-read` and `--allow-write` for its path. */
export class FastCgiUnixConnector extends UnixConnector {
  /**
   * Connects to the socket at `path`; `preset` is what the application wants of every client.
   *
   * @throws {TypeError} If the path is not one that a socket can have.
   */
  constructor(path: string, preset?: FastCgiHttpPreset) {
    super(path, { openSpool: openTemporaryFile, ...preset }, openUnix);
  }
}

async function openTcp({ hostname, port }: TcpAddress, signal: AbortSignal): Promise<FastCgiConnection> {
  return new DenoChannel(await deno().connect({ hostname, port, signal }));
}

/** Connects to a Unix socket, which takes no time. */
export async function openUnix(path: string): Promise<FastCgiConnection> {
  return new DenoChannel(await deno().connect({ transport: "unix", path }), { path });
}
