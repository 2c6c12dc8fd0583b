// The bytes of support/pattern.ts as streams. Web standards only: a Worker sends and reads them too.

const PERIOD = 251;
const PIECE_BYTES = 65_536;
const MAX_PIECE_BYTES = 1024 * 1024;
const pattern = Uint8Array.from({ length: PERIOD + MAX_PIECE_BYTES }, (_, i) => (i * 31 + 7) % PERIOD);

/** The first `length` bytes of the pattern, made as they are read. `onPiece` is told how many are in each piece. */
export function patternStream(
  length: number,
  onPiece: (bytes: number) => void = () => {},
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let start = 0;
  return new ReadableStream(
    {
      pull(controller) {
        if (start === length) return controller.close();
        const from = start % PERIOD;
        const piece = pattern.slice(from, from + Math.min(PIECE_BYTES, length - start));
        start += piece.length;
        onPiece(piece.length);
        controller.enqueue(piece);
      },
    },
    { highWaterMark: 0 },
  );
}

/** Compares every byte with the pattern; returns how many there were. */
export async function checkPattern(stream: ReadableStream<Uint8Array>): Promise<number> {
  let length = 0;
  // A Worker's streams are read in this way too.
  const reader = stream.getReader();
  for (let result = await reader.read(); !result.done; result = await reader.read()) {
    checkPiece(result.value, length);
    length += result.value.length;
  }
  return length;
}

/** @throws {Error} If a piece is not the bytes of the pattern from `start` on. */
export function checkPiece(piece: Uint8Array, start: number): void {
  const expected = pattern.subarray(start % PERIOD);
  let equal = 0;
  while (equal < piece.length && piece[equal] === expected[equal]) equal++;
  if (equal === piece.length) return;
  throw new Error(`The ${piece.length} bytes from ${start} on are not those that were sent: byte ${equal} differs`);
}
