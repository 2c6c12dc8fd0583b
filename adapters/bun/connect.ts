import type { FastCgiConnection, FastCgiHttpPreset } from "../../src/index.ts";
import { TcpConnector } from "../shared/connect.ts";
import type { TcpAddress, TcpTarget } from "../shared/target.ts";
import { openTemporaryFile } from "../system/spool.ts";
import { UnixConnector } from "../system/unix_connector.ts";
import { bun } from "./runtime.ts";
import { type SocketData, socketHandlers } from "./socket.ts";

/** Opens TCP connections to an application. */
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

/** Opens connections to an application on a Unix socket. */
export class FastCgiUnixConnector extends UnixConnector {
  /**
   * Connects to the socket at `path`; `preset` is what the application wants of every client.
   *
   * @throws {TypeError} If the path is not one that a socket can have.
   */
  constructor(path: string, preset?: FastCgiHttpPreset) {
    super(path, { openSpool: openTemporaryFile, ...preset }, openUnix, true);
  }
}

// Bun can't give an attempt up. When the signal is aborted nobody waits for it any more, and the connection is closed as soon as
// it is there.

function openTcp({ hostname, port }: TcpAddress): Promise<FastCgiConnection> {
  return new Promise((resolve, reject) => {
    const socket = socketHandlers(resolve);
    // Half-open: an application may answer behind our end of file.
    bun().connect<SocketData>({ hostname, port, allowHalfOpen: true, data: undefined, socket }).catch(reject);
  });
}

/** Connects to a Unix socket. */
export function openUnix(path: string): Promise<FastCgiConnection> {
  return new Promise((resolve, reject) => {
    const socket = socketHandlers(resolve, { path });
    bun().connect<SocketData>({ unix: path, allowHalfOpen: true, data: undefined, socket }).catch(reject);
  });
}
