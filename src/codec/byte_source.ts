// Bytes to send. Programs give them in many forms. byteSourceOf() accepts every form at the edge of the library, and
// the code behind it handles the four forms of a ByteSource.

import { kindOf } from "../base/kind_of.ts";
import { encodeUtf8 } from "../protocol/byte_string.ts";
import { FastCgiError } from "../protocol/errors.ts";

/** Bytes to send: complete, in a Blob, in a stream, or in an object that reads like a stream's reader. */
export type ByteSource = Uint8Array | ByteBlob | ReadableStream<Uint8Array> | ByteReader;

/**
 * Bytes to send as programs have them: text, which is sent as UTF-8; every body of a `Response` except FormData (the
 * receiver would not know its boundary); an async iterable, such as a stream of Node; and an object with the two
 * methods of a stream's reader. The chunks of a stream or iterable must be `Uint8Array`s.
 */
export type ByteSourceInit =
  | ByteSource
  | string
  | ArrayBuffer
  | ArrayBufferView
  | URLSearchParams
  | AsyncIterable<Uint8Array>;

/** The result of a read: a piece, or the end. */
export interface ByteReadResult {
  /** Whether this is the end. */
  readonly done: boolean;
  /** The piece. */
  readonly value?: Uint8Array | undefined;
}

/**
 * The one way in which this library reads bytes: it asks for a piece, and asks again when it has that. A
 * ReadableStreamDefaultReader is a ByteReader. A piece that is there already may be returned without a promise.
 */
export interface ByteReader {
  /** Gives the next piece or the end. If the source fails, this throws its error, or the promise rejects with it. */
  read(): ByteReadResult | Promise<ByteReadResult>;
  /** Gives up the rest, which will not be read. */
  cancel(reason: unknown): void | Promise<void>;
}

/** The end, as a {@linkcode ByteReader} gives it. */
export const END_OF_BYTES: ByteReadResult = Object.freeze({ done: true });

/** The two members of a Blob that sending needs. Its bytes can be read more than once. */
export interface ByteBlob {
  /** The number of bytes. They are counted again when they are sent. */
  readonly size: number;
  /** Reads them from the start. */
  stream(): ReadableStream<Uint8Array> | ByteReader;
}

/**
 * Converts what a program gave to a form that can be sent. Nothing is read or locked yet.
 *
 * @param name For messages: the option.
 * @throws {TypeError} If it is of another kind.
 */
export function byteSourceOf(given: ByteSourceInit, name: string): ByteSource {
  if (typeof given === "string") return encodeUtf8(given);
  const bytes = bytesOf(given);
  if (bytes !== null) return attached(bytes, name);
  // Tested by their members, because classes come in several copies, such as those of npm's undici.
  if (typeof given === "object" && given !== null) {
    const object = given as Partial<ReadableStream & ByteReader & ByteBlob & AsyncIterable<Uint8Array>>;
    if (typeof object.getReader === "function") return given as ReadableStream<Uint8Array>;
    if (typeof object.read === "function" && typeof object.cancel === "function") return given as ByteReader;
    if (typeof object.stream === "function" && typeof object.size === "number") return given as ByteBlob;
    if (Symbol.asyncIterator in given) return new IterableReader(given as AsyncIterable<Uint8Array>);
    if (kindOf(given) === "URLSearchParams") return encodeUtf8(String(given));
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
 * Returns `bytes`. If their buffer was transferred they look as if there were none, and a body would be cut.
 *
 * @throws {TypeError} If it was.
 */
function attached(bytes: Uint8Array, name: string): Uint8Array {
  // Stryker disable next-line ConditionalExpression: a shortcut, for a buffer that has bytes was not transferred
  if (bytes.length > 0) return bytes;
  try {
    new Uint8Array(bytes.buffer);
  } catch {
    throw new TypeError(
      `Cannot send ${name}: expected bytes that are there, got those of a buffer that was transferred`,
    );
  }
  return bytes;
}

/**
 * A chunk of a stream, which must be a `Uint8Array`, as everywhere in Fetch. Any other value is a mistake in the
 * program that made the stream, and the library does not guess which bytes are meant.
 *
 * @param name For messages: the option.
 * @throws {TypeError} If it is not.
 */
export function chunkOf(value: unknown, name: string): Uint8Array {
  // Stryker disable next-line ConditionalExpression: a shortcut, for the next line takes these as well
  if (value instanceof Uint8Array) return attached(value, name);
  // From another realm, such as that of a test runner.
  if (ArrayBuffer.isView(value) && kindOf(value) === "Uint8Array") return attached(bytesOf(value)!, name);
  throw new TypeError(`Cannot send ${name}: expected chunks that are Uint8Arrays, got ${kindOf(value)}`);
}

/** Whether a source is complete and can be read more than once. */
export function isAtHand(source: ByteSource): boolean {
  return source instanceof Uint8Array || "stream" in source;
}

/** A reader of `source`. */
export function readerOf(source: Exclude<ByteSource, Uint8Array>): ByteReader {
  // By its type: `in` does not see what a Proxy adds, such as the bodies of @whatwg-node/fetch.
  if (typeof (source as Partial<ReadableStream>).getReader === "function") {
    return (source as ReadableStream<Uint8Array>).getReader();
  }
  return "stream" in source ? readerOf(source.stream()) : (source as ByteReader);
}

/**
 * Cancels a source that will not be read, in any form that a program may give. Never rejects, because the result does
 * not matter.
 */
export async function cancelSource(source: ByteSourceInit | null | undefined, reason: unknown): Promise<void> {
  // Stryker disable next-line ConditionalExpression,LogicalOperator: a shortcut, for what is no object fails below
  if (typeof source !== "object" || source === null) return;
  try {
    if ("cancel" in source) await source.cancel(reason);
    else if (Symbol.asyncIterator in source) await new IterableReader(source).cancel();
  } catch {
    // The source has failed already, or the program reads it itself.
  }
}

/** Reads an async iterable. */
class IterableReader implements ByteReader {
  readonly #iterable: AsyncIterable<Uint8Array>;
  #iterator: AsyncIterator<Uint8Array> | null = null;
  #end: (result: ByteReadResult) => void = () => {};

  constructor(iterable: AsyncIterable<Uint8Array>) {
    this.#iterable = iterable;
  }

  read(): Promise<ByteReadResult> {
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
    // A generator that waits notices the cancel only after its wait.
    this.#end(END_OF_BYTES);
    const returned = this.#iterator?.return?.();
    // Without this call, a stream of Node keeps its file open until it has been read, or its wait has ended. The reason is
    // not passed on: Node would throw it as an uncaught error.
    if ("destroy" in this.#iterable && typeof this.#iterable.destroy === "function") this.#iterable.destroy();
    await returned;
  }
}

/**
 * Wraps `source` so that it fails with `lengthMismatch` if it is not `expected` bytes long. Further bytes are never
 * passed on, and a source that is too short never ends normally.
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

/** Joins the pieces. A single piece is returned as it is, not copied. */
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
