import { createHash } from "node:crypto";

// Bodies whose every byte is known from its position: byte i is (i * 31 + 7) % 251. big.php sends the same bytes. 251 is
// a prime and no divisor of any buffer size, so a piece that is lost, repeated or misplaced always shows.
const period = 251;
const table = Uint8Array.from({ length: period + 65_536 }, (_, i) => (i * 31 + 7) % period);

/** The bytes from `start` on. */
export function patternBytes(length: number, start = 0): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; done += 65_536) {
    const from = (start + done) % period;
    bytes.set(table.subarray(from, from + Math.min(65_536, length - done)), done);
  }
  return bytes;
}

/** The same bytes in pieces, for bodies that are too large to hold. */
export function* patternChunks(length: number, chunkBytes = 65_536): Generator<Uint8Array<ArrayBuffer>> {
  for (let start = 0; start < length; start += chunkBytes) {
    yield patternBytes(Math.min(chunkBytes, length - start), start);
  }
}

/** SHA-256 of the first `length` bytes, in hexadecimal. */
export function patternSha256(length: number): string {
  const hash = createHash("sha256");
  for (const chunk of patternChunks(length)) hash.update(chunk);
  return hash.digest("hex");
}
