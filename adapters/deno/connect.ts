import type { FastCgiConnection, FastCgiHttpPreset, FastCgiScript, FastCgiScriptResolver } from "../../src/index.ts";
import { phpFpmPreset, TcpConnector } from "../shared/connect.ts";
import type { TcpAddress, TcpTarget } from "../shared/target.ts";
import { UnixConnector } from "../system/unix_connector.ts";
import { deno } from "./runtime.ts";
import { connectionOfConn } from "./socket.ts";
import { openTemporaryFile } from "./spool.ts";

/**
 * Opens TCP connections to an application. Needs `--allow-net`, and `--allow-read` and `--allow-write` for the folder of temporary
 * files where a request body of unknown length is too large for memory.
 */
export class FastCgiTcpConnector extends TcpConnector {
  /** @throws {TypeError} If the target is not one. */
  constructor(target: TcpTarget | string, preset?: FastCgiHttpPreset) {
    super(target, { openSpool: openTemporaryFile, ...preset }, openTcp);
  }

  /**
   * php-fpm on TCP. `target` is `"127.0.0.1:9000"` or an object; `script` the file that answers every request, or a folder with
   * a script for each URL.
   */
  static phpFpm(
    target: TcpTarget | string,
    script: string | FastCgiScript | FastCgiScriptResolver,
  ): FastCgiTcpConnector {
    return new FastCgiTcpConnector(target, phpFpmPreset(script));
  }
}

/** Opens connections to an application on a Unix socket. Needs `--allow-read` and `--allow-write` for its path. */
export class FastCgiUnixConnector extends UnixConnector {
  /** @throws {TypeError} If the path is not one that a socket can have. */
  constructor(path: string, preset?: FastCgiHttpPreset) {
    super(path, { openSpool: openTemporaryFile, ...preset }, openUnix);
  }

  /** php-fpm on a Unix socket. `script` is the file that answers every request, or a folder with a script for each URL. */
  static phpFpm(path: string, script: string | FastCgiScript | FastCgiScriptResolver): FastCgiUnixConnector {
    return new FastCgiUnixConnector(path, phpFpmPreset(script));
  }
}

async function openTcp({ hostname, port }: TcpAddress, signal: AbortSignal): Promise<FastCgiConnection> {
  return connectionOfConn(await deno().connect({ hostname, port, signal }));
}

/** Connects to a Unix socket, which takes no time. */
export async function openUnix(path: string): Promise<FastCgiConnection> {
  return connectionOfConn(await deno().connect({ transport: "unix", path }), { path });
}
