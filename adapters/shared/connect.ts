// What the connectors of all runtimes have in common. How a socket is opened is the runtime's business.

import {
  type ConnectOptions,
  connectOrAbort,
  type FastCgiConnection,
  FastCgiError,
  type FastCgiHttpConnector,
  type FastCgiHttpPreset,
  type FastCgiScript,
  type FastCgiScriptResolver,
} from "../../src/toolkit.ts";
import { printApplicationStderr } from "./print.ts";
import { formatTcpTarget, parseTcpTarget, type TcpAddress, type TcpTarget } from "./target.ts";

/**
 * Opens a socket. Gives up when `signal` is aborted, if the runtime can. Rejects with the runtime's error, which should have the
 * system's name of what is wrong in `code`.
 */
export type OpenSocket<Target> = (target: Target, signal: AbortSignal) => Promise<FastCgiConnection>;

/** An error of the system. */
export interface SystemError extends Error {
  readonly code?: string;
}

/** The connectors for TCP are this, with the runtime's sockets and files. */
export abstract class TcpConnector implements FastCgiHttpConnector {
  /** What the client takes from here where its own options say nothing. */
  readonly preset: FastCgiHttpPreset;
  /** Prints what comes on FCGI_STDERR, for clients that have no `onStderr`. */
  readonly onStderr: (message: string, request: Request) => void = printApplicationStderr;
  readonly #target: TcpAddress;
  readonly #open: OpenSocket<TcpAddress>;

  /** @throws {TypeError} If the target is not one. */
  constructor(target: TcpTarget | string, preset: FastCgiHttpPreset, open: OpenSocket<TcpAddress>) {
    this.#target = parseTcpTarget(target);
    this.preset = preset;
    this.#open = open;
  }

  /**
   * php-fpm on TCP. `target` is `"127.0.0.1:9000"` or an object; `script` the path of the file that answers every request, or what
   * the option of that name takes. Leave it out where each request brings its own, as those of `phpSite` do.
   */
  static phpFpm<Self>(
    this: new (
      target: TcpTarget | string,
      preset: FastCgiHttpPreset,
    ) => Self,
    target: TcpTarget | string,
    script?: string | FastCgiScript | FastCgiScriptResolver,
  ): Self {
    return new this(target, phpFpmPreset(script));
  }

  /** Opens a connection; see {@linkcode FastCgiHttpConnector.connect}. */
  async connect({ signal }: ConnectOptions): Promise<FastCgiConnection> {
    return connectTo(formatTcpTarget(this.#target), () => this.#open(this.#target, signal), signal);
  }
}

/** The preset of `phpFpm`. */
export function phpFpmPreset(script: string | FastCgiScript | FastCgiScriptResolver | undefined): FastCgiHttpPreset {
  if (script === undefined) return {};
  return { script: typeof script === "string" ? { filename: script } : script };
}

/** Opens a connection. Rejects with what is wrong and what to do about it, or with the reason of `signal`. */
export async function connectTo(
  name: string,
  open: () => Promise<FastCgiConnection>,
  signal: AbortSignal,
  codeOf: (error: SystemError) => string | undefined = (error) => error.code,
): Promise<FastCgiConnection> {
  signal.throwIfAborted();
  try {
    // Not every runtime can give an attempt up.
    return await connectOrAbort(open, signal);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw connectFailed(name, error as SystemError, codeOf(error as SystemError));
  }
}

/** What a failed connection usually means. */
const HINTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nobody listens there; is the application running?",
  "ECONNREFUSED or EAGAIN":
    "nobody listens there, or its backlog is full (listen.backlog of php-fpm); is the application running?",
  EAGAIN:
    "its backlog is full; the application is too busy, or its backlog too short (listen.backlog of php-fpm, net.core.somaxconn)",
  ENOENT: "there is no such socket; is the application running?",
  EACCES: "the socket may not be used by this user; see listen.owner, listen.group and listen.mode of php-fpm",
  ENOTSOCK: "the file is not a socket",
};

function connectFailed(name: string, error: SystemError, code: string | undefined): FastCgiError {
  const hint = HINTS[code ?? ""] ?? error.message;
  const suffix = error.code === undefined ? "" : ` (${error.code})`;
  return new FastCgiError("connectFailed", `Cannot connect to ${name}: ${hint}${suffix}`, { cause: error });
}
