// Connectors to sockets, for all runtimes. A runtime adds how it opens a socket.

import { checkSignal, objectOf, optionsOf } from "../../src/base/unexpected.ts";
import {
  type ConnectOptions,
  connectOrAbort,
  type FastCgiConnection,
  FastCgiError,
  type FastCgiHttpConnector,
  type FastCgiHttpPreset,
  type FastCgiScript,
  type FastCgiScriptResolver,
  type OpenSpool,
  streamedResponse,
  type TcpAddress,
} from "../../src/toolkit.ts";
import { printApplicationStderr } from "./print.ts";
import { formatTcpTarget, parseTcpTarget, type TcpTarget } from "./target.ts";

/** An error of the system. */
export interface SystemError extends Error {
  readonly code?: string;
}

/** The common part of the connectors for all kinds of sockets. */
export abstract class SocketConnector<Target> implements FastCgiHttpConnector {
  /** Options for the client, used where its own are not set. */
  readonly preset: FastCgiHttpPreset;
  /** Prints text on FCGI_STDERR, for clients that have no `onStderr`. */
  readonly onStderr: (message: string, request: Request) => void = printApplicationStderr;
  readonly #target: Target;

  /** `preset` is what the application wants of every client. */
  constructor(target: Target, preset: FastCgiHttpPreset = {}) {
    const { openSpool } = this;
    this.preset = { streamedResponse, ...(openSpool && { openSpool }), ...optionsOf(preset, "preset") };
    this.#target = target;
  }

  /**
   * php-fpm at `target`, as the constructor accepts it. `script` is the path of the file that answers every request, or
   * a value of the client's option `script`. Leave it out if each request has its own, as those of `phpSite` do.
   */
  static phpFpm<Self, Target extends TcpTarget | string>(
    this: new (
      target: Target,
      preset: FastCgiHttpPreset,
    ) => Self,
    target: Target,
    script?: string | FastCgiScript | FastCgiScriptResolver,
  ): Self {
    return new this(target, phpFpmPreset(script));
  }

  /** Opens a connection; see {@linkcode FastCgiHttpConnector.connect}. */
  async connect(options: ConnectOptions): Promise<FastCgiConnection> {
    const { signal } = objectOf(options, "Cannot connect", "options to be an object with a signal");
    checkSignal(signal, "Cannot connect", false);
    signal.throwIfAborted();
    try {
      // Not every runtime can cancel an attempt.
      return await connectOrAbort((given) => this.open(this.#target, given), signal);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const { code } = error as SystemError;
      throw connectFailed(this.nameOf(this.#target), error as SystemError, this.meaningOf(code, this.#target));
    }
  }

  /**
   * Opens a socket. Gives up when `signal` aborts, if the runtime can. Rejects with the runtime's error, whose `code`
   * should be the operating system's name of the error.
   */
  protected abstract open(target: Target, signal: AbortSignal): Promise<FastCgiConnection>;

  /** Opens a file for a request body that is too large for memory. Undefined if the runtime has no disk. */
  protected get openSpool(): OpenSpool | undefined {
    return undefined;
  }

  /** The target in messages. */
  protected abstract nameOf(target: Target): string;

  /** The key of `HINTS` for an error with the operating system's name `code`. */
  protected meaningOf(code: string | undefined, _: Target): string | undefined {
    return code;
  }
}

/**
 * Connectors for TCP.
 *
 * @internal
 */
export abstract class TcpConnector extends SocketConnector<TcpAddress> {
  /**
   * Connects to `target`. `preset` has options for every client of the application.
   *
   * @throws {TypeError} If the target has no valid port.
   */
  constructor(target: TcpTarget | string, preset?: FastCgiHttpPreset) {
    super(parseTcpTarget(target), preset);
  }

  protected override nameOf(target: TcpAddress): string {
    return formatTcpTarget(target);
  }
}

/** The preset of `phpFpm`. */
export function phpFpmPreset(script: string | FastCgiScript | FastCgiScriptResolver | undefined): FastCgiHttpPreset {
  if (script === undefined) return {};
  if (typeof script !== "string" && typeof script !== "function")
    objectOf(script, "Cannot use script", "a path, an object with a filename or a function");
  return { script: typeof script === "string" ? { filename: script } : script };
}

/** What a failed connection usually means. */
const HINTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there; is the application running?",
  "ECONNREFUSED or EAGAIN":
    "nothing listens there, or the backlog of the socket is full (listen.backlog of php-fpm); is the application running?",
  EAGAIN:
    "the backlog of the socket is full; the application is too busy, or the backlog too short (listen.backlog of php-fpm, net.core.somaxconn)",
  ENOENT: "there is no such socket; is the application running?",
  "ENOENT behind a link": "it is a symbolic link, and where it leads there is no socket; is the application running?",
  ENOTDIR: "what should be its folder is a file",
  ELOOP: "its symbolic links lead in a circle",
  EACCES: "the socket may not be used by this user; see listen.owner, listen.group and listen.mode of php-fpm",
  ENOTSOCK: "the file is not a socket",
  EPROTOTYPE: "it is a socket of another kind: expected one for streams",
  ENOTFOUND: "there is no host of this name; is it spelt right, and its container or machine running?",
  EAI_AGAIN: "the name could not be looked up; is the resolver reachable (/etc/resolv.conf)?",
  EMFILE: "too many files are open; raise the limit of files (ulimit -n), or lower maxConnections",
  ENFILE: "too many files are open on this system; raise its limit (sysctl fs.file-max)",
};

function connectFailed(name: string, error: SystemError, code: string | undefined): FastCgiError {
  const hint = HINTS[code ?? ""] ?? error.message;
  const suffix = error.code === undefined ? "" : ` (${error.code})`;
  return new FastCgiError("connectFailed", `Cannot connect to ${name}: ${hint}${suffix}`, { cause: error });
}
