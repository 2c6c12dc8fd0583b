import { chmodSync, existsSync } from "node:fs";
import { dirname } from "node:path";
import type { ConnectionAddress, FastCgiConnection } from "../../src/index.ts";
import type { OpenSocket, SystemError } from "../shared/connect.ts";
import { formatTcpTarget } from "../shared/target.ts";
import { cannotListen } from "./listen_error.ts";
import { checkSocketPath, removeStale } from "./socket_file.ts";

/** Where to listen: exactly one of `path`, `port` and `fd`. */
export interface ListenTarget {
  /** Path of a Unix socket. A socket file that nobody answers on is replaced; it is removed on close. */
  path?: string;
  /**
   * Permissions of the socket file. The web server needs to write.
   *
   * @default {0o660} (owner and group)
   */
  mode?: number;
  /** TCP port; 0 takes a free one. */
  port?: number;
  /**
   * Host name or address of the TCP port. Whoever can connect can run requests with any variable, so other machines are let in only
   * on demand.
   *
   * @default {"127.0.0.1"}
   */
  hostname?: string;
  /** A listening socket that was inherited: 0 from spawn-fcgi, lighttpd and mod_fcgid (FastCGI 2.2). Deno can't take one. */
  fd?: number;
}

/** The one place that a {@linkcode ListenTarget} names. */
export type ListenPlace = ConnectionAddress | { readonly fd: number };

/** A socket that listens. */
export interface Listener {
  /** Where, if the runtime can tell. */
  readonly address: ConnectionAddress | undefined;
  /** Accepts no more from now on, and removes the socket file; resolves when that is done. Called again it does no more. */
  stop(): Promise<void>;
}

/** What a listener tells. */
export interface ListenerEvents {
  onConnection(connection: FastCgiConnection): void;
  onError(error: unknown): void;
}

/** A runtime's sockets. */
export interface ServerRuntime {
  /** Listens. Rejects with the runtime's error. */
  bind(place: ListenPlace, events: ListenerEvents): Promise<Listener>;
  /** Connects to a Unix socket, to see whether somebody listens there. */
  openUnix: OpenSocket<string>;
  /** A variable of the environment. */
  environment(name: string): string | undefined;
}

/**
 * @throws {TypeError} If the target is not exactly one place.
 * @throws {RangeError} If the port is none.
 */
export function checkTarget({ path, port, fd }: ListenTarget): void {
  const given = [path, port, fd].filter((place) => place !== undefined).length;
  if (given !== 1) throw new TypeError(`Cannot serve: expected one of path, port and fd, got ${given}`);
  if (path !== undefined) checkSocketPath(path, "listen on");
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
    throw new RangeError(`Cannot listen on port ${port}: expected an integer from 0 to 65535`);
  }
}

/** Listens. Rejects with what is wrong and what to do about it. */
export async function listen(runtime: ServerRuntime, target: ListenTarget, events: ListenerEvents): Promise<Listener> {
  const { path, mode = 0o660 } = target;
  if (path !== undefined) await removeStale(path, runtime.openUnix);
  const [place, name] = placeOf(target);
  let listener: Listener;
  try {
    listener = await runtime.bind(place, events);
  } catch (error) {
    // libuv says EACCES for a folder that is missing too.
    const isMissing = path !== undefined && !existsSync(dirname(path));
    throw cannotListen(name, error as SystemError, isMissing ? "ENOENT" : (error as SystemError).code);
  }
  if (path === undefined) return listener;
  try {
    chmodSync(path, mode);
  } catch (error) {
    await listener.stop();
    throw error;
  }
  return listener;
}

/** The place and its name in messages. */
function placeOf({ path, port, hostname = "127.0.0.1", fd }: ListenTarget): [place: ListenPlace, name: string] {
  if (fd !== undefined) return [{ fd }, `descriptor ${fd}`];
  if (path !== undefined) return [{ path }, path];
  return [{ hostname, port: port! }, formatTcpTarget({ hostname, port: port! })];
}
