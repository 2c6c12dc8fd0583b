import fc from "fast-check";
import { expect, it } from "vitest";
import {
  byteStringToUtf8,
  decodeAscii,
  decodeByteString,
  encodeByteString,
  encodeByteStringInto,
  isAscii,
  utf8ToByteString,
} from "../../src/protocol/byte_string.ts";
import { hex, hexOf, joined, latin1 } from "../support/bytes.ts";

const allBytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const ascii = allBytes.subarray(0, 128);

/** The two ways of decoding meet at 48 bytes, and pieces of a long string at 4,096. */
const LENGTHS = [0, 1, 47, 48, 49, 50, 128, 4095, 4096, 4097, 8192, 100_000];

/** What a decoder that looks for UTF-8 could take for text, or trip over. */
const TRAPS: readonly (readonly [what: string, bytes: Uint8Array])[] = [
  ["two-byte UTF-8", hex("c3 a9")],
  ["three-byte UTF-8", hex("e2 82 ac")],
  ["four-byte UTF-8", hex("f0 9f 98 80")],
  ["U+FFFD as UTF-8", hex("ef bf bd")],
  ["a byte order mark", hex("ef bb bf")],
  ["a lone continuation byte", hex("80")],
  ["a cut sequence", hex("e2 82")],
  ["an overlong slash", hex("c0 af")],
  ["a surrogate half as UTF-8", hex("ed a0 80")],
  ["bytes that are never UTF-8", hex("fe ff")],
  ["null", hex("00")],
];

it("decodeByteString gives one character per byte when given all 256 bytes", () => {
  const string = decodeByteString(allBytes);
  expect([...string].map((character) => character.charCodeAt(0))).toEqual([...allBytes]);
});

it("decodeByteString gives the same characters when ASCII is short, long or very long", () => {
  for (const length of LENGTHS) {
    const bytes = Uint8Array.from({ length }, (_, index) => ascii[index % 128]!);
    expect(decodeByteString(bytes) === Buffer.from(bytes).toString("latin1"), `${length} bytes`).toBe(true);
  }
});

it.each(TRAPS)("decodeByteString keeps the bytes apart when they look like %s", (_, trap) => {
  for (const before of LENGTHS) {
    const bytes = joined(new Uint8Array(before).fill(0x41), trap, hex("42"));
    const string = decodeByteString(bytes);
    expect(string === Buffer.from(bytes).toString("latin1"), `behind ${before} bytes`).toBe(true);
  }
});

it("decodeAscii gives the text of ASCII, and null when any byte is outside it", () => {
  expect(decodeAscii(ascii)).toBe(String.fromCharCode(...ascii));
  expect(decodeAscii(hex(""))).toBe("");
  for (const [what, trap] of TRAPS) {
    expect(decodeAscii(joined(ascii, trap)), what).toBe(what === "null" ? `${String.fromCharCode(...ascii)}\0` : null);
  }
});

it("isAscii is whether text has no character above U+007F", () => {
  for (const text of ["", "a", "\0", "a\x7f"]) expect(isAscii(text), JSON.stringify(text)).toBe(true);
  for (const text of ["\x80", "a\x80", "\xffa", "\u0100", "😀"])
    expect(isAscii(text), JSON.stringify(text)).toBe(false);
});

it("byte strings throw a TypeError when they are made of another kind of value", () => {
  expect(() => decodeByteString("a" as never)).toThrow(
    new TypeError('Cannot decode a byte string: expected bytes to be a Uint8Array, got "a"'),
  );
  expect(() => encodeByteString(7 as never)).toThrow(
    new TypeError("Cannot encode a byte string: expected string to be a string, got 7"),
  );
  expect(() => utf8ToByteString(null as never)).toThrow(
    new TypeError("Cannot encode text: expected text to be a string, got null"),
  );
});

it("encodeByteString undoes decodeByteString when given any bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(encodeByteString(decodeByteString(bytes))).toEqual(new Uint8Array(bytes));
    }),
  );
});

it("encodeByteString throws a TypeError when a character is above U+00FF", () => {
  expect(hexOf(encodeByteString("a\u00ff"))).toBe("61 ff");
  expect(() => encodeByteString("caf\u0100")).toThrow(TypeError);
  expect(() => encodeByteString("caf\u0100")).toThrow("character 3 is not a byte");
  expect(() => encodeByteString("😀")).toThrow(TypeError);
});

it("encodeByteString names only the start of the string when a long one is not bytes", () => {
  const string = `${"a".repeat(100_000)}€`;
  expect(() => encodeByteString(string)).toThrow(/character 100000 is not a byte/);
  expect(() => encodeByteString(string)).toThrow(/^.{0,250}$/);
});

it("encodeByteStringInto writes at the offset and returns the end when there is room", () => {
  const target = new Uint8Array(5).fill(0x2e);
  expect(encodeByteStringInto("ab", target, 2)).toBe(4);
  expect(target).toEqual(latin1("..ab."));
});

it("utf8ToByteString gives one character per UTF-8 byte when given text", () => {
  expect(utf8ToByteString("/srv/é€😀")).toBe("/srv/\u00c3\u00a9\u00e2\u0082\u00ac\u00f0\u009f\u0098\u0080");
});

/** Text of any characters but halves of surrogate pairs, which UTF-8 cannot say. */
const anyText = fc
  .array(fc.oneof(fc.nat(0xd7ff), fc.integer({ min: 0xe000, max: 0x10ffff })), { maxLength: 100 })
  .map((codes) => String.fromCodePoint(...codes));

it("byteStringToUtf8 undoes utf8ToByteString when given any text", () => {
  expect(byteStringToUtf8(utf8ToByteString("\ufeff/é"))).toBe("\ufeff/é");
  fc.assert(
    fc.property(anyText, (text) => {
      expect(byteStringToUtf8(utf8ToByteString(text))).toBe(text);
    }),
  );
});

it("byteStringToUtf8 shows U+FFFD when the bytes are not UTF-8", () => {
  expect(byteStringToUtf8("a\u00ffb")).toBe("a\ufffdb");
});
