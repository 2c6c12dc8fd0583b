import { expect, it } from "vitest";
import { resolveOptions } from "../../src/base/resolve_options.ts";

interface Options {
  maxBytes: number;
  timeout: number;
  strict: boolean;
}

const DEFAULTS: Options = Object.freeze({ maxBytes: 100, timeout: 30_000, strict: false });

it("resolveOptions returns the defaults when nothing is given", () => {
  expect(resolveOptions(DEFAULTS, {})).toEqual(DEFAULTS);
  expect(resolveOptions(DEFAULTS, {})).not.toBe(DEFAULTS);
});

it("resolveOptions takes what is given over the defaults", () => {
  const given = { maxBytes: 1, strict: true, timeout: Number.POSITIVE_INFINITY };
  expect(resolveOptions(DEFAULTS, given)).toEqual(given);
});

it("resolveOptions takes the default when undefined is given", () => {
  expect(resolveOptions(DEFAULTS, { maxBytes: undefined })).toEqual(DEFAULTS);
});

it("resolveOptions leaves out what has no default", () => {
  expect(resolveOptions(DEFAULTS, { other: 1 } as object)).toEqual(DEFAULTS);
});

it.each([0, -1, Number.NaN, Number.NEGATIVE_INFINITY])(
  "resolveOptions throws a RangeError when a number is %d",
  (maxBytes) => {
    expect(() => resolveOptions(DEFAULTS, { maxBytes })).toThrow(RangeError);
    expect(() => resolveOptions(DEFAULTS, { maxBytes })).toThrow("Cannot use maxBytes: expected a number above 0");
  },
);

it.each([
  ["a string", "1"],
  ["null", null],
  ["a boolean", true],
  ["a bigint", 1n],
])("resolveOptions throws a TypeError when a number is %s", (_, value) => {
  const given = { maxBytes: value as unknown as number };
  expect(() => resolveOptions(DEFAULTS, given)).toThrow(TypeError);
  expect(() => resolveOptions(DEFAULTS, given)).toThrow("Cannot use maxBytes: expected a number");
});

it("resolveOptions throws a TypeError when a switch is no boolean", () => {
  expect(() => resolveOptions(DEFAULTS, { strict: 1 as unknown as boolean })).toThrow(
    "Cannot use strict: expected a boolean, got 1",
  );
});
