import { connect, type NetConnectOpts } from "node:net";
import type { ConnectionAddress, FastCgiConnection, OpenSpool, TcpAddress } from "../../src/toolkit.ts";
import { TcpConnector } from "../shared/connect.ts";
import { openTemporaryFile } from "../system/spool.ts";
import { UnixConnector } from "../system/unix_connector.ts";
import { NodeChannel } from "./socket.ts";

/** Opens TCP connections to an application. */
export class FastCgiTcpConnector extends TcpConnector {
  /** @internal */
  protected override open({ hostname, port }: TcpAddress, signal: AbortSignal): Promise<FastCgiConnection> {
    return open({ host: hostname, port }, signal);
  }

  /** @internal */
  protected override get openSpool(): OpenSpool {
    return openTemporaryFile;
  }
}

/** Opens connections to an application on a Unix socket. */
export class FastCgiUnixConnector extends UnixConnector {
  /** @internal */
  protected override open(path: string, signal: AbortSignal): Promise<FastCgiConnection> {
    return openUnix(path, signal);
  }

  /** @internal */
  protected override get openSpool(): OpenSpool {
    return openTemporaryFile;
  }
}

/** Connects to a Unix socket. */
export function openUnix(path: string, signal: AbortSignal): Promise<FastCgiConnection> {
  return open({ path }, signal, { path });
}

function open(target: NetConnectOpts, signal: AbortSignal, address?: ConnectionAddress): Promise<FastCgiConnection> {
  return new Promise((resolve, reject) => {
    // Half-open, because an application may answer after this side's end of file.
    const socket = connect({ ...target, allowHalfOpen: true });
    const onAbort = (): void => void socket.destroy(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    const onError = (error: Error): void => {
      signal.removeEventListener("abort", onAbort);
      reject(error);
    };
    socket.once("error", onError);
    socket.once("connect", () => {
      signal.removeEventListener("abort", onAbort);
      const channel = new NodeChannel(socket, address && { remoteAddress: address });
      socket.removeListener("error", onError);
      resolve(channel);
    });
  });
}
