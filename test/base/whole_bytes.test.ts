import fc from "fast-check";
import { expect, it } from "vitest";
import { WholeBytes } from "../../src/base/whole_bytes.ts";

it("WholeBytes joins pieces in a buffer of their length, whatever was announced", () => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 20_000, size: "max" }), { maxLength: 6 });
  fc.assert(
    fc.property(pieces, fc.option(fc.nat(60_000)), (given, expected) => {
      const whole = new WholeBytes(expected);
      for (const piece of given) whole.add(piece);
      const bytes = whole.take();
      expect(bytes.buffer.byteLength).toBe(bytes.length);
      expect(Buffer.compare(bytes, Buffer.concat(given))).toBe(0);
      expect(whole.take().length).toBe(0);
    }),
    { numRuns: 50 },
  );
});

it("WholeBytes takes no memory for bytes that were announced and have not come", () => {
  const whole = new WholeBytes(Number.MAX_SAFE_INTEGER);
  whole.add(new Uint8Array(1000));
  expect(whole.take()).toEqual(new Uint8Array(1000));
});

it("WholeBytes gives no bytes in a buffer of their own, which a program may transfer", () => {
  for (const whole of [new WholeBytes(null), new WholeBytes(0)]) {
    for (let count = 0; count < 2; count++) {
      const { buffer } = whole.take();
      expect(structuredClone(buffer, { transfer: [buffer] }).byteLength).toBe(0);
      whole.add(Uint8Array.of(1, 2));
      expect(whole.take()).toEqual(Uint8Array.of(1, 2));
    }
  }
});

/** The bytes that `use` gives, copied, and the buffer in which they were. */
function used(whole: WholeBytes): { bytes: Uint8Array; buffer: ArrayBuffer } {
  return whole.use((bytes) => ({ bytes: bytes.slice(), buffer: bytes.buffer }));
}

function filled(byte: number, length: number): WholeBytes {
  const whole = new WholeBytes(null, true);
  for (let left = length; left > 0; left -= 50_000) whole.add(new Uint8Array(Math.min(left, 50_000)).fill(byte));
  return whole;
}

it("WholeBytes uses a buffer again whose bytes were used, and shows nothing of them", () => {
  const { buffer } = used(filled(1, 300_000));
  const second = used(filled(2, 100_000));
  expect(second.buffer).toBe(buffer);
  expect(Buffer.compare(second.bytes, Buffer.alloc(100_000, 2))).toBe(0);
});

it("WholeBytes gives bytes that come at the same time a buffer each", () => {
  used(filled(1, 300_000));
  const both = [filled(2, 100_000), filled(3, 100_000)];
  const [one, other] = both.map(used);
  expect(one!.buffer).not.toBe(other!.buffer);
  expect(one!.bytes.every((byte) => byte === 2) && other!.bytes.every((byte) => byte === 3)).toBe(true);
});

it("WholeBytes never gives away a buffer that is used again, nor uses one again whose use failed", () => {
  const { buffer } = used(filled(1, 300_000));
  const own = new WholeBytes(null);
  own.add(new Uint8Array(100_000));
  expect(own.take().buffer).not.toBe(buffer);
  // Nor does it take one from those that would use it.
  expect(used(filled(3, 100_000)).buffer).toBe(buffer);
  let kept: ArrayBuffer | undefined;
  const failing = filled(2, 100_000);
  expect(() =>
    failing.use((bytes) => {
      kept = bytes.buffer;
      throw new Error("no memory for the text");
    }),
  ).toThrow("no memory for the text");
  expect(used(filled(3, 100_000)).buffer).not.toBe(kept);
});

it("WholeBytes keeps no more than 8 MiB to use again", () => {
  const many = Array.from({ length: 20 }, () => filled(1, 500_000));
  const first = new Set(many.map((whole) => used(whole).buffer));
  const again = Array.from({ length: 20 }, () => filled(2, 400_000)).map((whole) => used(whole).buffer);
  const kept = new Set(again.filter((buffer) => first.has(buffer)));
  const bytes = [...kept].reduce((sum, { byteLength }) => sum + byteLength, 0);
  expect(bytes).toBeGreaterThan(4 * 1024 * 1024);
  expect(bytes).toBeLessThanOrEqual(8 * 1024 * 1024);
});
