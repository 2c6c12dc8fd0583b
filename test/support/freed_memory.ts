// For tests of memory that is freed where nothing needs it any more. Freed memory is empty for every view of it, so a
// wrong step is a lost byte, and tests compare all bytes.

import fc from "fast-check";
import { afterAll, beforeAll } from "vitest";
import type { FastCgiRecord } from "../../src/toolkit.ts";
import { joined } from "./bytes.ts";

/**
 * Makes memory freeable on Node.js 20, which can't free the memory of a buffer, but can make its views empty, which is
 * what could go wrong.
 */
export function withFreeableMemory(): void {
  if ("transfer" in ArrayBuffer.prototype) return;
  const transfer = function (this: ArrayBuffer): void {
    structuredClone(this, { transfer: [this] });
  };
  beforeAll(() => {
    Object.defineProperty(ArrayBuffer.prototype, "transfer", { value: transfer, configurable: true });
  });
  afterAll(() => {
    Reflect.deleteProperty(ArrayBuffer.prototype, "transfer");
  });
}

/** More than the least that is freed by itself. */
const BUFFER_BYTES = 16 * 1024;

/** Copies a piece to somewhere in a buffer of its own, as it would be read from a socket. */
export function inOwnBuffer(piece: Uint8Array, index: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(new ArrayBuffer(BUFFER_BYTES + piece.length), index % BUFFER_BYTES, piece.length);
  copy.set(piece);
  return copy;
}

/** Whether a buffer was freed. */
export const isFreed = ({ byteLength }: ArrayBuffer): boolean => byteLength === 0;

/** JSON that differs at every place, in ASCII, so that every way to read it gives the same bytes. */
export function distinctJson(length: number, start: number): string {
  return JSON.stringify(Array.from({ length: length / 6 }, (_, index) => 10_000 + ((start + index * 7) % 89_999)));
}

/** Lengths of pieces, small and large ones. The large one at the end bounds the number of pieces. */
export function pieceLengths(): fc.Arbitrary<number[]> {
  const length = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1000, max: 20_000 }));
  return fc.array(length, { maxLength: 6 }).map((some) => [...some, 5_000]);
}

/** Cuts bytes into pieces of these lengths, again and again. */
export function cut(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let start = 0, index = 0; start < bytes.length; index++) {
    const end = start + lengths[index % lengths.length]!;
    pieces.push(bytes.subarray(start, end));
    start = end;
  }
  return pieces;
}

/** The records of several requests, in an order that the numbers choose. */
export function mixed(all: readonly (readonly FastCgiRecord[])[], order: readonly number[]): FastCgiRecord[] {
  const waiting = all.map((records) => [...records]);
  const records: FastCgiRecord[] = [];
  for (let index = 0; waiting.some(({ length }) => length > 0); index++) {
    const left = waiting.filter(({ length }) => length > 0);
    records.push(left[order[index % order.length]! % left.length]!.shift()!);
  }
  return records;
}

/** Reads a stream, and looks at its pieces only when everything was sent. */
export async function keepAll(stream: ReadableStream<Uint8Array>, allSent: Promise<void>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece);
  await allSent;
  return joined(...pieces);
}
