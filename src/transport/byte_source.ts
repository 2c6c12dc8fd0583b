import { FastCgiError } from "../protocol/errors.ts";

/** Bytes to send: all there already, a stream, or what reads like a stream's reader. */
export type ByteSource = Uint8Array | ReadableStream<Uint8Array> | ByteReader;

/** The two methods of a ReadableStreamDefaultReader that sending needs. */
export interface ByteReader {
  /** The next piece, or the end. */
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
  /** Says that nobody will read the rest. */
  cancel(reason: unknown): Promise<void>;
}

/** A reader of `source`. */
export function readerOf(source: ReadableStream<Uint8Array> | ByteReader): ByteReader {
  return "getReader" in source ? source.getReader() : source;
}

/** Says that nobody will read `source`. What it answers is of no use to anybody, so this never rejects. */
export async function cancelSource(source: ByteSource, reason: unknown): Promise<void> {
  if (source instanceof Uint8Array) return;
  try {
    await source.cancel(reason);
  } catch {
    // It failed already, or somebody else reads it.
  }
}

/**
 * `source`, failing with `lengthMismatch` where it is not `expected` bytes long. What is too much is never given out, and
 * what is too little never ends well.
 *
 * @param name For messages: whose bytes they are.
 */
export function checkLength(source: ByteSource, expected: number, name: string): ByteSource {
  let count = 0;
  const mismatch = (actual: string): FastCgiError =>
    new FastCgiError("lengthMismatch", `Cannot send ${name}: expected ${expected} bytes, got ${actual}`);
  if (source instanceof Uint8Array) {
    if (source.length !== expected) throw mismatch(String(source.length));
    return source;
  }
  const reader = readerOf(source);
  const checked: ByteReader = {
    async read() {
      const result = await reader.read();
      if (result.done) {
        if (count < expected) throw mismatch(String(count));
        return result;
      }
      count += result.value?.length ?? 0;
      if (count > expected) throw mismatch(`at least ${count}`);
      return result;
    },
    cancel: (reason) => reader.cancel(reason),
  };
  return checked;
}

/** The pieces as one. A single piece is that piece, not a copy. */
export function joinBytes(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1) return pieces[0]!;
  const joined = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    joined.set(piece, offset);
    offset += piece.length;
  }
  return joined;
}
