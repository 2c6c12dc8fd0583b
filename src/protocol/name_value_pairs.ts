import { kindOf } from "../base/kind_of.ts";
import { decodeAscii, decodeByteString, encodeByteStringInto } from "./byte_string.ts";
import { MAX_SENT_CONTENT_LENGTH } from "./constants.ts";
import { FastCgiError } from "./errors.ts";

/** A name and its value (FastCGI 3.4), both byte strings: one character per byte. */
export type NameValuePair = readonly [name: string, value: string];

/** Lengths up to this take one byte, longer ones four (FastCGI 3.4). */
const MAX_SHORT_LENGTH = 0x7f;

/** The most a length of four bytes can say: its top bit marks the form (FastCGI 3.4). */
const MAX_LENGTH = 0x7fff_ffff;

/** Bytes that a pair takes on the wire. */
function pairLength([name, value]: NameValuePair): number {
  checkNameValuePair(name, value);
  return lengthOfLength(name.length) + lengthOfLength(value.length) + name.length + value.length;
}

function lengthOfLength(length: number): number {
  return length <= MAX_SHORT_LENGTH ? 1 : 4;
}

function encodeLength(length: number, target: Uint8Array, offset: number): number {
  if (length <= MAX_SHORT_LENGTH) {
    target[offset] = length;
    return offset + 1;
  }
  if (length > MAX_LENGTH) throw new RangeError(`Cannot encode a length of ${length}: expected at most ${MAX_LENGTH}`);
  target[offset] = 0x80 | (length >>> 24);
  target[offset + 1] = length >>> 16;
  target[offset + 2] = length >>> 8;
  target[offset + 3] = length;
  return offset + 4;
}

/**
 * A value that is not a string has no `length`, or the length of something else. Sums of such lengths would corrupt what is counted
 * with them, so every pair is checked before its length is used.
 *
 * @throws {TypeError} If name or value is not a string.
 */
export function checkNameValuePair(name: unknown, value: unknown): void {
  if (typeof name === "string" && typeof value === "string") return;
  if (typeof name !== "string") {
    throw new TypeError(`Cannot send a variable: expected its name to be a string, got ${kindOf(name)}`);
  }
  throw new TypeError(`Cannot send the variable ${JSON.stringify(name)}: expected a string, got ${kindOf(value)}`);
}

/**
 * Writes one pair, which was checked, to `target` at `offset` and returns the offset behind it.
 *
 * @throws {TypeError} If a character of a name or value is not a byte.
 */
export function encodeNameValuePairInto(name: string, value: string, target: Uint8Array, offset: number): number {
  let end = encodeLength(name.length, target, offset);
  end = encodeLength(value.length, target, end);
  end = encodeByteStringInto(name, target, end);
  return encodeByteStringInto(value, target, end);
}

/**
 * The pairs one after the other (FastCGI 3.4), lengths in their shortest form.
 *
 * @throws {TypeError} If a name or value is not a string, or one of their characters is not a byte.
 */
export function encodeNameValuePairs(pairs: Iterable<NameValuePair>): Uint8Array {
  const list = [...pairs];
  let length = 0;
  for (const pair of list) length += pairLength(pair);
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const [name, value] of list) offset = encodeNameValuePairInto(name, value, bytes, offset);
  return bytes;
}

/**
 * The pairs in pieces that fit one record each, cut between pairs: PHP and others parse every FCGI_PARAMS record by
 * itself. Only a pair that is larger than a record is cut inside, because there is no other way to send it.
 */
export function encodeNameValuePairChunks(pairs: Iterable<NameValuePair>): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let group: NameValuePair[] = [];
  let groupLength = 0;
  const endGroup = (): void => {
    const bytes = encodeNameValuePairs(group);
    for (let start = 0; start < bytes.length; start += MAX_SENT_CONTENT_LENGTH) {
      chunks.push(bytes.subarray(start, start + MAX_SENT_CONTENT_LENGTH));
    }
    group = [];
    groupLength = 0;
  };
  for (const pair of pairs) {
    const length = pairLength(pair);
    if (groupLength + length > MAX_SENT_CONTENT_LENGTH) endGroup();
    group.push(pair);
    groupLength += length;
  }
  endGroup();
  return chunks;
}

