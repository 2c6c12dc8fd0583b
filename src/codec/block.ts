// Memory for encoded bytes. Making a small buffer takes as long as filling it, so small pieces are parts of a larger
// buffer, the block, which all connections share. A piece is never used again: a used-up block is dropped, and stays in
// memory as long as its pieces.

import { NO_CONTENT } from "../protocol/record.ts";

/** The size of a block: some twenty small requests or responses. */
const BLOCK_LENGTH = 16 * 1024;

/** A piece longer than this has a buffer of its own, so that a block is never left with more than a quarter of it unused. */
export const MAX_BLOCK_SHARE: number = BLOCK_LENGTH / 4;

let block: Uint8Array = NO_CONTENT;
/** The offset of the next piece. From there on the block is all zeros. */
let used = 0;

/** `length` zeros that nothing else uses. They may be part of a larger buffer: it must not be transferred. */
export function allocate(length: number): Uint8Array {
  // Not `>`: a value that is not a number must not be added to `used`.
  // Stryker disable next-line EqualityOperator: a piece of just this length is as good with a buffer of its own
  if (!(length <= MAX_BLOCK_SHARE)) return new Uint8Array(length);
  // Stryker disable next-line ConditionalExpression,EqualityOperator: a block that is begun too early only takes memory
  if (used + length > block.length) startBlock();
  used += length;
  return block.subarray(used - length, used);
}

/**
 * As {@linkcode allocate}, for bytes whose number is known only when they are written.
 *
 * @param write Writes the bytes to `target` from `start` on. Returns the offset after them, or null if they don't fit.
 * @returns The bytes; null if they don't fit an empty block.
 */
export function allocateFor(write: (target: Uint8Array, start: number) => number | null): Uint8Array | null {
  const bytes = tryWrite(write);
  // Stryker disable next-line ConditionalExpression: the second attempt writes the same bytes
  if (bytes !== null) return bytes;
  startBlock();
  return tryWrite(write);
}

function tryWrite(write: (target: Uint8Array, start: number) => number | null): Uint8Array | null {
  const target = block;
  const start = used;
  // The block counts as used up meanwhile, because `write` may run code of the program that encodes something itself.
  // It stays so if `write` throws or finds no room, because zeros were overwritten then.
  used = target.length;
  const end = write(target, start);
  if (end === null) return null;
  if (block === target) used = end;
  return target.subarray(start, end);
}

function startBlock(): void {
  block = new Uint8Array(BLOCK_LENGTH);
  used = 0;
}
