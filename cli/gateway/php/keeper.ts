// What is left of the gateway if it is killed: PHP, and its folder. The keeper is a shell that reads a pipe from the gateway. When the
// gateway has died, by whatever signal, the system closes the pipe, and the shell ends the processes that it was told of last.

import { spawn } from "node:child_process";

/** Each line names all process groups that run; the last one counts. */
const SCRIPT = `
groups=
while read -r line; do groups=$line; done
for group in $groups; do kill -s TERM -- "-$group"; done 2>/dev/null
tries=0
while [ $tries -lt 50 ]; do
  left=
  for group in $groups; do kill -s 0 -- "-$group" && left=1; done 2>/dev/null
  [ -z "$left" ] && break
  tries=$((tries + 1))
  sleep 0.1
done
for group in $groups; do kill -s KILL -- "-$group"; done 2>/dev/null
rm -rf -- "$1"
`;

/** Ends process groups, and removes a folder, when this process has ended. */
export class Keeper {
  readonly #groups = new Set<number>();
  readonly #shell: ReturnType<typeof spawn>;

  constructor(folder: string) {
    // In a group of its own, so that Ctrl+C does not end it.
    this.#shell = spawn("sh", ["-c", SCRIPT, "sh", folder], { stdio: ["pipe", "ignore", "ignore"], detached: true });
    this.#shell.on("error", () => {});
    this.#shell.stdin!.on("error", () => {});
    this.#shell.unref();
  }

  add(group: number): void {
    this.#groups.add(group);
    this.#tell();
  }

  delete(group: number): void {
    this.#groups.delete(group);
    this.#tell();
  }

  /** Resolves when the folder is gone, and with it the shell. */
  async close(): Promise<void> {
    const { exitCode, signalCode, stdin } = this.#shell;
    if (exitCode !== null || signalCode !== null) return;
    // Nothing else may keep this process.
    this.#shell.ref();
    await new Promise<void>((resolve) => {
      this.#shell.once("close", () => resolve());
      stdin!.end();
    });
  }

  #tell(): void {
    this.#shell.stdin!.write(`${[...this.#groups].join(" ")}\n`);
  }
}
