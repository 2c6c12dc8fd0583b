import { checkInteger, outOfRange, unexpected } from "../../src/base/unexpected.ts";
import type { ConnectionAddress, FastCgiConnection } from "../../src/toolkit.ts";
import { formatTcpTarget } from "../shared/target.ts";
import { untilQuiet } from "./backlog.ts";
import { checkDescriptor, inheritedDescriptor } from "./inherited.ts";
import { cannotListen } from "./listen_error.ts";
import type { LockSockets, UnixSockets } from "./path_lock.ts";
import { bindSharedSocketFile } from "./shared_socket_file.ts";
import { bindSocketFile } from "./socket_file.ts";
import { checkSocketPath } from "./socket_path.ts";

/**
 * Milliseconds for which connections that wait in the backlog are still accepted after `close()`. There is a limit because clients can go on
 * connecting to a port.
 */
const MAX_BACKLOG_TIME = 1000;

/** The most connections that wait in a backlog, unless `backlog` and the system allow more: Linux's `net.core.somaxconn`. */
const MAX_BACKLOG = 4096;

/**
 * Where to listen: one of `path`, `port` and `fd`. Without any, it is the socket that the process was started with: the
 * one of systemd (`LISTEN_FDS`), else descriptor 0.
 */
export interface ListenTarget {
  /**
   * Path of a Unix socket. A socket file that no process listens on is replaced; if several processes start at the same
   * moment, one of them gets the path. The file is removed on close. The workers of `node:cluster` share the path: the
   * last one removes the file.
   *
   * This user must be able to make files in the folder, and also in `/tmp` if the path has more than some 95 bytes.
   */
  path?: string | undefined;
  /**
   * Whether to take the path even from a process that listens there, for a restart without a gap: all later connections
   * come here, and the other process answers its own when it is told to close.
   *
   * @default {false}
   */
  takeOver?: boolean | undefined;
  /**
   * Permissions of the socket file. The web server needs to write.
   *
   * @default {0o660} (owner and group)
   */
  mode?: number | undefined;
  /** TCP port; 0 takes a free one. */
  port?: number | undefined;
  /**
   * Host name or address of the TCP port. A program that can connect can send requests with any variable, so other machines are let in
   * only on demand.
   *
   * @default {"127.0.0.1"}
   */
  hostname?: string | undefined;
  /**
   * The most connections that wait to be accepted, of a port or a path. Beyond, clients of a port connect late, and those of a Unix socket
   * are refused (EAGAIN). The system may allow fewer: on Linux `net.core.somaxconn`. Where the runtime can't set it (Bun, and Unix sockets on
   * Deno) it has no effect.
   *
   * @default {the runtime's: 511 on Node, as nginx and php-fpm; 512 on Bun; on Deno 511 for a port, 1024 for a path}
   */
  backlog?: number | undefined;
  /**
   * A listening socket that the process inherited: 0 from spawn-fcgi, multiwatch, lighttpd and mod_fcgid (FastCGI 2.2),
   * 3 and up from systemd. Deno can't take one over.
   */
  fd?: number | undefined;
}

/** Defaults of {@linkcode ListenTarget}. */
export const LISTEN_DEFAULTS: { readonly hostname: string; readonly mode: number; readonly takeOver: boolean } =
  Object.freeze({
    hostname: "127.0.0.1",
    mode: 0o660,
    takeOver: false,
  });

/** One place to listen at. */
export type ListenPlace =
  | { readonly hostname: string; readonly port: number; readonly backlog?: number | undefined }
  /** With `isShared`, the other processes of the {@linkcode ServerRuntime.group} listen there too. */
  | { readonly path: string; readonly isShared?: boolean; readonly backlog?: number | undefined }
  | { readonly fd: number };

/** A runtime's socket that listens. */
export interface ListeningSocket {
  /** Where it listens, if the runtime can tell. Not needed for a path. */
  readonly address: ConnectionAddress | undefined;
  /** Accepts no more connections. Those in the backlog are lost. */
  close(): Promise<void>;
}

/** A {@linkcode ListeningSocket}, with its file and its backlog. */
export interface Listener {
  readonly address: ConnectionAddress | undefined;
  /**
   * Removes the socket file, accepts the connections that were made before, and then no more. Resolves when that is done. A second call
   * waits for the same end.
   */
  stop(): Promise<void>;
}

/** What a listener tells the server. */
export interface ListenerEvents {
  onConnection(connection: FastCgiConnection): void;
  onError(error: unknown): void;
}

/** A runtime's sockets. */
export interface ServerRuntime extends UnixSockets {
  /** Listens. Rejects with the runtime's error. */
  bind(place: ListenPlace, events: ListenerEvents): Promise<ListeningSocket>;
  /** A variable of the environment. */
  environment(name: string): string | undefined;
  /**
   * A name that only the processes have that share their listening sockets with this one, such as workers of
   * node:cluster. Undefined for a process that listens alone.
   */
  group?(): string | undefined;
  /**
   * The process id, which shows whether an inherited socket is for this process. Missing if the runtime can't listen on
   * a descriptor.
   */
  pid?(): number;
}

/**
 * @throws {TypeError} If the target is more than one place, or none if there is none to inherit, or an option is of
 * another type.
 * @throws {RangeError} If the port, the descriptor or the mode is invalid.
 */
