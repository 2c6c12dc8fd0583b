// What the connectors of all runtimes have in common. How a socket is opened is the runtime's business.

import {
  type ConnectOptions,
  type FastCgiConnection,
  FastCgiError,
  type FastCgiHttpConnector,
  type FastCgiHttpPreset,
  type FastCgiScript,
  type FastCgiScriptResolver,
} from "../../src/index.ts";
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
  readonly #target: TcpAddress;
  readonly #open: OpenSocket<TcpAddress>;

  /** @throws {TypeError} If the target is not one. */
  constructor(target: TcpTarget | string, preset: FastCgiHttpPreset, open: OpenSocket<TcpAddress>) {
    this.#target = parseTcpTarget(target);
    this.preset = preset;
    this.#open = open;
  }

  /** Opens a connection; see {@linkcode FastCgiHttpConnector.connect}. */
  async connect({ signal }: ConnectOptions): Promise<FastCgiConnection> {
    return connectTo(formatTcpTarget(this.#target), () => this.#open(this.#target, signal), signal);
  }
}

/** The preset of `phpFpm`. */
export function phpFpmPreset(script: string | FastCgiScript | FastCgiScriptResolver): FastCgiHttpPreset {
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
    return await unlessAborted(open(), signal);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw connectFailed(name, error as SystemError, codeOf(error as SystemError));
  }
}

/** What a failed connection usually means. */
const HINTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nobody listens there; is the application running?",
  ENOENT: "there is no such socket; is the application running?",
  EACCES: "the socket may not be used by this user; see listen.owner, listen.group and listen.mode of php-fpm",
  ENOTSOCK: "the file is not a socket",
};

function connectFailed(name: string, error: SystemError, code: string | undefined): FastCgiError {
  const hint = HINTS[code ?? ""] ?? error.message;
  const suffix = error.code === undefined ? "" : ` (${error.code})`;
  return new FastCgiError("connectFailed", `Cannot connect to ${name}: ${hint}${suffix}`, { cause: error });
}

/** Not every runtime can give an attempt up: a connection that nobody waits for any more is closed when it is there. */
function unlessAborted(opening: Promise<FastCgiConnection>, signal: AbortSignal): Promise<FastCgiConnection> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    const over = (): void => signal.removeEventListener("abort", onAbort);
    opening.then(
      (connection) => {
        over();
        if (signal.aborted) void closeQuietly(connection);
        else resolve(connection);
      },
      (error) => {
        over();
        reject(error);
      },
    );
  });
}

async function closeQuietly(connection: FastCgiConnection): Promise<void> {
  try {
    await connection.close();
  } catch {
    // Gone already.
  }
}
