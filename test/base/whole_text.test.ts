import fc from "fast-check";
import { expect, it } from "vitest";
import { WholeText } from "../../src/base/whole_text.ts";

function decoded(pieces: readonly Uint8Array[]): string {
  const text = new WholeText();
  for (const piece of pieces) {
    const given = new Uint8Array(piece);
    text.add(given);
    // Its memory may be used for something else from then on.
    given.fill(0x3f);
  }
  return text.take();
}

/** Bytes in any order, with many of those that begin, continue or break a character, and byte order marks. */
const bytes = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary", maxLength: 3 }).map((text) => new TextEncoder().encode(text)),
      fc.constantFrom([0xef, 0xbb, 0xbf], [0xef, 0xbb], [0xf0, 0x9f], [0xe2], [0x80], [0xff], [0xc0, 0x80], [0x61]),
      fc.uint8Array({ maxLength: 4 }),
    ),
    { maxLength: 12 },
  )
  .map((parts) => Uint8Array.from(parts.flatMap((part) => [...part])));

it("WholeText decodes as a TextDecoder does, wherever the bytes are cut", () => {
  fc.assert(
    fc.property(bytes, fc.array(fc.nat(5), { minLength: 1, maxLength: 6 }), (all, lengths) => {
      const pieces: Uint8Array[] = [];
      for (let start = 0, index = 0; start < all.length; index++) {
        const end = start + Math.max(lengths[index % lengths.length]!, index % 2);
        pieces.push(all.subarray(start, end));
        start = end;
      }
      expect(decoded(pieces)).toBe(new TextDecoder().decode(all));
    }),
    { numRuns: 500 },
  );
});

it("WholeText drops a byte order mark only at the start", () => {
  const mark = Uint8Array.of(0xef, 0xbb, 0xbf);
  expect(decoded([mark, mark])).toBe("\ufeff");
  expect(decoded([mark.subarray(0, 1), mark.subarray(1), mark])).toBe("\ufeff");
  expect(decoded([mark])).toBe("");
  expect(decoded([])).toBe("");
});
