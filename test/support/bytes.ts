import { createHash } from "node:crypto";

/** Bytes as specifications print them: `"01 04 00 01"`. White space is for the eye. */
export function hex(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text.replace(/\s+/g, ""), "hex"));
}

/** The other way round: `"01 04 00 01"`. */
export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex").replace(/../g, "$& ").trimEnd();
}

/** One byte per character. */
export function latin1(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text, "latin1"));
}

export function joined(...pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(pieces));
}

export function sha256(...pieces: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(piece);
  return hash.digest("hex");
}

/** Every byte in a chunk of one byte, always the same one: code that keeps it is found out. */
export function* bytewise(bytes: Uint8Array): Generator<Uint8Array> {
  const chunk = new Uint8Array(1);
  for (let at = 0; at < bytes.length; at++) {
    chunk[0] = bytes[at]!;
    yield chunk;
  }
}

/** Views of `bytes`, `size` bytes each; the last one may be shorter. */
export function* chunksOf(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

/** `bytes` cut in two at every point, from nothing in front to nothing behind. */
export function* splitsOf(bytes: Uint8Array, step = 1): Generator<readonly [head: Uint8Array, tail: Uint8Array]> {
  for (let at = 0; at <= bytes.length; at += step) yield [bytes.subarray(0, at), bytes.subarray(at)];
}
