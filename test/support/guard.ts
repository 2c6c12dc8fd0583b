import { type ChildProcess, spawn } from "node:child_process";
import type { Socket } from "node:net";
import type { Writable } from "node:stream";
import { fileURLToPath } from "node:url";

let guard: ChildProcess | undefined;

/**
 * Has a process or a folder removed if this test process ends before `unguard`, even by SIGKILL: no handler of our own
 * would run then, and vitest ends its workers in ways that run none either.
 */
export function guardAgainstLoss(item: number | string): void {
  guard ??= startGuard();
  guard.stdin?.write(`${JSON.stringify({ add: item })}\n`);
}

export function unguard(item: number | string): void {
  guard?.stdin?.write(`${JSON.stringify({ remove: item })}\n`);
}

function startGuard(): ChildProcess {
  // A vitest worker does not notice when vitest itself is killed.
  process.once("disconnect", () => process.exit(1));
  const child = spawn(process.execPath, [fileURLToPath(new URL("guard.mjs", import.meta.url))], {
    detached: true, // Ctrl+C is meant for us, not for the one that cleans up after us.
    stdio: ["pipe", "ignore", "inherit"],
  });
  child.unref();
  const stdin = child.stdin as Writable & Partial<Socket>;
  // A program that kills the guard has to clean up instead.
  stdin.on("error", () => {});
  // No process waits for the guard. On Bun the pipe is no socket, and keeps no process.
  stdin.unref?.();
  return child;
}
