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
