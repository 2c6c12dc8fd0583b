import { chmodSync, existsSync, lstatSync, type Stats, unlinkSync } from "node:fs";
import { connect, type ListenOptions, type Server } from "node:net";
import { dirname } from "node:path";
import { checkSocketPath } from "./socket.ts";

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
  /** A listening socket that was inherited: 0 from spawn-fcgi, lighttpd and mod_fcgid (FastCGI 2.2). */
  fd?: number;
}

/** @throws {TypeError} If the target is not exactly one place. */
export function checkTarget({ path, port, fd }: ListenTarget): void {
  const given = [path, port, fd].filter((place) => place !== undefined).length;
  if (given !== 1) throw new TypeError(`Cannot serve: expected one of path, port and fd, got ${given}`);
  if (path !== undefined) checkSocketPath(path, "listen on");
}

/** Listens. Rejects with what is wrong and what to do about it. */
export async function listen(server: Server, target: ListenTarget): Promise<void> {
  const { path, mode = 0o660, port, hostname = "127.0.0.1", fd } = target;
  if (fd !== undefined) return start(server, { fd } as ListenOptions, `descriptor ${fd}`);
  if (path === undefined) return start(server, { host: hostname, port: port! }, `${hostname}:${port}`);
  await removeStale(path);
  await start(server, { path }, path, () => chmodSync(path, mode));
}

const HINTS: Readonly<Record<string, string>> = {
  EADDRINUSE: "something else listens there",
  EACCES: "this user may not listen there",
  ENOENT: "its folder does not exist",
  EINVAL: "it is not a listening socket; start the program from spawn-fcgi or a web server, or give path or port",
  ENOTSOCK: "it is not a socket; start the program from spawn-fcgi or a web server, or give path or port",
};

function cannotListen(name: string, error: NodeJS.ErrnoException, code = error.code): Error {
  return new Error(`Cannot listen on ${name}: ${HINTS[code ?? ""] ?? error.message} (${code})`, { cause: error });
}

function start(server: Server, options: ListenOptions, name: string, then?: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      // libuv says EACCES for a folder that is missing too.
      const isMissing = options.path !== undefined && !existsSync(dirname(options.path));
      reject(cannotListen(name, error, isMissing ? "ENOENT" : error.code));
    };
    server.once("error", onError);
    server.listen(options, () => {
      server.removeListener("error", onError);
      try {
        then?.();
        resolve();
      } catch (error) {
        server.close();
        reject(error);
      }
    });
  });
}

/** Removes a socket file that a dead process left. A file that is not a socket, or that answers, stays. */
async function removeStale(path: string): Promise<void> {
  let stat: Stats | undefined;
  try {
    stat = lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw cannotListen(path, error as NodeJS.ErrnoException);
  }
  if (stat === undefined) return;
  if (!stat.isSocket()) throw new Error(`Cannot listen on ${path}: the file exists and is not a socket`);
  if (await answers(path)) throw new Error(`Cannot listen on ${path}: another process listens there (EADDRINUSE)`);
  unlinkSync(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED" || error.code === "ENOENT") resolve(false);
      // EAGAIN: its backlog is full, so somebody is there. Anything else is not ours to judge.
      else if (error.code === "EAGAIN") resolve(true);
      else reject(cannotListen(path, error));
    });
  });
}
