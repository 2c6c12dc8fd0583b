import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** The processes that a process started itself and that still run. */
export function childrenOf(pid: number): number[] {
  return parents().flatMap(([child, parent]) => (parent === pid ? [child] : []));
}

/**
 * Whether there is such a process. In a container, no process may ask how an orphan ended: one that has ended does not count, where that can
 * be seen.
 */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/\) Z [^)]*$/.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return true; // There is no /proc.
  }
}

/** Kills a process and everything below it: the top first, so that a supervisor starts no new worker meanwhile. */
export function killTree(pid: number): void {
  const children = childrenOf(pid);
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Already gone.
  }
  for (const child of children) killTree(child);
}

/** Pairs of process and parent. From /proc where there is one: small container images have no `ps`. */
function parents(): [pid: number, parent: number][] {
  const names = procNames();
  if (names.length === 0) {
    const lines = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" }).trim().split("\n");
    return lines.map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
  }
  return names.flatMap((name) => {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      // "pid (program name, any bytes) state parent ...". A zombie runs no more.
      const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return state === "Z" ? [] : [[Number(name), Number(parent)] as [number, number]];
    } catch {
      return []; // Ended while we looked.
    }
  });
}

function procNames(): string[] {
  try {
    return readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}
