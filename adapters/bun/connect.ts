import type { FastCgiConnection, OpenSpool, TcpAddress } from "../../src/toolkit.ts";
import { TcpConnector } from "../shared/connect.ts";
import { shortageNow } from "../system/descriptors.ts";
import { openTemporaryFile } from "../system/spool.ts";
import { UnixConnector } from "../system/unix_connector.ts";
import { bun } from "./runtime.ts";
import { type SocketData, socketHandlers } from "./socket.ts";

// Bun can't cancel an attempt to connect. If the signal aborts, the connector closes the connection when it opens.

/** Opens TCP connections to an application. */
export class FastCgiTcpConnector extends TcpConnector {
  /** @internal */
  protected override open({ hostname, port }: TcpAddress): Promise<FastCgiConnection> {
    return new Promise((resolve, reject) => {
      const socket = socketHandlers(resolve);
      // Half-open, because an application may answer after this side's end of file.
      bun()
        .connect<SocketData>({ hostname, port, allowHalfOpen: true, data: undefined, socket })
        .catch((error) => reject(causeOf(error)));
    });
  }

  /** @internal */
  protected override get openSpool(): OpenSpool {
    return openTemporaryFile;
  }
}

/** Opens connections to an application on a Unix socket. */
export class FastCgiUnixConnector extends UnixConnector {
  /** @internal */
  protected override open(path: string): Promise<FastCgiConnection> {
    return openUnix(path);
  }

  /** @internal */
  protected override get openSpool(): OpenSpool {
    return openTemporaryFile;
  }

  /** @internal */
  protected override get refusesWhenFull(): boolean {
    return true;
  }
}

/** Connects to a Unix socket. */
export function openUnix(path: string): Promise<FastCgiConnection> {
  return new Promise((resolve, reject) => {
    const socket = socketHandlers(resolve, { path });
    bun()
      .connect<SocketData>({ unix: path, allowHalfOpen: true, data: undefined, socket })
      .catch((error) => reject(causeOf(error)));
  });
}

/** Bun says ECONNREFUSED also where it could open no socket. */
function causeOf(error: unknown): unknown {
  return shortageNow() ?? error;
}
