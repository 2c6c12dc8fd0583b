import { existsSync } from "node:fs";
import { dirname } from "node:path";
import type { ConnectionAddress, FastCgiConnection } from "../../src/index.ts";
import type { OpenSocket, SystemError } from "../shared/connect.ts";
import { formatTcpTarget } from "../shared/target.ts";
import { untilQuiet } from "./backlog.ts";
import { inheritedDescriptor } from "./inherited.ts";
import { cannotListen } from "./listen_error.ts";
import { checkSocketPath, SocketFile } from "./socket_file.ts";

/** How long a backlog is emptied that goes on filling, as nobody can be kept from connecting to a port: milliseconds. */
const MAX_BACKLOG_TIME = 1000;

/**
 * Where to listen: one of `path`, `port` and `fd`. Without any it is the socket that the process was started with: of systemd
 * (`LISTEN_FDS`), else descriptor 0.
 */
export interface ListenTarget {
  /** Path of a Unix socket. A socket file that nobody answers on is replaced; it is removed on close. */
  path?: string;
  /**
   * Whether to take the path also from a process that listens there, for a restart without a gap: from then on all connections come
   * here, and the other process answers what it has when it is told to close.
   *
   * @default {false}
   */
  takeOver?: boolean;
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
  /**
   * A listening socket that was inherited: 0 from spawn-fcgi, multiwatch, lighttpd and mod_fcgid (FastCGI 2.2), 3 and up from systemd.
   * Deno can't take one.
   */
  fd?: number;
}

/** The one place that a {@linkcode ListenTarget} names. */
export type ListenPlace = ConnectionAddress | { readonly fd: number };

/** A runtime's socket that listens. */
export interface ListeningSocket {
  /** Where, if the runtime can tell. */
  readonly address: ConnectionAddress | undefined;
  /** Accepts no more from now on. What waits in the backlog is lost. */
  close(): Promise<void>;
}

/** A {@linkcode ListeningSocket}, with its file and its backlog. */
export interface Listener {
  readonly address: ConnectionAddress | undefined;
  /**
   * Removes the socket file, accepts who has connected before, and then no more; resolves when that is done. Called again it does no
   * more.
   */
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
  bind(place: ListenPlace, events: ListenerEvents): Promise<ListeningSocket>;
  /** Connects to a Unix socket, to see whether somebody listens there. */
  openUnix: OpenSocket<string>;
  /** A variable of the environment. */
  environment(name: string): string | undefined;
  /** The process id, to tell whose an inherited socket is. Missing where a descriptor can't be listened on. */
  pid?(): number;
}

/**
 * @throws {TypeError} If the target is more than one place, or none where there is none to inherit.
 * @throws {RangeError} If the port is none.
 */
export function checkTarget({ path, port, fd, hostname }: ListenTarget, { pid }: ServerRuntime): void {
  const given = [path, port, fd].filter((place) => place !== undefined).length;
  const isInherited = given === 0 && hostname === undefined && pid !== undefined;
  if (given !== 1 && !isInherited) throw new TypeError(`Cannot serve: expected one of path, port and fd, got ${given}`);
  if (path !== undefined) checkSocketPath(path, "listen on");
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
    throw new RangeError(`Cannot listen on port ${port}: expected an integer from 0 to 65535`);
  }
}

/** Listens. Rejects with what is wrong and what to do about it. */
export async function listen(runtime: ServerRuntime, target: ListenTarget, events: ListenerEvents): Promise<Listener> {
  let accepted = 0;
  const onConnection = (connection: FastCgiConnection): void => {
    accepted++;
    events.onConnection(connection);
  };
  const bind = (place: ListenPlace, name: string): Promise<ListeningSocket> =>
    bindTo(runtime, place, { ...events, onConnection }, name);
  if (target.path === undefined) {
    const socket = await bind(...placeOf(runtime, target));
    return listenerOn(socket, () => untilQuiet(() => accepted, MAX_BACKLOG_TIME));
  }
  const { path, mode = 0o660, takeOver = false } = target;
  const file = new SocketFile(path);
  await file.checkPath(runtime.openUnix, takeOver);
  const socket = await bind({ path: file.firstName }, path);
  try {
    file.publish(mode, takeOver);
  } catch (error) {
    await socket.close();
    throw cannotListen(path, error as SystemError);
  } finally {
    file.removeFirstName();
  }
  return listenerOn({ ...socket, address: { path } }, async () => {
    file.remove();
    // Nobody finds the socket any more: this comes to an end by itself.
    await untilQuiet(() => accepted, Number.POSITIVE_INFINITY);
  });
}

function listenerOn(socket: ListeningSocket, drain: () => Promise<void>): Listener {
  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    await drain();
    await socket.close();
  };
  return {
    address: socket.address,
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
}

async function bindTo(
  runtime: ServerRuntime,
  place: ListenPlace,
  events: ListenerEvents,
  name: string,
): Promise<ListeningSocket> {
  try {
    return await runtime.bind(place, events);
  } catch (error) {
    // libuv says EACCES for a folder that is missing too.
    const isMissing = "path" in place && !existsSync(dirname(place.path));
    throw cannotListen(name, error as SystemError, isMissing ? "ENOENT" : (error as SystemError).code);
  }
}

/** The place and its name in messages. */
function placeOf(runtime: ServerRuntime, target: ListenTarget): [place: ListenPlace, name: string] {
  const { port, hostname = "127.0.0.1" } = target;
  if (port !== undefined) return [{ hostname, port }, formatTcpTarget({ hostname, port })];
  const fd = target.fd ?? inheritedDescriptor(runtime.environment, runtime.pid?.());
  return [{ fd }, `descriptor ${fd}`];
}
