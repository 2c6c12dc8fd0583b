import { statSync } from "node:fs";
import type {
  ConnectOptions,
  FastCgiConnection,
  FastCgiHttpConnector,
  FastCgiHttpPreset,
  FastCgiScript,
  FastCgiScriptResolver,
} from "../../src/index.ts";
import { connectTo, type OpenSocket, phpFpmPreset, type SystemError } from "../shared/connect.ts";
import { printApplicationStderr } from "../shared/print.ts";
import { checkSocketPath } from "./socket_path.ts";

/** The connectors for Unix sockets are this, with the runtime's sockets. */
export abstract class UnixConnector implements FastCgiHttpConnector {
  /** What the client takes from here where its own options say nothing. */
  readonly preset: FastCgiHttpPreset;
  /** Prints what comes on FCGI_STDERR, for clients that have no `onStderr`. */
  readonly onStderr: (message: string, request: Request) => void = printApplicationStderr;
  readonly #path: string;
  readonly #open: OpenSocket<string>;

  /** @throws {TypeError} If the path is not one that a socket can have. */
  constructor(path: string, preset: FastCgiHttpPreset, open: OpenSocket<string>) {
    checkSocketPath(path, "connect to");
    this.#path = path;
    this.preset = preset;
    this.#open = open;
  }

  /**
   * php-fpm on a Unix socket. `script` is the path of the file that answers every request, or what the option of that name takes.
   * Leave it out where each request brings its own, as those of `phpSite` do.
   */
  static phpFpm<Self>(
    this: new (
      path: string,
      preset: FastCgiHttpPreset,
    ) => Self,
    path: string,
    script?: string | FastCgiScript | FastCgiScriptResolver,
  ): Self {
    return new this(path, phpFpmPreset(script));
  }

  /** Opens a connection; see {@linkcode FastCgiHttpConnector.connect}. */
  async connect({ signal }: ConnectOptions): Promise<FastCgiConnection> {
    const path = this.#path;
    return connectTo(
      path,
      () => this.#open(path, signal),
      signal,
      (error) => codeOfUnixError(error, path),
    );
  }
}

/** Linux refuses a connection to a file of another kind as it does where nobody listens. */
function codeOfUnixError(error: SystemError, path: string): string | undefined {
  const isFile = error.code === "ECONNREFUSED" && statSync(path, { throwIfNoEntry: false })?.isSocket() === false;
  return isFile ? "ENOTSOCK" : error.code;
}
