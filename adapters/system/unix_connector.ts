import { statSync } from "node:fs";
import type { FastCgiHttpPreset } from "../../src/toolkit.ts";
import { SocketConnector } from "../shared/connect.ts";
import { checkSocketPath, REFUSES_WHEN_FULL } from "./socket_path.ts";

/** Connectors for Unix sockets. */
export abstract class UnixConnector extends SocketConnector<string> {
  /**
   * Connects to the socket at `path`. `preset` has options for every client of the application.
   *
   * @throws {TypeError} If a socket can't have this path.
   */
  constructor(path: string, preset?: FastCgiHttpPreset) {
    checkSocketPath(path, "connect to");
    super(path, preset);
  }

  /** See {@linkcode REFUSES_WHEN_FULL}. */
  protected get refusesWhenFull(): boolean {
    return REFUSES_WHEN_FULL;
  }

  protected override nameOf(path: string): string {
    return path;
  }

  /** A refusal may have another reason than that no process listens. */
  protected override meaningOf(code: string | undefined, path: string): string | undefined {
    if (code !== "ECONNREFUSED") return code;
    // Linux refuses a connection to a file of another kind in the same way.
    if (statSync(path, { throwIfNoEntry: false })?.isSocket() === false) return "ENOTSOCK";
    return this.refusesWhenFull ? "ECONNREFUSED or EAGAIN" : code;
  }
}
