import type { FastCgiConnection, OpenSpool, TcpAddress } from "../../src/toolkit.ts";
import { TcpConnector } from "../shared/connect.ts";
import { UnixConnector } from "../system/unix_connector.ts";
import { withCode } from "./errors.ts";
import { deno } from "./runtime.ts";
import { DenoChannel } from "./socket.ts";
import { openTemporaryFile } from "./spool.ts";

/**
 * Opens TCP connections to an application. Needs `--allow-net`, and `--allow-read` and `--allow-write` for the folder of temporary
 * files where a request body of unknown length is too large for memory.
 */
export class FastCgiTcpConnector extends TcpConnector {
  /** @internal */
  protected override async open({ hostname, port }: TcpAddress, signal: AbortSignal): Promise<FastCgiConnection> {
    try {
      return new DenoChannel(await deno().connect({ hostname, port, signal }));
    } catch (error) {
      throw withCode(error);
    }
  }

  /** @internal */
  protected override get openSpool(): OpenSpool {
    return openTemporaryFile;
  }
}

/** Opens connections to an application on a Unix socket. Needs `--allow-read` and `--allow-write` for its path. */
export class FastCgiUnixConnector extends UnixConnector {
  /** @internal */
  protected override open(path: string): Promise<FastCgiConnection> {
    return openUnix(path);
  }

  /** @internal */
  protected override get openSpool(): OpenSpool {
    return openTemporaryFile;
  }
}

/** Connects to a Unix socket. This is immediate, so it can't be cancelled. */
export async function openUnix(path: string): Promise<FastCgiConnection> {
  try {
    return new DenoChannel(await deno().connect({ transport: "unix", path }), { path });
  } catch (error) {
    throw withCode(error);
  }
}