export function checkTarget(target: ListenTarget, { pid }: ServerRuntime): void {
  const { path, port, fd, hostname, backlog } = target;
  const { mode = LISTEN_DEFAULTS.mode } = target;
  for (const name of ["hostname", "mode", "takeOver"] as const) {
    const [expected, value] = [typeof LISTEN_DEFAULTS[name], target[name]];
    if (value !== undefined && typeof value !== expected) {
      throw unexpected(`Cannot use ${name}: expected a ${expected}`, value);
    }
  }
  if (hostname === "") throw unexpected("Cannot use hostname: expected a host name or an address", hostname);
  if (!(Number.isInteger(mode) && mode >= 0 && mode <= 0o777)) {
    throw outOfRange("Cannot use mode: expected an integer from 0 to 0o777", mode);
  }
  const given = [path, port, fd].filter((place) => place !== undefined).length;
  const isInherited = given === 0 && hostname === undefined && pid !== undefined;
  if (given !== 1 && !isInherited) throw new TypeError(`Cannot serve: expected one of path, port and fd, got ${given}`);
  if (path !== undefined) checkSocketPath(path, "listen on");
  if (port !== undefined) checkInteger(port, "Cannot listen", "port", 0, 65_535);
  // It is an int of C, and 0 has another meaning on each system.
  if (backlog !== undefined) checkInteger(backlog, "Cannot listen", "backlog", 1, 0x7fff_ffff);
  // The largest number of a descriptor that any system knows.
  if (fd !== undefined) checkInteger(fd, "Cannot listen", "fd", 0, 0x7fff_ffff);
}

/** Listens. Rejects with an error that says what is wrong and what to do about it. */
export async function listen(runtime: ServerRuntime, target: ListenTarget, events: ListenerEvents): Promise<Listener> {
  let accepted = 0;
  const onConnection = (connection: FastCgiConnection): void => {
    accepted++;
    events.onConnection(connection);
  };
  const bind = (place: ListenPlace): Promise<ListeningSocket> => runtime.bind(place, { ...events, onConnection });
  if (target.path !== undefined)
    return listenOnPath(runtime, target.path, target, { bind, events, accepted: () => accepted });
  const { place, name } = placeOf(runtime, target);
  if ("fd" in place && runtime.pid !== undefined) checkDescriptor(place.fd);
  const socket = await bind(place).catch((error) => {
    throw cannotListen(name, error);
  });
  return listenerOn(socket.address, async () => {
    await untilQuiet(() => accepted, { time: MAX_BACKLOG_TIME });
    await socket.close();
  });
}

interface PathEvents {
  readonly bind: (place: ListenPlace) => Promise<ListeningSocket>;
  readonly events: ListenerEvents;
  readonly accepted: () => number;
}

async function listenOnPath(
  runtime: ServerRuntime,
  path: string,
  { mode = LISTEN_DEFAULTS.mode, takeOver = LISTEN_DEFAULTS.takeOver, backlog }: ListenTarget,
  { bind, events, accepted }: PathEvents,
): Promise<Listener> {
  const options = { mode, takeOver };
  const sockets: LockSockets = {
    openUnix: runtime.openUnix,
    refusesWhenFull: runtime.refusesWhenFull,
    async bindUnix(lock, onWaiting) {
      const socket = await runtime.bind({ path: lock }, { onConnection: onWaiting, onError: () => {} });
      return () => socket.close();
    },
  };
  const group = runtime.group?.();
  const binding =
    group === undefined
      ? bindSocketFile(path, options, sockets, (first) => bind({ path: first, backlog }))
      : bindSharedSocketFile(path, options, group, sockets, (first) => bind({ path: first, isShared: true, backlog }));
  const { socket, remove } = await binding.catch((error) => {
    throw cannotListen(path, error);
  });
  const removeFile = (): Promise<boolean> =>
    remove().catch((error) => {
      events.onError(new Error(`Cannot remove ${path}: ${error.message}`, { cause: error }));
      return false;
    });
  return listenerOn({ path }, async () => {
    if (group !== undefined) {
      await untilQuiet(accepted, { time: MAX_BACKLOG_TIME });
      await socket.close();
      await removeFile();
      return;
    }
    // When the last name is gone, no client can connect any more, so the backlog empties. The socket may have another name (a hard link, or
    // its file was moved), so that clients go on connecting: then as many are accepted as can have waited.
    const isGone = await removeFile();
    await untilQuiet(accepted, isGone ? {} : { connections: Math.max(MAX_BACKLOG, backlog ?? 0) });
    await socket.close();
  });
}

/** Runs `stop` once. */
function listenerOn(address: ConnectionAddress | undefined, stop: () => Promise<void>): Listener {
  let stopped: Promise<void> | undefined;
  return {
    address,
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
}

/** The place and its name in messages. */
function placeOf(runtime: ServerRuntime, target: ListenTarget): { place: ListenPlace; name: string } {
  const { port, hostname = LISTEN_DEFAULTS.hostname, backlog } = target;
  if (port !== undefined) return { place: { hostname, port, backlog }, name: formatTcpTarget({ hostname, port }) };
  const fd = target.fd ?? inheritedDescriptor(runtime.environment, runtime.pid?.());
  return { place: { fd }, name: `descriptor ${fd}` };
}
