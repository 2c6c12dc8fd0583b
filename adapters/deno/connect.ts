import type { FastCgiConnection, OpenSpool, TcpAddress } from "../../src/toolkit.ts";
import { TcpConnector } from "../shared/connect.ts";
import { UnixConnector } from "../system/unix_connector.ts";
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
    return new DenoChannel(await deno().connect({ hostname, port, signal }));
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

/** How Deno ends the message of EPROTOTYPE, which it gives no code: its number on Linux, and on macOS and BSD. */
const WRONG_KIND = /\(os error (?:91|41)\)$/;

/** Connects to a Unix socket. This is immediate, so it can't be cancelled. */
export async function openUnix(path: string): Promise<FastCgiConnection> {
  try {
    return new DenoChannel(await deno().connect({ transport: "unix", path }), { path });
  } catch (error) {
    if (error instanceof Error && WRONG_KIND.test(error.message)) Object.assign(error, { code: "EPROTOTYPE" });
    throw error;
  }
}
