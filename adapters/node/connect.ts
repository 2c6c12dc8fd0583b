import { statSync } from "node:fs";
import { connect, type NetConnectOpts } from "node:net";
import {
  type ConnectOptions,
  type FastCgiConnection,
  FastCgiError,
  type FastCgiHttpConnector,
  type FastCgiHttpPreset,
  type FastCgiScript,
} from "../../src/index.ts";
import { checkSocketPath, connectionOfSocket, tcpAddresses } from "./socket.ts";
import { openTemporaryFile } from "./spool.ts";

/** Where a TCP application listens. */
export interface TcpTarget {
  /**
   * Host name or address.
   *
   * @default {"127.0.0.1"}
   */
  hostname?: string;
  /** Port; php-fpm's usual one is 9000. */
  port: number;
}

/** Opens TCP connections to an application. */
export class FastCgiTcpConnector implements FastCgiHttpConnector {
  readonly preset: FastCgiHttpPreset;
  readonly #target: Required<TcpTarget>;

  /** @throws {TypeError} If the target is not one. */
  constructor(target: TcpTarget | string, preset?: FastCgiHttpPreset) {
    this.#target = parseTcpTarget(target);
    this.preset = { openSpool: openTemporaryFile, ...preset };
  }

  /** php-fpm on TCP, with one script for every request. `target` is `"127.0.0.1:9000"` or an object. */
  static phpFpm(target: TcpTarget | string, script: string | FastCgiScript): FastCgiTcpConnector {
    return new FastCgiTcpConnector(target, phpFpmPreset(script));
  }

  async connect(options: ConnectOptions): Promise<FastCgiConnection> {
    const { hostname, port } = this.#target;
    const name = hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
    return open({ host: hostname, port }, name, options);
  }
}

/** Opens connections to an application on a Unix socket. */
export class FastCgiUnixConnector implements FastCgiHttpConnector {
  readonly preset: FastCgiHttpPreset;
  readonly #path: string;

  constructor(path: string, preset?: FastCgiHttpPreset) {
    checkSocketPath(path, "connect to");
    this.#path = path;
    this.preset = { openSpool: openTemporaryFile, ...preset };
  }

  /** php-fpm on a Unix socket, with one script for every request. */
  static phpFpm(path: string, script: string | FastCgiScript): FastCgiUnixConnector {
    return new FastCgiUnixConnector(path, phpFpmPreset(script));
  }

  async connect(options: ConnectOptions): Promise<FastCgiConnection> {
    return open({ path: this.#path }, this.#path, options);
  }
}

function phpFpmPreset(script: string | FastCgiScript): FastCgiHttpPreset {
  return { script: typeof script === "string" ? { filename: script } : script };
}

function parseTcpTarget(target: TcpTarget | string): Required<TcpTarget> {
  const { hostname = "127.0.0.1", port } = typeof target === "string" ? splitTcpTarget(target) : target;
  if (hostname === "" || !Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new TypeError(
      `Cannot connect to ${JSON.stringify(target)}: expected "host:port", with a port from 1 to 65535`,
    );
  }
  return { hostname, port };
}

/** `9000`, `host:9000` or `[::1]:9000`. What is none of these has no port. */
function splitTcpTarget(target: string): TcpTarget {
  const match = /^(?:(?:([^:[\]]*)|\[([^[\]]*)\]):)?([0-9]+)$/.exec(target);
  const hostname = match?.[1] ?? match?.[2];
  return { port: Number(match?.[3]), ...(hostname !== undefined && { hostname }) };
}

/** What a failed connection usually means. */
const HINTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nobody listens there; is the application running?",
  ENOENT: "there is no such socket; is the application running?",
  EACCES: "the socket may not be used by this user; see listen.owner, listen.group and listen.mode of php-fpm",
  ENOTSOCK: "the file is not a socket",
};

function open(target: NetConnectOpts, name: string, { signal }: ConnectOptions): Promise<FastCgiConnection> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    // A half-closed connection stays open the other way: an application may answer behind our end of file.
    const socket = connect({ ...target, allowHalfOpen: true });
    const onAbort = (): void => {
      socket.destroy();
      reject(signal.reason);
    };
    const onError = (error: NodeJS.ErrnoException): void => {
      signal.removeEventListener("abort", onAbort);
      const isFile = error.code === "ECONNREFUSED" && "path" in target && isNoSocket(name);
      const hint = HINTS[isFile ? "ENOTSOCK" : (error.code ?? "")] ?? error.message;
      reject(new FastCgiError("connectFailed", `Cannot connect to ${name}: ${hint} (${error.code})`, { cause: error }));
    };
    signal.addEventListener("abort", onAbort, { once: true });
    socket.once("error", onError);
    socket.once("connect", () => {
      signal.removeEventListener("abort", onAbort);
      const addresses = "path" in target ? { remoteAddress: { path: name } } : tcpAddresses(socket);
      const connection = connectionOfSocket(socket, addresses);
      socket.removeListener("error", onError);
      resolve(connection);
    });
  });
}

/** Linux refuses a connection to a file of another kind as it does where nobody listens. */
function isNoSocket(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isSocket() === false;
}
