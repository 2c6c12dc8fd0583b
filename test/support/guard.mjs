// Cleans up after a test process that could not: killed, crashed, or ended by a failed hook. Plain JavaScript, started by
// guard.ts once per test process. It learns on stdin which processes and folders are in use, one JSON line each:
// {"add": pid or path} and {"remove": pid or path}. stdin ends with the test process, however that ended.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

const inUse = new Set();
for await (const line of createInterface({ input: process.stdin })) {
  const { add, remove } = JSON.parse(line);
  if (add !== undefined) inUse.add(add);
  inUse.delete(remove);
}

const isProcess = (item) => typeof item === "number";
const signalAll = (signal) => {
  for (const pid of inUse) {
    try {
      if (isProcess(pid)) process.kill(pid, signal);
    } catch {
      inUse.delete(pid); // Gone.
    }
  }
};

// Servers stop their own workers when asked; a server that is killed leaves them.
signalAll("SIGTERM");
for (let i = 0; i < 50 && [...inUse].some(isProcess); i++) {
  await sleep(50);
  signalAll(0);
}
signalAll("SIGKILL");
/** Disks that a test has mounted in a folder. */
const mountsIn = (folder) => {
  if (!existsSync("/proc/self/mounts")) return [];
  const paths = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[1]);
  return paths.filter((path) => path?.startsWith(`${folder}/`));
};

for (const path of inUse) {
  if (isProcess(path)) continue;
  for (const mounted of mountsIn(path)) spawnSync("umount", ["-l", mounted]);
  rmSync(path, { recursive: true, force: true, maxRetries: 5 });
}
