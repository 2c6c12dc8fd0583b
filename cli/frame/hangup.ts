import { closeSync, openSync } from "node:fs";
import type { Output } from "./command.ts";

/**
 * Calls `reload` at SIGHUP, or `end` if the terminal was closed, which sends it too. Returns what stops that.
 *
 * @param output Where the command prints its log lines.
 */
export function onHangup({ isTerminal }: Output, reload: () => void, end: () => void): () => void {
  const isOnTerminal = isTerminal && hasTerminal();
  const onSignal = (): void => {
    if (isOnTerminal && !hasTerminal()) end();
    else reload();
  };
  process.on("SIGHUP", onSignal);
  return () => void process.off("SIGHUP", onSignal);
}

/** Whether the process has a terminal: when that is closed, SIGHUP comes too, and it is no wish for a reload. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch {
    return false;
  }
}
