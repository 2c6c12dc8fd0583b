import { kindOf } from "../base/kind_of.ts";
import { checkBytes, optionsOf, outOfRange, unexpected } from "../base/unexpected.ts";
import { decodeAscii, decodeByteString, encodeByteStringInto } from "./byte_string.ts";
import { MAX_SENT_CONTENT_LENGTH } from "./constants.ts";
import { FastCgiError } from "./errors.ts";

/** A name and its value (FastCGI 3.4), both byte strings: one character per byte. */
export type NameValuePair = readonly [name: string, value: string];

/** Lengths up to this take one byte, longer ones four (FastCGI 3.4). */
const MAX_SHORT_LENGTH = 0x7f;

/** The number of bytes that a pair takes on the wire. */
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
  // The top bit marks the long form (FastCGI 3.4). The other 31 are enough: no engine has longer strings.
  target[offset] = 0x80 | (length >>> 24);
  target[offset + 1] = length >>> 16;
  target[offset + 2] = length >>> 8;
  target[offset + 3] = length;
  return offset + 4;
}

/**
 * Checks that a name and its value are strings. The `length` of any other value is missing or counts something else,
 * and would corrupt every sum it is added to, so this is checked before a length is used.
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
 * The pairs that a program gave. A list of its own: an iterable may be read only once, and the program may change its object.
 *
 * @param expectation For messages: "Cannot send the request: expected params".
 * @throws {TypeError} If they are not pairs of strings.
 */
export function listOfPairs(pairs: Iterable<NameValuePair>, expectation: string): NameValuePair[] {
  const isIterable =
    typeof pairs === "object" && pairs !== null && Symbol.iterator in pairs && !ArrayBuffer.isView(pairs);
  const message = `${expectation} to be pairs [name, value] or a Map`;
  if (!isIterable) throw unexpected(message, pairs);
  const list = [...pairs];
  if (!list.every(Array.isArray)) throw new TypeError(`${message}, got something else in it`);
  for (const [name, value] of list) checkNameValuePair(name, value);
  return list;
}

/**
 * Writes one pair to `target` at `offset` and returns the offset after it. Call {@linkcode checkNameValuePair} before.
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
 * Encodes the pairs one after the other (FastCGI 3.4), with lengths in their shortest form.
 *
 * @throws {TypeError} If a name or value is not a string, or one of their characters is not a byte.
 */
export function encodeNameValuePairs(pairs: Iterable<NameValuePair>): Uint8Array {
  const list = listOfPairs(pairs, "Cannot encode the pairs: expected pairs");
  let length = 0;
  for (const pair of list) length += pairLength(pair);
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const [name, value] of list) offset = encodeNameValuePairInto(name, value, bytes, offset);
  return bytes;
}

/**
 * Encodes the pairs in pieces that fit one record each, cut between pairs: PHP and others parse every FCGI_PARAMS
 * record by itself. Only a pair that is larger than a record is cut inside, because there is no other way to send it.
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
  maxPairs?: number | undefined;
}

/**
 * Decodes the pairs in `bytes`, which must be the whole stream: a sender may cut a stream into records anywhere, even
 * inside a pair. A short length is accepted in both forms. Each length is compared with the number of bytes that are
 * left before it is used.
 *
 * @throws {FastCgiError} `protocol` if a pair reaches past the end, `limit` if there are more than `maxPairs`.
 * @throws {RangeError | TypeError} If an argument is not what it must be.
 */
export function decodeNameValuePairs(bytes: Uint8Array, options: DecodeNameValuePairsOptions = {}): NameValuePair[] {
  const { maxPairs = Number.POSITIVE_INFINITY } = optionsOf(options);
  checkBytes(bytes, "Cannot decode name-value pairs", "bytes");
  if (!(typeof maxPairs === "number" && maxPairs >= 0)) {
    throw outOfRange("Cannot use maxPairs: expected a number from 0", maxPairs);
  }
  const pairs: NameValuePair[] = [];
  const { bounds, text } = findNameValuePairs(bytes, { maxPairs });
  // All pairs are decoded as one string: cutting that string costs less than decoding fifty short ones.
  const ascii = decodeAscii(text);
  const cut = (start: number, end: number): string =>
    // Stryker disable next-line ConditionalExpression: ASCII decodes to the same, pair by pair
    ascii === null ? decodeByteString(bytes.subarray(start, end)) : ascii.slice(start, end);
  for (let index = 0; index < bounds.length; index += 3) {
    const valueStart = bounds[index + 1]!;
    pairs.push([cut(bounds[index]!, valueStart), cut(valueStart, bounds[index + 2]!)]);
  }
  return pairs;
}

/** Where pairs are. */
export interface FoundPairs {
  /** Three offsets for each pair: the start of its name, the start of its value, and the end of its value. */
  bounds: number[];
  /** The bytes, with zeros in place of four-byte lengths, whose first byte is not ASCII. */
  text: Uint8Array;
}

/** As {@linkcode decodeNameValuePairs}, but only finds and checks the pairs. */
export function findNameValuePairs(
  bytes: Uint8Array,
  { maxPairs = Number.POSITIVE_INFINITY }: DecodeNameValuePairsOptions = {},
): FoundPairs {
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
      nameLength = longLength(nameLength, bytes, offset);
      offset += 3;
    }
    if (offset >= length) throw truncated(start, length);
    let valueLength = bytes[offset++]!;
    if (valueLength > MAX_SHORT_LENGTH) {
      valueLength = longLength(valueLength, bytes, offset);
      offset += 3;
    }
    // Below 0 on the right side if a length was cut: then the offset is beyond the end. The sum on the left can't overflow:
    // each length has 31 bits, and a number is exact up to 53.
    if (nameLength + valueLength > length - offset) throw truncated(start, length);
    if (offset > start + 2) {
      // Not `bytes.slice()`, which copies nothing if `bytes` is a Node Buffer.
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
