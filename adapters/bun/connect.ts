import type { FastCgiConnection, OpenSpool, TcpAddress } from "../../src/index.ts";
import { TcpConnector } from "../shared/connect.ts";
import { openTemporaryFile } from "../system/spool.ts";
import { UnixConnector } from "../system/unix_connector.ts";
import { bun } from "./runtime.ts";
import { type SocketData, socketHandlers } from "./socket.ts";

// Bun can't give an attempt up. After the signal has been aborted, the connector closes the connection as soon as it is there.

/** Opens TCP connections to an application. */
export class FastCgiTcpConnector extends TcpConnector {
  protected override open({ hostname, port }: TcpAddress): Promise<FastCgiConnection> {
    return new Promise((resolve, reject) => {
      const socket = socketHandlers(resolve);
      // Half-open: an application may answer behind our end of file.
      bun().connect<SocketData>({ hostname, port, allowHalfOpen: true, data: undefined, socket }).catch(reject);
    });
  }

  protected override get openSpool(): OpenSpool {
    return openTemporaryFile;
  }
}

/** Opens connections to an application on a Unix socket. */
export class FastCgiUnixConnector extends UnixConnector {
  protected override open(path: string): Promise<FastCgiConnection> {
    return openUnix(path);
  }

  protected override get openSpool(): OpenSpool {
    return openTemporaryFile;
  }

  protected override get refusesWhenFull(): boolean {
    return true;
  }
}

/** Connects to a Unix socket. */
export function openUnix(path: string): Promise<FastCgiConnection> {
  return new Promise((resolve, reject) => {
    const socket = socketHandlers(resolve, { path });
    bun().connect<SocketData>({ unix: path, allowHalfOpen: true, data: undefined, socket }).catch(reject);
  });
}
