import { readFileSync, writeFileSync } from "node:fs";

/** A figure that the kernel keeps of a process, in MiB. */
function mebibytes(pid: number, field: "VmHWM" | "VmRSS"): number {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)![1]) / 1024;
}

/** The most that a process ever had resident, in MiB: the kernel keeps count of it, so that no peak falls between two samples. */
export function peakResident(pid: number): number {
  return mebibytes(pid, "VmHWM");
}

/** The most memory of a process from now on. */
export class PeakMemory {
  readonly #pid: number;
  readonly #before: number;

  constructor(pid: number) {
    this.#pid = pid;
    this.#before = mebibytes(pid, "VmRSS");
    // The peak is counted anew: proc(5), clear_refs.
    writeFileSync(`/proc/${pid}/clear_refs`, "5");
  }

  /** MiB by which the process has grown at most. */
  get growth(): number {
    return Math.max(0, peakResident(this.#pid) - this.#before);
  }
}
