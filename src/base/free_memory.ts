/** Buffers below this size are left to the garbage collector: freeing one by itself takes a microsecond. */
const MIN_BYTES = 8 * 1024;

/**
 * Frees the memory of `piece` now, where the runtime can (not Node.js 20). Afterwards each view of the buffer is
 * empty, so there must be no other view that is still needed.
 *
 * V8 counts the bytes of all buffers, dead or alive, and collects garbage after some 25 MiB of them, which takes more time
 * than all else that is done for a large body.
 */
export function freeMemory({ buffer }: Uint8Array): void {
  if (buffer.byteLength < MIN_BYTES) return;
  (buffer as { transfer?(newLength: number): unknown }).transfer?.(0);
}
