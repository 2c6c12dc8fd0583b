import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

type Runtime = { gc?: () => void; Bun?: { gc(isForced: boolean): void } };

/** Collects all garbage. */
export function collectGarbage(): void {
  const { gc, Bun } = globalThis as Runtime;
  if (Bun !== undefined) {
    Bun.gc(true);
  } else if (gc !== undefined) {
    gc();
  } else {
    setFlagsFromString("--expose-gc");
    runInNewContext("gc()");
  }
}

/** Bytes that are still reachable: the heap and the buffers outside it, after a full collection. */
export function heldBytes(): number {
  collectGarbage();
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  // Bun's heap has the buffers in it.
  return "Bun" in globalThis ? heapUsed : heapUsed + arrayBuffers;
}
