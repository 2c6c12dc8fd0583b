// Changes of recorded and generated conversations. They are data, so that a counterexample prints as what it is.

import fc from "fast-check";
import type { FastCgiRecord } from "../../src/toolkit.ts";

/** A place in a list or in some bytes, as a fraction, so that it fits whatever the changes before it have left. */
export const place: fc.Arbitrary<number> = fc.nat(9999).map((part) => part / 10_000);

/** A few bytes in most cases: long pieces take most of the time, and show little that short ones do not. */
export const anySize: fc.Arbitrary<number> = fc.oneof(
  { arbitrary: fc.constantFrom(0, 1, 20, 300), weight: 57 },
  { arbitrary: fc.constant(70_000), weight: 2 },
  { arbitrary: fc.constant(300_000), weight: 1 },
);

/** The index that a place is in something of this length. */
export function indexOf(fraction: number, length: number): number {
  return Math.floor(fraction * length);
}

/** One change of some bytes. */
export type ByteMutation =
  | { readonly what: "flip"; readonly at: number; readonly bit: number }
  | { readonly what: "cut"; readonly at: number; readonly length: number }
  | { readonly what: "insert"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly what: "repeat"; readonly from: number; readonly to: number };

/** A header of a known version: bytes alone would seldom be one. */
const header: fc.Arbitrary<Uint8Array> = fc
  .tuple(fc.nat(12), fc.nat(4), fc.nat(600), fc.nat(255))
  .map(([type, id, length, padding]) => Uint8Array.of(1, type, 0, id, length >> 8, length & 0xff, padding, 0));

const byteMutation: fc.Arbitrary<ByteMutation> = fc.oneof(
  fc.record({ what: fc.constant("flip" as const), at: place, bit: fc.nat(7) }),
  fc.record({ what: fc.constant("cut" as const), at: place, length: fc.nat(300) }),
  fc.record({
    what: fc.constant("insert" as const),
    at: place,
    bytes: fc.oneof(fc.uint8Array({ maxLength: 40 }), header),
  }),
  fc.record({ what: fc.constant("repeat" as const), from: place, to: place }),
);

/** Some changes of bytes. */
export const byteMutations: fc.Arbitrary<readonly ByteMutation[]> = fc.array(byteMutation, { maxLength: 3 });

/** `bytes` with these changes. */
export function mutateBytes(bytes: Uint8Array, mutations: readonly ByteMutation[]): Uint8Array {
  return mutations.reduce(mutateOnce, bytes);
}

function mutateOnce(bytes: Uint8Array, mutation: ByteMutation): Uint8Array {
  if (mutation.what === "repeat") {
    const [from, to] = [indexOf(mutation.from, bytes.length), indexOf(mutation.to, bytes.length)];
    return concatenated(bytes.subarray(0, Math.max(from, to)), bytes.subarray(Math.min(from, to)));
  }
  const start = indexOf(mutation.at, bytes.length);
  switch (mutation.what) {
    case "flip": {
      const changed = bytes.slice();
      if (changed.length > 0) changed[start]! ^= 1 << mutation.bit;
      return changed;
    }
    case "cut":
      return concatenated(bytes.subarray(0, start), bytes.subarray(start + mutation.length));
    case "insert":
      return concatenated(bytes.subarray(0, start), mutation.bytes, bytes.subarray(start));
  }
}

/** One change of some records: one of bytes seldom changes anything but the framing. */
export interface RecordMutation {
  readonly what: "drop" | "repeat" | "move" | "retype" | "readdress" | "empty";
  readonly at: number;
  readonly to: number;
  readonly type: number;
  readonly requestId: number;
}

const recordMutation: fc.Arbitrary<RecordMutation> = fc.record({
  what: fc.constantFrom("drop", "repeat", "move", "retype", "readdress", "empty"),
  at: place,
  to: place,
  type: fc.nat(12),
  requestId: fc.nat(4),
});

/** Some changes of records. */
export const recordMutations: fc.Arbitrary<readonly RecordMutation[]> = fc.array(recordMutation, { maxLength: 6 });

/** `records` with these changes. */
export function mutateRecords(
  records: readonly FastCgiRecord[],
  mutations: readonly RecordMutation[],
): readonly FastCgiRecord[] {
  return mutations.reduce(mutateRecord, records);
}

function mutateRecord(records: readonly FastCgiRecord[], mutation: RecordMutation): readonly FastCgiRecord[] {
  const index = indexOf(mutation.at, records.length);
  const record = records[index];
  if (record === undefined) return records;
  switch (mutation.what) {
    case "drop":
      return records.toSpliced(index, 1);
    case "repeat":
      return records.toSpliced(index, 0, record);
    case "move":
      return records.toSpliced(index, 1).toSpliced(indexOf(mutation.to, records.length), 0, record);
    case "retype":
      return records.with(index, { ...record, type: mutation.type });
    case "readdress":
      return records.with(index, { ...record, requestId: mutation.requestId });
    case "empty":
      return records.with(index, { ...record, contentData: new Uint8Array(0) });
  }
}

/** `bytes` cut at these places, the empty pieces left out. */
export function cutAt(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const cuts = [0, ...places.map((each) => indexOf(each, bytes.length)).sort((a, b) => a - b), bytes.length];
  const pieces = cuts.slice(1).map((cut, index) => bytes.subarray(cuts[index], cut));
  return pieces.filter(({ length }) => length > 0);
}

/** Pieces as one. */
export function concatenated(...pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** Pieces as text of one character for each byte. A TextDecoder takes much longer on Node. */
export function textOf(pieces: readonly Uint8Array[]): string {
  if (pieces.length === 0) return "";
  const { buffer, byteOffset, byteLength } = pieces.length === 1 ? pieces[0]! : concatenated(...pieces);
  return Buffer.from(buffer, byteOffset, byteLength).toString("latin1");
}
