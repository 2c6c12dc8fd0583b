const LF = 0x0a;
const CR = 0x0d;

/**
 * The offset after the empty line that ends a header block, or -1. A line ends with CR LF or LF (RFC 3875 6.3 leaves it
 * to the system).
 *
 * @param searched The number of bytes in which it was searched before, and not found.
 */
export function findHeaderEnd(bytes: Uint8Array, searched: number): number {
  // A block without fields.
  if (bytes[0] === LF) return 1;
  if (bytes[0] === CR && bytes[1] === LF) return 2;
  // The empty line may have begun with the last two of them.
  for (let index = bytes.indexOf(LF, Math.max(0, searched - 2)); index !== -1; index = bytes.indexOf(LF, index + 1)) {
    if (bytes[index + 1] === LF) return index + 2;
    if (bytes[index + 1] === CR && bytes[index + 2] === LF) return index + 3;
  }
  return -1;
}