/** What {@linkcode decodeNameValuePairs} accepts. */
export interface DecodeNameValuePairsOptions {
  /**
   * The most pairs.
   *
   * @default {Infinity}
   */
  maxPairs?: number;
}

/**
 * Reads the pairs in `bytes`, which hold the whole stream: senders may cut a stream into records anywhere, also inside a
 * pair. Both forms of a length are accepted, also where the short one would do. A length is compared with the bytes
 * that are there before anything is taken for it.
 *
 * @throws {FastCgiError} `protocol` if a pair reaches past the end, `limit` if there are more than `maxPairs`.
 */
export function decodeNameValuePairs(bytes: Uint8Array, options: DecodeNameValuePairsOptions = {}): NameValuePair[] {
  const pairs: NameValuePair[] = [];
  forEachNameValuePair(bytes, (name, value) => void pairs.push([name, value]), options);
  return pairs;
}

/** As {@linkcode decodeNameValuePairs}, but each pair is told to `take`, once all are known to be good. */
export function forEachNameValuePair(
  bytes: Uint8Array,
  take: (name: string, value: string) => void,
  options: DecodeNameValuePairsOptions = {},
): void {
  const { bounds, text } = findPairs(bytes, options.maxPairs ?? Number.POSITIVE_INFINITY);
  // One string for all pairs: cutting it is cheaper than decoding fifty times.
  const ascii = decodeAscii(text);
  const cut = (start: number, end: number): string =>
    ascii === null ? decodeByteString(bytes.subarray(start, end)) : ascii.slice(start, end);
  for (let index = 0; index < bounds.length; index += 3) {
    const valueStart = bounds[index + 1]!;
    take(cut(bounds[index]!, valueStart), cut(valueStart, bounds[index + 2]!));
  }
}

interface FoundPairs {
  /** For each pair where its name begins, where its value begins, and where that ends. */
  bounds: number[];
  /** The bytes, with zeros for lengths of four bytes: the first of those is not ASCII. */
  text: Uint8Array;
}

function findPairs(bytes: Uint8Array, maxPairs: number): FoundPairs {
  const { length } = bytes;
  const bounds: number[] = [];
  let text = bytes;
  let offset = 0;
  while (offset < length) {
    if (bounds.length >= 3 * maxPairs) {
      throw new FastCgiError("limit", `Cannot decode name-value pairs: more than ${maxPairs}`, { limit: "maxParams" });
    }
    const start = offset;
    let nameLength = bytes[offset++]!;
    if (nameLength > MAX_SHORT_LENGTH) {
      if (offset + 3 > length) throw truncated(start, length);
      nameLength = longLength(nameLength, bytes, offset);
      offset += 3;
    }
    if (offset >= length) throw truncated(start, length);
    let valueLength = bytes[offset++]!;
    if (valueLength > MAX_SHORT_LENGTH) {
      if (offset + 3 > length) throw truncated(start, length);
      valueLength = longLength(valueLength, bytes, offset);
      offset += 3;
    }
    // Plain numbers: two lengths of 31 bits and an offset cannot wrap.
    if (nameLength + valueLength > length - offset) throw truncated(start, length);
    if (offset > start + 2) {
      // Not slice(): a Node Buffer's copies nothing.
      if (text === bytes) text = new Uint8Array(bytes);
      text.fill(0, start, offset);
    }
    const valueStart = offset + nameLength;
    const end = valueStart + valueLength;
    bounds.push(offset, valueStart, end);
    offset = end;
  }
  return { bounds, text };
}

function longLength(first: number, bytes: Uint8Array, offset: number): number {
  return ((first & 0x7f) << 24) | (bytes[offset]! << 16) | (bytes[offset + 1]! << 8) | bytes[offset + 2]!;
}

function truncated(start: number, length: number): FastCgiError {
  return new FastCgiError(
    "protocol",
    `Cannot decode name-value pairs: the pair at ${start} passes the end at ${length}`,
  );
}
