// What every example needs besides FastCGI: a port, a folder for sockets, and an end.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The port of the HTTP side: `PORT`, or 3000; 0 is any free port. For `serve` of srvx. */
export const LISTEN = Object.freeze({
  hostname: "127.0.0.1",
  port: Number(process.env.PORT || 3000),
  // The examples print their URL, and stop, by themselves.
  silent: true,
  gracefulShutdown: false,
});

/**
 * Makes a folder that only this user can enter, so that no other user can connect to the sockets in it. It is removed
 * at the end.
 */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "fetchcgi-example-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * At Ctrl+C or SIGTERM: runs the steps one after the other, and ends the program. A second Ctrl+C does not wait for
 * them.
 */
export function onStop(...steps: readonly (() => unknown)[]): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, async () => {
      for (const step of steps) await step();
      process.exit();
    });
  }
}
