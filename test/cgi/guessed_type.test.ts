import { expect, it } from "vitest";
import { guessedType } from "../../src/cgi/guessed_type.ts";
import { latin1 } from "../support/bytes.ts";

const TEXT = "text/plain;charset=UTF-8";
const BYTES = "application/octet-stream";

it.each([
  ["nothing", "", TEXT],
  ["ASCII", "a,b\r\n", TEXT],
  ["HTML, which must not run as a page", "<!doctype html><script>", TEXT],
  ["UTF-8", "caf\xc3\xa9", TEXT],
  ["UTF-8 whose last character is cut", "caf\xc3", TEXT],
  ["Latin-1", "caf\xe9 au lait", BYTES],
  ["text with a NUL", "a\0b", BYTES],
  ["the start of a PNG file", "\x89PNG\r\n\x1a\n", BYTES],
])("guessedType gives the type of a body that begins with %s", (_, start, type) => {
  expect(guessedType(latin1(start))).toBe(type);
});
