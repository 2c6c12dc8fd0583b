import { patternBytes, patternChunks } from "../../support/pattern.ts";

const PERIOD = 251;
const MAX_PIECE = 1024 * 1024;
const expected = Buffer.from(patternBytes(PERIOD + MAX_PIECE));

/** The first `length` bytes of the pattern, made as they are read. */
export function patternStream(length: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  const chunks = patternChunks(length);
  return new ReadableStream(
    {
      pull(controller) {
        const { done, value } = chunks.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
    },
    { highWaterMark: 0 },
  );
}

/** Compares every byte with the pattern; returns how many there were. */
export async function checkPattern(stream: ReadableStream<Uint8Array>): Promise<number> {
  let length = 0;
  for await (const piece of stream) {
    const start = length % PERIOD;
    if (!expected.subarray(start, start + piece.length).equals(piece)) {
      throw new Error(`The ${piece.length} bytes from ${length} on are not those that were sent`);
    }
    length += piece.length;
  }
  return length;
}
