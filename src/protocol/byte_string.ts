// Names and values on the wire are bytes. In this library they are byte strings: one character per byte, U+0000 to
// U+00FF, as in Fetch's ByteString and Python's PEP 3333. Nothing is lost or guessed on the way, a value read by a
// server can be sent on by a client unchanged, and engines keep such strings in one byte per character.

import { checkBytes, checkString } from "../base/unexpected.ts";
import type { UnsharedBytes } from "../base/unshared_bytes.ts";

const utf8 = /* @__PURE__ */ new TextDecoder("utf-8", { ignoreBOM: true });
const utf8Encoder = /* @__PURE__ */ new TextEncoder();

/** Up to this many bytes, building the string directly is faster than the fixed cost of a TextDecoder call. */
const SHORT = 48;

/**
 * `String.fromCharCode` takes its characters as arguments, which live on the stack: longer strings are built in parts.
 */
const MAX_ARGUMENTS = 4096;

/** The text of `bytes`, or null if they are not all ASCII. */
export function decodeAscii(bytes: Uint8Array): string | null {
  // A character outside ASCII takes more bytes in UTF-8 than UTF-16 units; bytes that are not UTF-8 become U+FFFD.
  const text = utf8.decode(bytes);
  return text.length === bytes.length && !text.includes("\ufffd") ? text : null;
}

/**
 * The byte string of `bytes`.
 *
 * @throws {TypeError} If they are no Uint8Array.
 */
export function decodeByteString(bytes: Uint8Array): string {
  checkBytes(bytes, "Cannot decode a byte string", "bytes");
  // Stryker disable next-line ConditionalExpression,EqualityOperator,BlockStatement: both ways give the same string, and differ in time
  if (bytes.length > SHORT) {
    const text = decodeAscii(bytes);
    // Stryker disable next-line ConditionalExpression: the other way gives the same string
    if (text !== null) return text;
  }
  let string = "";
  // Stryker disable next-line EqualityOperator: one part more would be empty
  for (let start = 0; start < bytes.length; start += MAX_ARGUMENTS) {
    string += String.fromCharCode.apply(null, bytes.subarray(start, start + MAX_ARGUMENTS) as unknown as number[]);
  }
  return string;
}

/**
 * Writes a byte string to `target` at `offset` and returns the offset after it.
 *
 * @throws {TypeError} If a character is above U+00FF.
 */
export function encodeByteStringInto(string: string, target: Uint8Array, offset: number): number {
  const { length } = string;
  // Checked once after the loop and not for each character: no loop of this library runs more often.
  let bits = 0;
  for (let index = 0; index < length; index++) {
    const code = string.charCodeAt(index);
    bits |= code;
    target[offset + index] = code;
  }
  if (bits > 0xff) throw notBytes(string);
  return offset + length;
}

function notBytes(string: string): TypeError {
  const index = string.search(/[^\0-\xff]/);
  return new TypeError(
    `Cannot encode ${JSON.stringify(string.slice(0, 80))}: character ${index} is not a byte; text goes through utf8ToByteString()`,
  );
}

/**
 * The bytes of a byte string.
 *
 * @throws {TypeError} If it is no string, or a character is above U+00FF.
 */
export function encodeByteString(string: string): UnsharedBytes {
  checkString(string, "Cannot encode a byte string", "string");
  const bytes = new Uint8Array(string.length);
  encodeByteStringInto(string, bytes, 0);
  return bytes;
}

/** Whether `text` is ASCII, and so its own byte string. */
export function isAscii(text: string): boolean {
  // Stryker disable next-line EqualityOperator: behind the last character comes NaN, which is not above 7F
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) > 0x7f) return false;
  }
  return true;
}

/** The text of bytes in UTF-8. Bytes that are not UTF-8 become U+FFFD. */
export function decodeUtf8(bytes: Uint8Array): string {
  return utf8.decode(bytes);
}

/** The bytes of a text in UTF-8. */
export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  return utf8Encoder.encode(text);
}

/**
 * The byte string of a text in UTF-8, for a param that carries text, such as a file path.
 *
 * @throws {TypeError} If it is no string.
 */
export function utf8ToByteString(text: string): string {
  checkString(text, "Cannot encode text", "text");
  // ASCII, the common case, is its own UTF-8 form.
  return isAscii(text) ? text : decodeByteString(encodeUtf8(text));
}

/**
 * The text in a byte string that holds UTF-8, such as `PATH_INFO`. Bytes that are not UTF-8 become U+FFFD.
 *
 * @throws {TypeError} If it is no byte string.
 */
export function byteStringToUtf8(string: string): string {
  return decodeUtf8(encodeByteString(string));
}
