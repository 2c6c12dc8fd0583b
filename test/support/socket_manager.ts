// What systemd does for a service with a socket (sd_listen_fds(3)), where there is no systemd: holds the listening socket, gives it
// to the application as descriptor 3, and stops the application before it starts it again. Connections meanwhile wait.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { renameSync } from "node:fs";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import type { Stream } from "node:stream";
import { guardAgainstLoss, unguard } from "./guard.ts";

const SCRIPT = `
start() {
  sh -c 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"' sh "$@" &
  pid=$!
}
start "$@"
while read -r command; do
  kill -TERM $pid
  wait $pid
  echo "ended with $?"
  if [ "$command" = restart ]; then start "$@"; fi
done
`;

export interface SocketManager {
  /** Resolves when the application has ended by itself, and the next one has begun to listen. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Listens on a path or port and starts the application, which is to print a line `listening`. */
export async function startSocketManager(
  where: string | number,
  application: readonly string[],
): Promise<SocketManager> {
  const socket = createServer();
  // Node removes the file by its first name when it closes its own descriptor.
  const firstName = `${where}.new`;
  await once(typeof where === "string" ? socket.listen(firstName) : socket.listen(where, "127.0.0.1"), "listening");
  if (typeof where === "string") renameSync(firstName, where);
  const { _handle: handle } = socket as unknown as { _handle: Stream };
  const manager = spawn("sh", ["-c", SCRIPT, "sh", ...application], { stdio: ["pipe", "pipe", "inherit", handle] });
  socket.close();
  guardAgainstLoss(manager.pid!);
  const lines = createInterface({ input: manager.stdout! })[Symbol.asyncIterator]();
  const expectLine = async (expected: string): Promise<void> => {
    const { value } = await lines.next();
    if (value !== expected) throw new Error(`Cannot manage the application: expected "${expected}", got "${value}"`);
  };
  const command = async (name: string): Promise<void> => {
    manager.stdin!.write(`${name}\n`);
    await expectLine("ended with 0");
  };
  await expectLine("listening");
  return {
    async restart() {
      await command("restart");
      await expectLine("listening");
    },
    async stop() {
      const exited = once(manager, "exit");
      await command("stop");
      manager.stdin!.end();
      await exited;
      unguard(manager.pid!);
    },
  };
}
