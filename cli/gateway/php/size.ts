import { availableParallelism, totalmem } from "node:os";

/** Scripts wait for databases and disks: more of them than cores can run at once. */
const WORKERS_PER_CORE = 4;

/** The memory that a worker may take: `memory_limit` of PHP is 128M by default. */
const BYTES_PER_WORKER = 128 * 1024 * 1024;

/** A script may request a page of its own site, as WordPress does. */
const FEWEST = 2;

/** How many workers of PHP fit a machine, which keeps half of its memory for the database and all else. */
export function workersFor(
  cores: number = availableParallelism(),
  memory: number = Math.min(totalmem(), process.constrainedMemory?.() || Number.POSITIVE_INFINITY),
): number {
  return Math.max(FEWEST, Math.min(cores * WORKERS_PER_CORE, Math.floor(memory / 2 / BYTES_PER_WORKER)));
}
