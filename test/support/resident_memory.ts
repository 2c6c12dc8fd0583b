import { readFileSync } from "node:fs";

/** The most that a process ever had resident, in MiB: the kernel keeps count of it, so that no peak falls between two samples. */
export function peakResident(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)![1]) / 1024;
}
