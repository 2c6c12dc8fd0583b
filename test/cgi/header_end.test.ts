import { expect, it } from "vitest";
import { findHeaderEnd } from "../../src/cgi/header_end.ts";
import { latin1 } from "../support/bytes.ts";

/** Texts, and the offset after the empty line. */
const TEXTS: readonly (readonly [text: string, end: number])[] = [
  ["\n", 1],
  ["\r\n", 2],
  ["\nbody\n\n", 1],
  ["\r\nbody\n\n", 2],
  ["a: b\n\n", 6],
  ["a: b\r\n\r\n", 8],
  ["a: b\n\r\n", 7],
  ["a: b\r\n\n", 7],
  ["a: b\nc: d\n\nbody\n\n", 11],
  ["a: b\r\nc: d\r\n\r\nbody\r\n\r\n", 14],
  ["\r\r\n\n", 4],
  ["x\n\n", 3],
  ["a: b\nx\n\n", 8],
];

it.each(TEXTS)("findHeaderEnd of %j is %i, wherever the text is cut and the search goes on", (text, end) => {
  const bytes = latin1(text);
  expect(findHeaderEnd(bytes, 0)).toBe(end);
  for (let searched = 0; searched < end; searched++) {
    expect(findHeaderEnd(bytes.subarray(0, searched), 0)).toBe(-1);
    expect(findHeaderEnd(bytes, searched)).toBe(end);
  }
});

it.each(["", "\r", "\r\r", "x\n", "a: b", "a: b\n", "a: b\r\n\r", "a: b\n\rc\n", "a: b\r\r\n"])(
  "findHeaderEnd of %j is -1",
  (text) => {
    expect(findHeaderEnd(latin1(text), 0)).toBe(-1);
  },
);
