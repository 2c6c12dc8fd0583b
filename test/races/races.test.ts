// Every order of two operations, and longer ones at random. npm run races goes deeper.
import { describe, expect, it } from "vitest";
import { explore, replay, reportOf, sample, type World, type WorldKind } from "./explore.ts";
import { worlds } from "./worlds.ts";

/** Operations in an order that is chosen at random. */
const LENGTH = 12;
const SAMPLES = 40;

describe.each(worlds.map((kind) => [kind.name, kind] as const))("%s", (_, kind) => {
  it("keeps its rules in every order of two operations, in the same turn and in later ones", async () => {
    const { orders, broken } = await explore(kind, 2);
    expect(broken && reportOf(kind, broken)).toBeNull();
    expect(orders).toBeGreaterThan(40);
  });

  it("keeps its rules in long orders that are chosen at random", async () => {
    for (let seed = 1; seed <= SAMPLES; seed++) {
      const broken = await sample(kind, LENGTH, seed);
      expect(broken && reportOf(kind, broken)).toBeNull();
    }
  });
});

/** A world that breaks when "b" comes right behind "a", or in a turn of its own behind "c". */
class FragileWorld implements World {
  #before = "";
  #isBroken = false;

  enabled(): string {
    return "abc";
  }

  do(operation: string): void {
    const before = this.#before;
    this.#before = operation;
    queueMicrotask(() => {
      this.#before = this.#before === "c" ? "c, a turn ago" : "";
    });
    if (operation === "b" && (before === "a" || before === "c, a turn ago")) this.#isBroken = true;
  }

  async finish(): Promise<void> {
    if (this.#isBroken) throw new Error("It broke");
  }
}

describe("explore", () => {
  const fragile: WorldKind = { name: "fragile", make: () => new FragileWorld() };

  it("explore finds the shortest order that breaks a rule, and the order replays", async () => {
    const { broken } = await explore(fragile, 3);
    expect(broken?.order).toBe("ab");
    expect((await replay(fragile, "ab"))?.order).toBe("ab");
    expect((await replay(fragile, "c.b"))?.order).toBe("c.b");
    expect(await replay(fragile, "a.b")).toBeNull();
    expect(await replay(fragile, "cb")).toBeNull();
  });

  it("sample shortens what it finds", async () => {
    const found = await sample(fragile, 30, 3);
    expect(["ab", "c.b", "c.ab"]).toContain(found?.order);
  });
});
