import { expect, it } from "vitest";
import { copyableWith } from "../../src/base/copyable.ts";

interface Counted {
  readonly name: string;
  readonly count: number;
}

/** Has a property, and a getter for a private member. */
class Counter implements Counted {
  readonly name: string;
  #count = 0;

  constructor(name: string) {
    this.name = name;
  }

  get count(): number {
    return ++this.#count;
  }

  get other(): string {
    return "no member of the interface";
  }
}

const copyable = copyableWith<Counted>({ name: true, count: true });

it("copyableWith gives an object whose copies have what the class has as getters", () => {
  const given = copyable(new Counter("a"));
  expect(given).toBeInstanceOf(Counter);
  expect(Object.keys(given)).toEqual(["name", "count"]);
  expect({ ...given }).toEqual({ name: "a", count: expect.any(Number) });
  const { name, ...rest } = given;
  expect([name, rest]).toEqual(["a", { count: expect.any(Number) }]);
  expect(JSON.parse(JSON.stringify(given))).toEqual({ name: "a", count: expect.any(Number) });
  expect("count" in given && Object.hasOwn(given, "count")).toBe(true);
});

it("copyableWith calls no getter before its property is read", () => {
  const given = copyable(new Counter("a"));
  Object.keys(given);
  expect(given.count).toBe(1);
});

it("copyableWith lets what inherits from the object, or wraps it, reach the private members", () => {
  const given = copyable(new Counter("a"));
  const derived = Object.create(given, { name: { value: "b" } });
  expect([derived.name, derived.count]).toEqual(["b", 1]);
  expect(new Proxy(given, {}).count).toBe(2);
});

it("copyableWith copies what a program has added", () => {
  const key = Symbol("key");
  const given = copyable(new Counter("a")) as Counted & Record<PropertyKey, unknown>;
  given.user = "alice";
  given[key] = 1;
  expect({ ...given }).toEqual({ name: "a", count: expect.any(Number), user: "alice", [key]: 1 });
  delete given.user;
  expect(Object.keys(given)).toEqual(["name", "count"]);
});

it("copyableWith lets a program set the members of what has its property descriptors", () => {
  const given = copyable(new Counter("a"));
  const copy = Object.create(null, Object.getOwnPropertyDescriptors(given)) as { count: number };
  for (const count of [7, 8]) {
    copy.count = count;
    expect(copy.count).toBe(count);
  }
  expect(given.count).toBe(1);
});

it("copyableWith can't be frozen, and stays whole when that is tried", () => {
  const given = copyable(new Counter("a"));
  expect(() => Object.freeze(given)).toThrow(TypeError);
  expect(Object.keys({ ...given })).toEqual(["name", "count"]);
});
