// Bytes to send. Programs give them in many forms; byteSourceOf() takes every form at the edge of the library, and all code behind it
// knows the four forms of a ByteSource.

import { kindOf } from "../base/kind_of.ts";
import { FastCgiError } from "../protocol/errors.ts";

/** Bytes to send: all there already, in a Blob, in a stream, or in what reads like a stream's reader. */
export type ByteSource = Uint8Array | ByteBlob | ReadableStream<Uint8Array> | ByteReader;

/**
 * Bytes to send as programs have them: text, which is sent as UTF-8, all that a `Response` takes as its body but FormData (its boundary
 * would be known to nobody), an async iterable, such as a stream of Node, and an object with the two methods of a stream's reader. The
 * chunks of a stream or iterable must be `Uint8Array`s.
 */
export type ByteSourceInit =
  | ByteSource
  | string
  | ArrayBuffer
  | ArrayBufferView
  | URLSearchParams
  | AsyncIterable<Uint8Array>;

/** The two methods of a ReadableStreamDefaultReader that sending needs. */
export interface ByteReader {
  /** The next piece, or the end. */
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
  /** Says that nobody will read the rest. */
  cancel(reason: unknown): Promise<void>;
}

/** The two members of a Blob that sending needs. Its bytes can be read more than once. */
export interface ByteBlob {
  /** Bytes in it. They are counted all the same when they are sent. */
  readonly size: number;
  /** Reads them from the start. */
  stream(): ReadableStream<Uint8Array> | ByteReader;
}

const encoder = /* @__PURE__ */ new TextEncoder();

/**
 * What a program gave, in a form that can be sent. Nothing is read or locked yet.
 *
 * @param name For messages: the option.
 * @throws {TypeError} If it is of another kind.
 */
export function byteSourceOf(given: ByteSourceInit, name: string): ByteSource {
  if (typeof given === "string") return encoder.encode(given);
  const bytes = bytesOf(given);
  if (bytes !== null) return bytes;
  // By what they can do: classes come in several copies, such as those of npm's undici.
  if (typeof given === "object" && given !== null) {
    const object = given as Partial<ReadableStream & ByteReader & ByteBlob & AsyncIterable<Uint8Array>>;
    if (typeof object.getReader === "function") return given as ReadableStream<Uint8Array>;
    if (typeof object.read === "function" && typeof object.cancel === "function") return given as ByteReader;
    if (typeof object.stream === "function" && typeof object.size === "number") return given as ByteBlob;
    if (Symbol.asyncIterator in given) return new IterableReader(given as AsyncIterable<Uint8Array>);
    if (kindOf(given) === "URLSearchParams") return encoder.encode(String(given));
  }
  throw new TypeError(
    `Cannot send ${name}: expected text, bytes, a Blob, URLSearchParams, a stream or an async iterable, got ${kindOf(given)}`,
  );
}

/** The bytes of a buffer or of a view of one, in place; null where `value` is neither. */
function bytesOf(value: unknown): Uint8Array | null {
  if (value instanceof Uint8Array) return value;
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return kindOf(value) === "ArrayBuffer" ? new Uint8Array(value as ArrayBuffer) : null;
}

/**
 * A chunk of a stream, which must be a `Uint8Array`, as everywhere in Fetch: anything else is a mistake in the program that made the
 * stream, and what of it would be bytes is not for us to guess.
 *
 * @param name For messages: the option.
 * @throws {TypeError} If it is not.
 */
export function chunkOf(value: unknown, name: string): Uint8Array {
  if (value instanceof Uint8Array) return value;
  // Of another realm, such as a test runner's.
  if (ArrayBuffer.isView(value) && kindOf(value) === "Uint8Array") return bytesOf(value)!;
  throw new TypeError(`Cannot send ${name}: expected chunks that are Uint8Arrays, got ${kindOf(value)}`);
}

/** Whether all of a source is there, as often as it is read. */
export function isAtHand(source: ByteSource): boolean {
  return source instanceof Uint8Array || "stream" in source;
}

/** A reader of `source`. */
export function readerOf(source: Exclude<ByteSource, Uint8Array>): ByteReader {
  if ("getReader" in source) return source.getReader();
  return "stream" in source ? readerOf(source.stream()) : source;
}

/** Says that nobody will read `source`, in whatever form it was given. Never rejects: what it answers is of no use. */
export async function cancelSource(source: ByteSourceInit | null | undefined, reason: unknown): Promise<void> {
  if (typeof source !== "object" || source === null) return;
  try {
    if ("cancel" in source) await source.cancel(reason);
    else if (Symbol.asyncIterator in source) await new IterableReader(source).cancel();
  } catch {
    // It failed already, or the program reads it.
  }
}

/** An async iterable as a reader. */
class IterableReader implements ByteReader {
  readonly #iterable: AsyncIterable<Uint8Array>;
  #iterator: AsyncIterator<Uint8Array> | null = null;
  #end: (result: { readonly done: true }) => void = () => {};

  constructor(iterable: AsyncIterable<Uint8Array>) {
    this.#iterable = iterable;
  }

  read(): ReturnType<ByteReader["read"]> {
    return new Promise((resolve, reject) => {
      this.#end = resolve;
      this.#iterator ??= this.#iterable[Symbol.asyncIterator]();
      Promise.resolve(this.#iterator.next()).then(
        ({ done = false, value }) => resolve({ done, value: value as Uint8Array }),
        reject,
      );
    });
  }

  async cancel(): Promise<void> {
    // A generator that waits for something takes no notice before that comes.
    this.#end({ done: true });
    if (this.#iterator !== null) {
      await this.#iterator.return?.();
    } else if ("destroy" in this.#iterable && typeof this.#iterable.destroy === "function") {
      // A stream of Node keeps its file open until it was read, or this is called.
      this.#iterable.destroy();
    }
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
