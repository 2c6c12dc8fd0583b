import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SmallMap } from "../../src/base/small_map.ts";

describe("SmallMap", () => {
  it("SmallMap has what a Map has, however many entries come and go", () => {
    const step = fc.oneof(
      { weight: 8, arbitrary: fc.record({ does: fc.constant("set" as const), key: fc.nat(60) }) },
      { weight: 5, arbitrary: fc.record({ does: fc.constant("delete" as const), key: fc.nat(60) }) },
      { weight: 1, arbitrary: fc.record({ does: fc.constant("clear" as const), key: fc.constant(0) }) },
    );
    // Some begin with so many that those that come and go are few beside them.
    const first = fc.constantFrom(0, 5, 31, 32, 33, 50);
    fc.assert(
      fc.property(first, fc.array(step, { maxLength: 300, size: "max" }), (count, steps) => {
        const map = new Map(Array.from({ length: count }, (_, key) => [key, String(key)]));
        const small = new SmallMap<number, string>();
        for (const [key, value] of map) small.set(key, value);
        for (const [index, { does, key }] of steps.entries()) {
          for (const each of [map, small]) {
            if (does === "set") each.set(key, `${key}-${index}`);
            else if (does === "delete") each.delete(key);
            else each.clear();
          }
          expect(small.size).toBe(map.size);
          expect(small.has(key)).toBe(map.has(key));
          expect(small.get(key)).toBe(map.get(key));
          expect(small.values()).toEqual([...map.values()]);
        }
      }),
      { numRuns: 50 },
    );
  });

  it("SmallMap has nothing of its many entries once they are gone", () => {
    const small = new SmallMap<number, number>();
    for (let key = 0; key < 100; key++) small.set(key, key);
    for (let key = 0; key < 100; key++) small.delete(key);
    expect([small.size, small.values()]).toEqual([0, []]);
    small.set(1, 2);
    expect([small.size, small.values()]).toEqual([1, [2]]);
  });

  it("SmallMap.values is a copy, so entries may be deleted while a program goes through it", () => {
    const small = new SmallMap<number, number>();
    for (let key = 0; key < 5; key++) small.set(key, key);
    const seen: number[] = [];
    for (const value of small.values()) {
      seen.push(value);
      small.delete(value);
    }
    expect([seen, small.size]).toEqual([[0, 1, 2, 3, 4], 0]);
  });
});
