// Decides when bytes are copied. A copy costs time for each byte; without a copy, a write has one piece more, or a
// buffer stays in memory.

/**
 * Content of this size or more is cheaper to write by itself than to copy, because a socket takes several pieces at
 * once.
 */
export const MIN_UNCOPIED_LENGTH: number = 16 * 1024;

/**
 * The longest first piece of a body that is copied after its header block. Both are one record then, and the whole
 * response often one write, so longer pieces than {@linkcode MIN_UNCOPIED_LENGTH} are worth copying.
 */
export const MAX_COPIED_BODY_LENGTH: number = 32 * 1024;

/**
 * A piece that waits to be read is copied if it is smaller than this fraction of its buffer, because it would keep the
 * whole buffer in memory.
 */
const PINNED_RATIO = 4;

/** Whether keeping a piece keeps much more in memory than its bytes. */
export function isPinning(piece: Uint8Array): boolean {
  return piece.buffer.byteLength > piece.length * PINNED_RATIO;
}
