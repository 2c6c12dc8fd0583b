import fc from "fast-check";
import { expect, it } from "vitest";
import { plainFields } from "../../../src/http/shared/plain_fields.ts";

const PLAIN: readonly HeadersInit[] = [
  {},
  [],
  { accept: "*/*", "x-a": "1" },
  { "X-B": "2", "x-a": "1", Accept: "a, b" },
  [
    ["X-B", "2"],
    ["accept", "caf\xe9 \t au lait"],
  ],
  [["9", "1"]],
  [
    ["b", "1"],
    ["c", "2"],
    ["a", "3"],
  ],
];

it.each(PLAIN.map((init) => [init]))("plainFields lists %j as Headers does", (init) => {
  expect(plainFields(init)).toEqual([...new Headers(init)]);
});

it("plainFields lists no fields when none are given", () => {
  expect(plainFields(undefined)).toEqual([]);
});

/** What `Headers` changes, refuses or reads in another way. */
const OTHERS: readonly (readonly [what: string, init: unknown])[] = [
  ["Headers", new Headers({ a: "1" })],
  ["a Map", new Map([["a", "1"]])],
  ["an object of a class", Object.create({ a: "1" })],
  ["an object with a symbol", { a: "1", [Symbol("b")]: "2" }],
  ["null", null],
  ["text", "a"],
  ["a name in two spellings", { a: "1", A: "2" }],
  ["a name that comes twice, apart", [...Object.entries({ b: "1", a: "2" }), ["B", "3"]]],
  ["a name that is none", { "a b": "1" }],
  ["a name that is no text", [[5, "1"]]],
  ["a value with a space before", { a: " 1" }],
  ["a value with a space behind", { a: "1 " }],
  ["a value of more than one line", { a: "1\n2" }],
  ["a value that is no byte string", { a: "\u20ac" }],
  ["an empty value", { a: "" }],
  ["a value that is no text", { a: 1 }],
  ["a pair of one", [["a"]]],
  ["a pair of three", [["a", "1", "2"]]],
  ["a pair that is text", ["ab"]],
];

it.each(OTHERS)("plainFields leaves %s to Headers", (_, init) => {
  expect(plainFields(init as HeadersInit)).toBeNull();
});

it("plainFields lists what Headers lists, or nothing", () => {
  const name = fc.string({ unit: fc.constantFrom("a", "B", "-", "9", " "), minLength: 1, maxLength: 3 });
  const value = fc.string({ unit: fc.constantFrom("a", " ", "\t", "\xff", "\u20ac"), maxLength: 4 });
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value), { maxLength: 4 }), (pairs) => {
      const fields = plainFields(pairs);
      if (fields !== null) expect(fields).toEqual([...new Headers(pairs)]);
    }),
  );
});
