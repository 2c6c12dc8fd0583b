import { expect, it } from "vitest";
import { checkSignal, optionsOf } from "../../src/base/unexpected.ts";

it("optionsOf takes undefined and null for no options, and no other value that is no object", () => {
  for (const none of [undefined, null]) expect(optionsOf(none as unknown as object)).toEqual({});
  expect(() => optionsOf(7 as unknown as object)).toThrow(
    new TypeError("Cannot use options: expected an object, got 7"),
  );
});

it("checkSignal refuses a signal that only tells of its abort, where one is thrown", () => {
  const signal = { aborted: false, addEventListener() {} };
  expect(() => checkSignal(signal, "Cannot wait")).toThrow(/^Cannot wait: expected signal to be an AbortSignal, got /);
  expect(() => checkSignal(undefined, "Cannot wait")).not.toThrow();
});
