import { lstatSync, statSync } from "node:fs";
import type { FastCgiHttpPreset } from "../../src/toolkit.ts";
import { SocketConnector, type SystemError } from "../shared/connect.ts";
import { checkSocketPath, REFUSES_WHEN_FULL } from "./socket_path.ts";

/**
 * Connectors for Unix sockets.
 *
 * @internal
 */
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

  /** Whether the system refuses a connection to a full socket with the same error as if no process listened. */
  protected get refusesWhenFull(): boolean {
    return REFUSES_WHEN_FULL;
  }

  protected override nameOf(path: string): string {
    return path;
  }

  /** A refusal may have another reason than that no process listens. */
  protected override meaningOf(code: string | undefined, path: string): string | undefined {
    // Linux refuses a connection to a file of another kind in the same way, and Bun one to a path that leads nowhere.
    const reason = code === "ECONNREFUSED" ? problemAt(path) : code;
    if (reason === "ENOENT" && isLink(path)) return "ENOENT behind a link";
    return reason ?? (this.refusesWhenFull ? "ECONNREFUSED or EAGAIN" : code);
  }
}

/** Why there is no socket at a path, as the operating system calls it; undefined if there is one. */
function problemAt(path: string): string | undefined {
  try {
    return statSync(path).isSocket() ? undefined : "ENOTSOCK";
  } catch (error) {
    return (error as SystemError).code;
  }
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false; // It was changed in the meantime.
  }
}
