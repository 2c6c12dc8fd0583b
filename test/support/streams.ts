import type { ByteQueue } from "../../src/codec/byte_queue.ts";
import { FastCgiError } from "../../src/index.ts";
import { joined } from "./bytes.ts";

/** A stream of these pieces. */
export function streamOf<Piece>(...pieces: readonly Piece[]): ReadableStream<Piece> {
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
}

/** All pieces of a stream that ends well. */
export async function collected<Piece>(stream: ReadableStream<Piece>): Promise<Piece[]> {
  const pieces: Piece[] = [];
  for await (const piece of stream) pieces.push(piece);
  return pieces;
}

/** What a queue or stream holds, to its end, and how that end came. */
export interface Drained {
  bytes: Uint8Array<ArrayBuffer>;
  /** Null after a clean end. */
  error: unknown;
}

export async function drain(source: ByteQueue | ReadableStream<Uint8Array>): Promise<Drained> {
  const pieces: Uint8Array[] = [];
  let error: unknown = null;
  try {
    if (source instanceof ReadableStream) {
      for await (const piece of source) pieces.push(piece);
    } else {
      for (let read = await source.read(); !read.done; read = await source.read()) pieces.push(read.value!);
    }
  } catch (reason) {
    error = reason;
  }
  return { bytes: joined(...pieces), error };
}

/** The text of a stream that ends well. */
export async function textFrom(source: ByteQueue | ReadableStream<Uint8Array>): Promise<string> {
  const { bytes, error } = await drain(source);
  if (error !== null) throw error;
  return Buffer.from(bytes).toString("latin1");
}

/** The error of a stream that ends badly. */
export async function failureOf(source: ByteQueue | ReadableStream<Uint8Array>): Promise<FastCgiError> {
  const { error } = await drain(source);
  if (error instanceof FastCgiError) return error;
  throw new Error(`Expected the stream to fail with a FastCgiError, it ended with ${String(error)}`);
}

/** Whether `promise` settles by itself, without anything else happening. */
export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = (): void => {
    settled = true;
  };
  promise.then(note, note);
  // Long enough for every microtask, and for what Web Streams put off to a macrotask.
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}
