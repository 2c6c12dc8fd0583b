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
import { checkSocketPath, REFUSES_WHEN_FULL } from "./socket_path.ts";

/** The connectors for Unix sockets are this, with the runtime's sockets. */
export abstract class UnixConnector implements FastCgiHttpConnector {
  /** What the client takes from here where its own options say nothing. */
  readonly preset: FastCgiHttpPreset;
  /** Prints what comes on FCGI_STDERR, for clients that have no `onStderr`. */
  readonly onStderr: (message: string, request: Request) => void = printApplicationStderr;
  readonly #path: string;
  readonly #open: OpenSocket<string>;
  readonly #refusesWhenFull: boolean;

  /**
   * @param refusesWhenFull See {@linkcode REFUSES_WHEN_FULL}.
   * @throws {TypeError} If the path is not one that a socket can have.
   */
  constructor(
    path: string,
    preset: FastCgiHttpPreset,
    open: OpenSocket<string>,
    refusesWhenFull: boolean = REFUSES_WHEN_FULL,
  ) {
    checkSocketPath(path, "connect to");
    this.#path = path;
    this.preset = preset;
    this.#open = open;
    this.#refusesWhenFull = refusesWhenFull;
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
    const open = (): Promise<FastCgiConnection> => this.#open(this.#path, signal);
    return connectTo(this.#path, open, signal, (error) => this.#codeOf(error));
  }

  /** What an error means: a refusal may have other reasons than that no process listens. */
  #codeOf({ code }: SystemError): string | undefined {
    if (code !== "ECONNREFUSED") return code;
    // Linux refuses a connection to a file of another kind in the same way.
    if (statSync(this.#path, { throwIfNoEntry: false })?.isSocket() === false) return "ENOTSOCK";
    return this.#refusesWhenFull ? "ECONNREFUSED or EAGAIN" : code;
  }
}
