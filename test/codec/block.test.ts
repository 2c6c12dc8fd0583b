import { describe, expect, it } from "vitest";
import { allocate, allocateFor } from "../../src/codec/block.ts";

describe("allocate", () => {
  it("allocate gives zeros that no other piece has", () => {
    const pieces = Array.from({ length: 500 }, (_, index) => {
      const piece = allocate(index * 10);
      expect([...piece].every((byte) => byte === 0)).toBe(true);
      return piece.fill(index);
    });
    for (const [index, piece] of pieces.entries()) expect(piece).toEqual(new Uint8Array(index * 10).fill(index));
  });

  it("allocate gives as many bytes as it is asked for, in a block or beyond one", () => {
    for (const length of [0, 1, 4_096, 4_097, 16_384, 16_385, 20_000]) expect(allocate(length).length).toBe(length);
  });

  it("allocate goes on when it is asked for what is no number", () => {
    expect(() => allocate(Number.NaN)).not.toThrow();
    expect(() => allocate({} as never)).not.toThrow();
    expect(allocate(8)).toEqual(new Uint8Array(8));
  });
});

describe("allocateFor", () => {
  const fill = (length: number) => (target: Uint8Array, start: number) =>
    start + length > target.length ? null : start + target.fill(7, start, start + length).subarray(0, length).length;

  it("allocateFor gives what was written, in a block of its own where the first has too little room", () => {
    for (const length of [1, 9_000, 9_000, 0, 16 * 1024]) {
      expect(allocateFor(fill(length))).toEqual(new Uint8Array(length).fill(7));
    }
    expect(allocateFor(fill(16 * 1024 + 1))).toBeNull();
  });

  it("allocateFor leaves nothing behind when writing throws or finds no room", () => {
    const dirty = (target: Uint8Array, start: number): null => {
      target.fill(9, start);
      return null;
    };
    for (let round = 0; round < 3; round++) {
      expect(allocateFor(dirty)).toBeNull();
      expect(allocate(100)).toEqual(new Uint8Array(100));
      const broken = new Error("broken");
      expect(() =>
        allocateFor((target, start) => {
          dirty(target, start);
          throw broken;
        }),
      ).toThrow(broken);
      expect(allocate(100)).toEqual(new Uint8Array(100));
    }
  });

  it("allocateFor keeps pieces apart when writing one writes another", () => {
    let inner: Uint8Array | null = null;
    const outer = allocateFor((target, start) => {
      inner = allocateFor(fill(100));
      return start + target.fill(5, start, start + 100).subarray(0, 100).length;
    });
    const next = allocate(100).fill(3);
    expect([outer, inner, next].map((piece) => new Set(piece))).toEqual([new Set([5]), new Set([7]), new Set([3])]);
  });
});
