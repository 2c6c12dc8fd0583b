import { readFileSync } from "node:fs";

/** How many of the kernel's ticks are a second: USER_HZ, the same on all architectures of Linux. */
const TICKS = 100;

/** The CPU time that a process has taken, in milliseconds. */
export function cpuTimeOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The name of the program, in brackets, may have anything in it: proc(5).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [user, system] = [fields[11], fields[12]];
  return ((Number(user) + Number(system)) / TICKS) * 1000;
}
